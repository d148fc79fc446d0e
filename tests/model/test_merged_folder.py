"""A merged folder of any model: plain `transformers` reads it in a process of its own, and ExpLLM as well."""

import inspect
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from smallconv import SMALL
from smallmodels import logits, shared_bundle

from expllm.core.conversations import HINT, Questions, explanation_question, label_question
from expllm.core.errors import UsageError
from expllm.core.vocabulary import Expression, label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.checkpoint import load_model, save
from expllm.model.hub.merge import merge_model
from expllm.model.hub.push import model_card, published_files
from expllm.model.inference.generate import FaceVLM
from expllm.model.manifest import add_extra, is_model, read_manifest
from expllm.model.model_inputs import preparer
from expllm.model.presets import preset
from expllm.model.shipped import model_folder

ROOT = Path(__file__).parents[2]
FACE = ROOT / "examples" / "faces" / "astronaut.jpg"
SIDE = 224  # `hf:` models are shown faces of this size, so theirs must be resized by nobody
QUESTIONS = Questions(label="Which of {labels}?", explanation="Why is that?", hint=HINT)
KINDS = ("tiny", "conv", "hf")


def ask_plain(folder: str, face: str, side: int) -> None:
    """Asks a merged model as anybody would who has the folder alone; writes what it says beside it."""
    import json

    import torch
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    torch.set_num_threads(1)
    model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(folder)
    with open(f"{folder}/expllm.json", encoding="utf-8") as file:
        told = json.load(file)
    image = Image.open(face).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)

    def given(question: str, *answer: str) -> "dict[str, torch.Tensor]":
        content = [{"type": "image", "image": image}, {"type": "text", "text": question}]
        turns = [{"role": "user", "content": content}]
        turns += [{"role": "assistant", "content": [{"type": "text", "text": text}]} for text in answer]
        found: dict[str, torch.Tensor] = processor.apply_chat_template(
            turns, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=not answer
        )
        return found

    ask = told["questions"]["label"].replace("{labels}", ", ".join(told["labels"]))
    asked, explain = given(ask), given(told["questions"]["explanation"])
    start, end = asked["input_ids"].shape[1], processor.tokenizer.eos_token_id
    sums = []
    with torch.no_grad():
        for label in told["labels"]:
            whole = given(ask, label)
            logs, ids = model(**whole).logits[0].log_softmax(-1), whole["input_ids"][0].tolist()
            stop = ids.index(end, start)  # the token that ends the answer belongs to it
            sums.append(sum(float(logs[place - 1, ids[place]]) for place in range(start, stop + 1)))
        written = model.generate(**explain, max_new_tokens=40, do_sample=False)
    text = written[0, explain["input_ids"].shape[1] :].tolist()
    found = {
        "sums": sums, "prompts": [one["input_ids"][0].tolist() for one in (asked, explain)],
        "text": processor.tokenizer.decode(text, skip_special_tokens=True),
    }  # fmt: skip
    with open(f"{folder}.json", "w", encoding="utf-8") as file:
        json.dump(found, file)


def asked_apart(folder: Path) -> dict[str, Any]:
    """What the merged model says in a process that knows nothing of ExpLLM."""
    code = f"{inspect.getsource(ask_plain)}\nask_plain({str(folder)!r}, {str(FACE)!r}, {SIDE})\nimport sys\n"
    code += "assert not [name for name in sys.modules if name.startswith(('expllm', 'peft'))]"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(Path(f"{folder}.json").read_text())
    return found


def lively(bundle: Bundle) -> Bundle:
    """Adapters that do something: `lora_B` is zero when they are new."""
    drawn = torch.Generator().manual_seed(1)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B." in name or "layer_scale" in name:
            parameter.data = torch.randn(parameter.shape, generator=drawn) * 0.2
    bundle.questions = QUESTIONS
    bundle.model.eval()
    return bundle


def saved(kind: str, place: Path) -> Path:
    """A model of a kind, in a folder."""
    if kind == "hf":
        save(place / "base", shared_bundle(), {})
        merge_model(place / "base", place / "plain-base")
        chosen = preset(f"hf:{place / 'plain-base'}")
    else:
        chosen = SMALL if kind == "conv" else preset(kind)
    save(place / kind, lively(new_bundle(chosen, label_set(7), seed=3)), {"figures": {"accuracy": 0.5}})
    add_extra(place / kind, {"temperature": 2.0})
    return place / kind


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """By kind: the folder with adapters, and the merged one."""
    place = tmp_path_factory.mktemp("merged")
    found = {}
    for kind in KINDS:
        merge_model(saved(kind, place), place / f"{kind}-merged")
        found[kind] = place / kind, place / f"{kind}-merged"
    return found


def own_answers(folder: Path, tokens: int = 40) -> dict[str, Any]:
    """The same from our own code, of the folder with adapters or the merged one."""
    image = Image.open(FACE).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    bundle = load_model(folder)
    encoder = preparer(bundle).encoder
    asked = label_question(bundle.labels, bundle.questions), explanation_question(bundle.questions)
    prompts = [encoder.prompt(question) for question in asked]
    vlm = FaceVLM(bundle, temperature=2.0)  # a mirror image is a second question, and not asked here
    scores = vlm.score_labels([image])
    (written,) = vlm.explanations([image], max_new_tokens=tokens)
    return {
        "sums": scores.sums[0].tolist(), "prompts": prompts, "text": written.text,
        "logs": scores.log_probabilities[0].tolist(),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_plain_transformers_answers_like_the_model(folders: dict[str, tuple[Path, Path]], kind: str) -> None:
    with_adapters, merged = folders[kind]
    own, plain = own_answers(with_adapters), asked_apart(merged)
    assert plain["prompts"] == own["prompts"]
    assert np.std(own["sums"]) > 0.1  # else any model would do
    np.testing.assert_allclose(plain["sums"], own["sums"], rtol=0, atol=1e-3)
    assert plain["text"].lstrip() == own["text"]


@pytest.mark.parametrize("kind", KINDS)
def test_expllm_reads_it_back(folders: dict[str, tuple[Path, Path]], kind: str) -> None:
    """With its questions, labels, temperature and card."""
    with_adapters, merged = folders[kind]
    one, other = own_answers(with_adapters, 8), own_answers(merged, 8)
    assert (one["prompts"], one["text"]) == (other["prompts"], other["text"])
    np.testing.assert_allclose(one["sums"], other["sums"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(one["logs"], other["logs"], rtol=0, atol=1e-4)
    before, after = read_manifest(with_adapters), read_manifest(merged)
    assert after.merged
    assert not before.merged
    assert (after.labels, after.questions, after.card) == (before.labels, before.questions, before.card)
    assert after.extra == {"temperature": 2.0}


@pytest.mark.parametrize("kind", KINDS)
def test_it_stands_by_itself(folders: dict[str, tuple[Path, Path]], kind: str, tmp_path: Path) -> None:
    """Copied to another place it is whole, and others may read its files."""
    merged = tmp_path / "elsewhere"
    shutil.copytree(folders[kind][1], merged)
    assert logits(load_model(merged).model, given(load_model(merged))).isfinite().all()
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in folders[kind][1].iterdir())


def given(bundle: Bundle) -> dict[str, torch.Tensor]:
    from smallmodels import inputs

    return inputs(bundle if bundle.preset.hf is None else shared_bundle())


def test_a_renamed_tensor_is_named(folders: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    from expllm.model.manifest import ModelError, sha256, write_manifest

    shutil.copytree(folders["conv"][1], tmp_path / "m")
    file = tmp_path / "m" / "model.safetensors"
    tensors = load_file(file)
    tensors["model.vision_tower.stem.wait"] = tensors.pop("model.vision_tower.stem.weight")
    save_file(tensors, file, {"format": "pt"})
    manifest = read_manifest(tmp_path / "m")
    files = {**manifest.files, file.name: (sha256(file), file.stat().st_size)}
    write_manifest(tmp_path / "m", replace(manifest, files=files))
    with pytest.raises(ModelError, match=r"vision_tower\.stem\.wait"):
        load_model(tmp_path / "m")


def test_names_in_the_file_are_those_of_the_parameters(folders: dict[str, tuple[Path, Path]]) -> None:
    """What other readers of the file go by; `transformers` renames those of classes that it knows."""
    stored = set(load_file(folders["conv"][1] / "model.safetensors"))
    assert stored == {name for name, _ in load_model(folders["conv"][1]).model.named_parameters()}


def test_it_is_not_merged_again_nor_trained_on(folders: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    from expllm.train.recipe import load_recipe
    from expllm.train.stages import open_model

    with pytest.raises(UsageError, match="merged already"):
        merge_model(folders["tiny"][1], tmp_path / "again")
    begun = ["model.preset=tiny", f"model.init_from={folders['tiny'][1]}"]
    recipe = load_recipe(ROOT / "recipes" / "rafdb.yaml", begun)
    with pytest.raises(UsageError, match="a merged model without adapters"):
        open_model(recipe, recipe.stages[0], None)


def test_quantized_weights_are_refused(folders: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    """Before they are loaded: that may take a GPU."""
    base = tmp_path / "base"
    shutil.copytree(Path(read_manifest(folders["hf"][0]).preset.hf or ""), base)
    save(tmp_path / "m", new_bundle(preset(f"hf:{base}"), label_set(7)), {})
    config = json.loads((base / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (base / "config.json").write_text(json.dumps(config))
    manifest = read_manifest(tmp_path / "m")
    from expllm.model.manifest import write_manifest

    write_manifest(tmp_path / "m", replace(manifest, preset=replace(manifest.preset, revision=None)))
    with pytest.raises(UsageError, match=r"quantized \(bitsandbytes\)"):
        merge_model(tmp_path / "m", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_its_card_and_what_is_published(folders: dict[str, tuple[Path, Path]]) -> None:
    card = model_card(folders["conv"][1])
    assert "library_name: transformers" in card
    assert "trust_remote_code=True" in card
    assert "trust_remote_code" not in model_card(folders["tiny"][1])
    assert "adapters of rank" not in card
    names = {path.name for path in published_files(folders["conv"][1])}
    assert {"model.safetensors", "config.json", "vision.py", "expllm.json"} <= names


@pytest.mark.slow
def test_the_model_that_ships(tmp_path: Path) -> None:
    """SmolLM2 from a GGUF file, our own tower: label scores, prompts and text by plain `transformers`."""
    merge_model(model_folder("compact"), tmp_path / "m")
    assert is_model(tmp_path / "m")
    own, plain = own_answers(model_folder("compact")), asked_apart(tmp_path / "m")
    assert plain["prompts"] == own["prompts"]
    np.testing.assert_allclose(plain["sums"], own["sums"], rtol=0, atol=1e-3)
    assert plain["text"].lstrip() == own["text"] != ""
    face = Image.open(FACE).convert("RGB")
    one, other = (
        FaceVLM.load(path).score_labels([face]) for path in (model_folder("compact"), tmp_path / "m")
    )
    np.testing.assert_allclose(one.log_probabilities, other.log_probabilities, rtol=0, atol=1e-4)
    assert one.best == other.best == (Expression.HAPPINESS,)
