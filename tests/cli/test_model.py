"""`expllm model`: what it prints, and how it fails."""

import json
from pathlib import Path
from typing import Any

import pytest
from calling import call


def shown(*arguments: str) -> Any:
    done = call("model", "show", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_as_json() -> None:
    found = shown("paper", "--train-batch", "4")
    assert found["trainable"] == {
        "projector": 20_979_712, "tower_lora": 786_432, "language_lora": 4_194_304, "total": 25_960_448,
    }  # fmt: skip
    memory = found["training"]["memory"]
    assert memory["checkpointing"]["total"] < memory["plain"]["total"]
    assert (
        memory["plain"]["kept"]
        == 4 * shown("paper", "--train-batch", "1")["training"]["memory"]["plain"]["kept"]
    )
    assert found["answer"]["flops"]["label"] < found["answer"]["flops"]["explanation"]


def test_as_a_table() -> None:
    done = call("model", "show", "paper")
    assert done.code == 0
    for word in ("25,960,448", "786,432", "20,979,712", "4,194,304", "8.7 M", "256 visual", "GiB", "TFLOP",
                 "facebook/dinov2-large", "lmsys/vicuna-7b-v1.5", "Apache-2.0", "Llama 2"):  # fmt: skip
        assert word in done.out, word
    assert max(map(len, done.out.splitlines())) <= 100


def test_unknown_presets() -> None:
    done = call("model", "show", "papre")
    assert done.code == 2
    assert done.complaints == [
        "expllm: no model preset 'papre': choose one of paper, paper-qlora, compact, tiny, or hf:REPO"
    ]


def test_an_hf_folder_that_is_not_there(tmp_path: Path) -> None:
    done = call("model", "show", f"hf:{tmp_path / 'nothing'}")
    assert done.code == 5
    assert len(done.complaints) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model."""
    from expllm.core.vocabulary import label_set
    from expllm.model.bundle import new_bundle
    from expllm.model.checkpoint import save
    from expllm.model.presets import preset

    path = tmp_path_factory.mktemp("models") / "tiny"
    save(path, new_bundle(preset("tiny"), label_set(7)), {})
    return path


def test_a_folder_can_be_shown(folder: Path) -> None:
    assert shown(str(folder))["preset"]["name"] == "tiny"


def test_merge(folder: Path, tmp_path: Path) -> None:
    done = call("model", "merge", folder, "-o", tmp_path / "plain")
    assert done.code == 0
    assert (tmp_path / "plain" / "config.json").is_file()
    done = call("model", "merge", folder, "-o", tmp_path / "plain")
    assert (done.code, len(done.complaints)) == (1, 1)
    told = json.loads(call("model", "merge", folder, "-o", tmp_path / "again", "--json").out)
    assert told["files"]["config.json"] == (tmp_path / "again" / "config.json").stat().st_size
    assert call("model", "merge", folder, "-o", tmp_path / "other", "--dtype", "int8").code == 2
    assert call("model", "merge", tmp_path, "-o", tmp_path / "other").code == 2


def test_a_damaged_folder(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "projector.safetensors").unlink()
    done = call("model", "merge", tmp_path, "-o", tmp_path / "plain")
    assert done.code == 5
    assert "projector.safetensors: is missing" in done.complaints[0]


def test_import_reports_and_refuses(tmp_path: Path) -> None:
    import torch

    torch.save({"lm_head.weight": torch.zeros(3, 3)}, tmp_path / "pytorch_model.bin")
    done = call("model", "import", tmp_path / "pytorch_model.bin", "-o", tmp_path / "m", "--preset", "tiny")
    assert done.code == 1
    assert "missing: mm_projector.0.weight" in done.out
    assert done.complaints[0].endswith("nothing was written")
    told = call(
        "model", "import", tmp_path / "pytorch_model.bin", "-o", tmp_path / "m", "--preset", "tiny", "--json"
    )
    found = json.loads(told.out)
    assert (told.code, told.complaints, found["whole"]) == (1, done.complaints, False)
    assert "mm_projector.0.weight" in found["differences"]["missing"]
    assert not (tmp_path / "m").exists()


def test_push_dry_run(folder: Path) -> None:
    done = call("model", "push", folder, "someone/faces", "--dry-run")
    assert done.code == 0
    assert "pipeline_tag: image-text-to-text" in done.out
    assert "adapter_model.safetensors" in done.out


def test_help_is_light() -> None:
    import subprocess
    import sys

    code = (
        "import contextlib, io, sys\nfrom expllm.cli.main import run\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): "
        "run(['model', 'merge', '--help'])\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "numpy", "rich"} & set(done.stdout.split())
