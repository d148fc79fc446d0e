"""The released checkpoint in the hub's cache, where `hf download` puts it, imported as a user imports it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tensoredits import Edit, cases
from tinyhub import COMMIT, RELEASED, released_files, released_state, sharded, tiny_hub

from expllm.cli.main import run
from expllm.core.errors import ExitCode
from expllm.model.checkpoint import load_model
from expllm.model.manifest import read_manifest

AT = f"{RELEASED}@{COMMIT[RELEASED]}"
INSIDE = "RAFDB_91.03"
NAMES = (
    "vision_model.blocks.0.attn.qkv.bias",
    "model.layers.0.mlp.down_proj.weight",
    "mm_projector.0.weight",
)
Lay = Callable[[Mapping[str, bytes]], Path]
Import = Callable[..., tuple[int, str]]


@pytest.fixture
def lay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lay:
    """Puts the checkpoint into a cache of its own, beside both base models: its snapshot."""
    from huggingface_hub import constants

    hub = tiny_hub(tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub.cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return lambda files: hub.lay(RELEASED, files)


@pytest.fixture
def imported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Import:
    """Calls the command as a shell does, with no preset but `paper`."""

    def call(checkpoint: object, output: str = "m") -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            run(["model", "import", str(checkpoint), "-o", str(tmp_path / output)])
        return int(left.value.code or 0), capfd.readouterr().err

    return call


def test_by_its_name_and_by_its_folder_it_is_the_same(lay: Lay, imported: Import, tmp_path: Path) -> None:
    snapshot = lay(released_files())
    assert (snapshot / "pytorch_model-00001-of-00002.bin").is_symlink()
    assert imported(snapshot, "by-folder")[0] == imported(RELEASED, "by-name")[0] == 0
    assert imported(snapshot / "pytorch_model.bin", "by-file")[0] == ExitCode.MISSING_WEIGHTS
    cards = [read_manifest(tmp_path / name).card for name in ("by-folder", "by-name")]
    assert [card["imported from"] for card in cards] == [AT, AT]
    for path in (tmp_path / "by-folder").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "by-name" / path.name).read_bytes()
    assert load_model(tmp_path / "by-name").preset.tower.layers == 2


def test_in_a_folder_of_the_repository(lay: Lay, imported: Import, tmp_path: Path) -> None:
    lay({"README.md": b"# ExpLLM\n", **{f"{INSIDE}/{name}": data for name, data in released_files().items()}})
    code, err = imported(RELEASED)
    assert code == ExitCode.MISSING_WEIGHTS
    assert f"such as {INSIDE} in it" in err
    assert imported(f"{RELEASED}/{INSIDE}")[0] == 0
    assert read_manifest(tmp_path / "m").card["imported from"] == f"{AT}: {INSIDE}"
    stored = released_state()["lm_head.weight"]
    assert (load_file(tmp_path / "m" / "language.safetensors")["lm_head.weight"] == stored).all()


@pytest.mark.parametrize(("name", "edit"), cases(NAMES))
def test_a_tensor_is_refused_by_its_name(
    name: str, edit: Edit, lay: Lay, imported: Import, tmp_path: Path
) -> None:
    state = released_state()
    named = edit(state, name)
    lay({**released_files(), **sharded(state, "bin")})
    code, err = imported(RELEASED)
    assert code == ExitCode.FAILURE
    assert named in err.splitlines()[-1]
    assert not (tmp_path / "m").exists()


def test_a_piece_that_was_not_downloaded(lay: Lay, imported: Import) -> None:
    snapshot = lay(released_files())
    (snapshot / "pytorch_model-00002-of-00002.bin").unlink()
    code, err = imported(RELEASED)
    assert code == ExitCode.MISSING_WEIGHTS
    assert f"{snapshot / 'pytorch_model-00002-of-00002.bin'}, which" in err


@pytest.mark.parametrize("name", ["someone/else", f"{RELEASED}-2", "folder/checkpoint.bin"])
def test_what_is_not_here(name: str, lay: Lay, imported: Import) -> None:
    lay({})
    code, err = imported(name)
    assert code == ExitCode.MISSING_WEIGHTS
    assert "no such file or folder, and no such repository in" in err
    assert f"hf download {name}" in err
    assert err.count("\n") == 1
