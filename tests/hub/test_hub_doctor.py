"""`expllm doctor --model`: what is here, what is missing, how large it is, and where it was looked for."""

import json
from pathlib import Path
from typing import Any

import pytest
from tinyhub import COMMIT, DINOV2, VICUNA_REPO, TinyHub, as_folder, tiny_hub, tower_files, vicuna_files

from expllm.cli.main import run
from expllm.core.errors import ExitCode


class Doctor:
    """Calls the command as a shell does."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, name: str | Path, *more: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            run(["doctor", "--model", str(name), *more])
        return int(left.value.code or 0), self._capsys.readouterr().out

    def told(self, name: str | Path) -> tuple[int, dict[str, Any]]:
        code, out = self(name, "--json")
        return code, json.loads(out)


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(capsys)


def test_what_is_here_is_measured(cached: TinyHub, doctor: Doctor) -> None:
    code, found = doctor.told("paper")
    assert (code, found["well"]) == (0, True)
    tower, language = found["parts"]
    assert (tower["source"], tower["revision"]) == (DINOV2, COMMIT[DINOV2])
    assert tower["bytes_here"] == len(tower_files("safetensors")["model.safetensors"])
    shards = [content for name, content in vicuna_files().items() if name.endswith("-of-00002.bin")]
    assert language["bytes_here"] == sum(map(len, shards))
    assert (tower["missing"], tower["bytes_to_fetch"], language["problem"]) == ([], 0, None)
    assert str(cached.cache) in tower["folder"]
    assert 0 < found["memory"]["answer"] < found["memory"]["training_step"] < found["memory"]["device"]


def test_nothing_is_here(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    code, out = doctor("paper")
    assert code == ExitCode.MISSING_WEIGHTS
    assert f"{DINOV2} is not here: about 1.2 GB to download; looked in {tmp_path / 'empty'}" in out
    assert f"{VICUNA_REPO} is not here: about 13.5 GB to download" in out
    assert f"-> hf download {VICUNA_REPO}" in out


def test_a_shard_is_missing_or_cut(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    hub = tiny_hub(tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub.cache))
    snapshot = hub.lay(VICUNA_REPO, {})
    name = "pytorch_model-00002-of-00002.bin"
    whole = (snapshot / name).read_bytes()
    (snapshot / name).unlink()
    code, found = doctor.told("paper")
    assert code == ExitCode.MISSING_WEIGHTS
    assert found["parts"][1]["missing"] == [name]
    assert 0 < found["parts"][1]["bytes_to_fetch"] <= len(whole)
    (snapshot / name).write_bytes(whole[:-50])
    code, found = doctor.told("paper")
    assert code == ExitCode.MISSING_WEIGHTS
    assert f"{name}: is cut short or damaged" in found["parts"][1]["problem"]


def test_folders(cached: TinyHub, doctor: Doctor, tmp_path: Path) -> None:
    """Of a plain model: as `hf:` would read it. What is no model at all is a usage error."""
    folder = as_folder(tmp_path / "llava", {"config.json": b"{}"})
    code, found = doctor.told(folder)
    assert code == ExitCode.MISSING_WEIGHTS
    assert found["parts"][0]["missing"] == ["model.safetensors"]
    code, out = doctor(tmp_path / "nowhere")
    assert (code, out) == (ExitCode.USAGE, "")


def test_a_trained_model(cached: TinyHub, doctor: Doctor, tmp_path: Path) -> None:
    from expllm.core.vocabulary import label_set
    from expllm.model.bundle import new_bundle
    from expllm.model.checkpoint import save
    from expllm.model.presets import PRESETS

    save(tmp_path / "m", new_bundle(PRESETS["paper"], label_set(7)), {})
    code, found = doctor.told(tmp_path / "m")
    assert code == 0
    assert [row["subject"] for row in found["findings"]][:3] == [
        "trained weights", "vision encoder", "language model",
    ]  # fmt: skip
    (tmp_path / "m" / "projector.safetensors").unlink()
    code, found = doctor.told(tmp_path / "m")
    assert code == ExitCode.MISSING_WEIGHTS
