"""The paper's recipe on the tiny hub, as a user runs it: trained, killed, resumed, asked, merged."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from tinyhub import (
    COMMIT,
    DINOV2,
    TOWER_CONFIG,
    VICUNA_REPO,
    TinyHub,
    as_folder,
    as_json,
    tiny_hub,
    tower_files,
)

from expllm.core.conversations import explanation_question, label_question
from expllm.core.vocabulary import label_set
from expllm.data.readers.rafdb import RAFDB_ORDER
from expllm.model.checkpoint import load_model
from expllm.model.inference.generate import FaceVLM

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "rafdb.yaml"
STEPS = 12
FACES = 24
TIMEOUT_S = 900.0  # of a training; a start takes half a minute where ten others run beside it

pytestmark = pytest.mark.slow


def rafdb(folder: Path) -> Path:
    """RAF-DB as its authors hand it out, with a few drawn faces, and texts for some of them beside it."""
    aligned = folder / "RAF-DB" / "basic" / "Image" / "aligned"
    aligned.mkdir(parents=True)
    lines, texts = [], []
    for number in range(1, FACES + 1):
        for split in ("train", "test"):
            name = f"{split}_{number:05d}"
            label = 1 + number % 7
            lines.append(f"{name}.jpg {label}")
            face(number, label).save(aligned / f"{name}_aligned.jpg", quality=95)
            word = RAFDB_ORDER.labels[label - 1].value
            text = (
                f"Key Observations: The lip corners are pulled by {number}.\n"
                f"Overall Emotional Interpretation: It may mean {word}.\nConclusion: This is {word}."
            )
            if split == "train" and number % 2:
                texts.append({"id": f"{name}_aligned.jpg", "expression": word, "aus": {}, "cot": text})
    labels = folder / "RAF-DB" / "basic" / "EmoLabel"
    labels.mkdir()
    (labels / "list_patition_label.txt").write_text("".join(f"{line}\n" for line in lines))
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
    return folder


def face(number: int, label: int) -> Image.Image:
    image = Image.new("RGB", (100, 100), (40 + 29 * label, 90, 250 - 30 * label))
    draw = ImageDraw.Draw(image)
    draw.ellipse((10, 10, 90, 95), fill=(220, 180, 120 + number))
    draw.arc((30, 50, 70, 80), 0, 180, fill=(120, 20, 20), width=3)
    return image


def command(place: Path, output: str, *more: str) -> list[str]:
    """As a user writes it."""
    return [
        sys.executable, "-m", "expllm", "train", str(RECIPE), f"data.train={place / 'RAF-DB'}:train",
        f"data.texts={place / 'texts.jsonl'}", "model.init_from=null", f"train.max_steps={STEPS}",
        "train.batch=4", "train.micro_batch=2", "train.save_steps=2", "train.save_total_limit=9",
        "train.dataloader_num_workers=0", "train.report_to=none", *more, "-o", str(place / output),
    ]  # fmt: skip


def environment(hub: TinyHub) -> Mapping[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **hub.environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def run(hub: TinyHub, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        arguments, env=environment(hub), capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rafdb(tmp_path_factory.mktemp("rafdb"))


@pytest.fixture(scope="module")
def trained(hub: TinyHub, place: Path) -> Path:
    """An undisturbed training."""
    done = run(hub, command(place, "whole"))
    assert done.returncode == 0, done.stderr
    return place / "whole"


def learned(output: Path) -> dict[str, torch.Tensor]:
    files = sorted((output / "1-instruct" / "model").glob("*.safetensors"))
    return {f"{path.name} {name}": tensor for path in files for name, tensor in load_file(path).items()}


def history(output: Path) -> list[dict[str, Any]]:
    path = output / "1-instruct" / "history.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_it_learns_in_16_bits_with_checkpointing(trained: Path) -> None:
    settings = json.loads((trained / "run.json").read_text())
    assert settings["stages.instruct.precision"] == "bf16"
    assert settings["stages.instruct.gradient_checkpointing"] is True
    assert settings["model.tower_source"] == f"{DINOV2}@{COMMIT[DINOV2]}"
    assert settings["model.language_source"] == f"{VICUNA_REPO}@{COMMIT[VICUNA_REPO]}"
    rows = history(trained)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    tasks = {task for row in rows for task in row["by_task"]}
    assert tasks == {"label", "explanation"}
    moved = [name for name, tensor in learned(trained).items() if "lora_B" in name and tensor.any()]
    assert {"vision_tower" in name for name in moved} == {True, False}


def test_killed_and_resumed_it_is_the_same_bit_for_bit(hub: TinyHub, trained: Path, place: Path) -> None:
    arguments = command(place, "killed")
    process = subprocess.Popen(arguments, env=environment(hub), stderr=subprocess.PIPE)
    until = time.monotonic() + TIMEOUT_S
    while len(history(place / "killed")) < 5:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (place / "killed" / "1-instruct" / "model").exists()
    done = run(hub, arguments)
    assert done.returncode == 0, done.stderr
    assert history(place / "killed") == history(trained)
    ours, theirs = learned(place / "killed"), learned(trained)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_another_revision_is_not_gone_on_with(place: Path, trained: Path, tmp_path: Path) -> None:
    """Both are named; the same files in a folder of the user's own are another place, too."""
    other = "e" * 40
    hub = tiny_hub(tmp_path / "cache")
    hub.lay(DINOV2, {**tower_files("safetensors"), "config.json": as_json({**TOWER_CONFIG, "_x": 1})}, other)
    done = run(hub, command(place, "whole"))
    assert done.returncode == 1
    assert f"{DINOV2}@{COMMIT[DINOV2]}" in done.stderr
    assert f"{DINOV2}@{other}" in done.stderr
    assert "go on with the same" in done.stderr
    named = run(hub, command(place, "whole", f"model.tower_source={DINOV2}@{COMMIT[DINOV2]}"))
    assert named.returncode == 0, named.stderr
    folder = as_folder(tmp_path / "dinov2", tower_files("safetensors"))
    done = run(hub, command(place, "whole", f"model.tower_source={folder}"))
    assert done.returncode == 1
    assert f"{folder}@sha256:" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_without_weights_is_refused_before_any_work(
    hub: TinyHub, place: Path, tmp_path: Path
) -> None:
    files = tower_files("safetensors")
    files["model.safetensors"] = files["model.safetensors"][:-1000]
    folder = as_folder(tmp_path / "dinov2", files)
    done = run(hub, command(place, "refused", f"model.tower_source={folder}"))
    assert done.returncode == 5
    assert f"{folder / 'model.safetensors'}: is cut short or damaged" in done.stderr
    assert not (place / "refused" / "run.json").exists()
    assert done.stderr.count("\n") == 1


def test_it_answers_a_face(hub: TinyHub, trained: Path) -> None:
    face_file = ROOT / "examples" / "faces" / "astronaut.jpg"
    model = str(trained / "1-instruct" / "model")
    done = run(hub, [sys.executable, "-m", "expllm", "analyze", str(face_file), "--model", model,
                     "--format", "jsonl"])  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[0])
    assert abs(sum(found["probabilities"].values()) - 1) < 1e-6
    assert set(found["probabilities"]) == {label.value for label in label_set(7)}


MERGED = """
import json, sys, torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration
torch.set_num_threads(1)
folder, file, given = sys.argv[1:]
asked = json.loads(given)
processor = AutoProcessor.from_pretrained(folder)
model, info = LlavaForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
assert not any(info.values()), info
image = Image.open(file)

def read(question, answer=""):
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True) + answer
    return processor(images=image, text=text, return_tensors="pt")

@torch.no_grad()
def score(label):
    asking = read(asked["label"])["input_ids"].shape[1]
    inputs = read(asked["label"], f" {label}</s>")
    told = model(**inputs).logits[0, asking - 1 : -1].log_softmax(-1)
    return float(told.gather(-1, inputs["input_ids"][0, asking:, None]).sum())

found = {"scores": {label: score(label) for label in asked["labels"]}}
inputs = read(asked["explanation"])
ids = model.generate(**inputs, max_new_tokens=40)[0, inputs["input_ids"].shape[1]:]
found["text"] = processor.decode(ids, skip_special_tokens=True)
settings = model.generation_config
found["settings"] = {"do_sample": settings.do_sample, "pad": settings.pad_token_id}
assert not [name for name in sys.modules if name.startswith(("expllm", "peft"))]
print(json.dumps(found))
"""


def test_merged_it_answers_the_same_in_plain_transformers(
    hub: TinyHub, cached: TinyHub, trained: Path, place: Path, tmp_path: Path
) -> None:
    model, plain = trained / "1-instruct" / "model", tmp_path / "plain"
    done = run(hub, [sys.executable, "-m", "expllm", "model", "merge", str(model), "-o", str(plain)])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    file = next((place / "RAF-DB" / "basic" / "Image" / "aligned").glob("test_00003*"))
    bundle = load_model(model)
    asked = {
        "label": label_question(bundle.labels, bundle.questions).turns[0].text,
        "explanation": explanation_question(bundle.questions).turns[0].text,
        "labels": [label.value for label in bundle.labels],
    }
    other = run(hub, [sys.executable, "-c", MERGED, str(plain), str(file), json.dumps(asked)])
    assert other.returncode == 0, other.stderr
    found = json.loads(other.stdout.splitlines()[-1])
    image = Image.open(file).convert("RGB")
    answers = FaceVLM(bundle, dtype=torch.float32).generate([image], max_new_tokens=40)
    ours = dict(zip(asked["labels"], answers.labels.sums[0].tolist(), strict=True))
    assert max(abs(ours[label] - score) for label, score in found["scores"].items()) < 1e-3
    assert len({round(score, 4) for score in ours.values()}) == len(ours)
    assert found["text"].strip() == answers.explanations[0].text.strip()
    assert found["settings"] == {"do_sample": False, "pad": 2}
    assert "generation flags are not valid" not in other.stderr
