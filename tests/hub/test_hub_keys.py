"""A tensor that is removed, renamed, reshaped or no number is refused by its name, whatever file it is in."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as from_safetensors
from safetensors.torch import load_file, save_file
from safetensors.torch import save as as_safetensors
from tensoredits import EDITS, Edit, cases, refused, vouch
from tinyhub import (
    Files,
    Form,
    as_folder,
    as_json,
    as_pickle,
    language_state,
    released_files,
    released_state,
    sharded,
    tower_files,
    tower_state,
    vicuna_files,
)

from expllm.core.errors import ExitCode, ExpllmError, MissingWeights
from expllm.core.vocabulary import label_set
from expllm.model.build import load_base, load_tower
from expllm.model.bundle import Bundle
from expllm.model.checkpoint import load_model, save
from expllm.model.hub.import_released import import_released
from expllm.model.hub.merge import merge_model
from expllm.model.hub.snapshots import resolve_revisions
from expllm.model.manifest import ModelError
from expllm.model.presets import PRESETS, preset

TOWER = (
    "embeddings.cls_token", "encoder.layer.1.attention.attention.query.weight",
    "encoder.layer.0.attention.output.dense.bias", "encoder.layer.1.layer_scale2.lambda1", "layernorm.weight",
)  # fmt: skip
LANGUAGE = (
    "model.embed_tokens.weight", "model.layers.1.self_attn.k_proj.weight",
    "model.layers.0.input_layernorm.weight", "lm_head.weight",
)  # fmt: skip
RELEASED = (
    "vision_model.blocks.1.attn.qkv.weight", "vision_model.blocks.0.attn.lora_B_v", "mm_projector.2.bias",
    "model.layers.1.self_attn.q_proj.lora_A", "vision_model.pos_embed", "lm_head.weight",
)  # fmt: skip


@pytest.mark.parametrize(("name", "edit"), cases(TOWER))
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_a_tensor_of_the_tower(form: Form, name: str, edit: Edit, tmp_path: Path) -> None:
    state = dict(tower_state())
    named = edit(state, name)
    folder = as_folder(tmp_path / "dinov2", tower_files(form, state=state))
    refused(lambda: opened_tower(folder), named)


def opened_tower(folder: Path) -> Any:
    chosen = resolve_revisions(PRESETS["paper"].with_sources(tower=str(folder)), online=False)
    return load_tower(chosen.tower, 0, torch.float32)


@pytest.mark.parametrize(("name", "edit"), cases(LANGUAGE))
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_a_tensor_of_the_language_model(
    form: Form, name: str, edit: Edit, whole_tower: Path, tmp_path: Path
) -> None:
    state = dict(language_state())
    named = edit(state, name)
    folder = as_folder(tmp_path / "vicuna", vicuna_files(form, state))
    refused(lambda: opened(whole_tower, folder), named)


@pytest.fixture(scope="session")
def whole_tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_folder(tmp_path_factory.mktemp("whole") / "dinov2", tower_files("safetensors"))


def opened(tower: Path, language: Path, dtype: torch.dtype = torch.float32) -> Any:
    return load_base(PRESETS["paper"].with_sources(str(tower), str(language)), dtype=dtype)


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_an_index_that_names_other_tensors(form: Form, whole_tower: Path, tmp_path: Path) -> None:
    files = vicuna_files(form)
    name = next(name for name in files if name.endswith("index.json"))
    index = json.loads(files[name])
    index["weight_map"]["model.layers.7.mlp.up_proj.weight"] = next(iter(index["weight_map"].values()))
    folder = as_folder(tmp_path / "vicuna", {**files, name: as_json(index)})
    refused(lambda: opened(whole_tower, folder), "model.layers.7.mlp.up_proj.weight")
    del index["weight_map"]["model.layers.7.mlp.up_proj.weight"], index["weight_map"]["lm_head.weight"]
    (folder / name).write_bytes(as_json(index))
    refused(lambda: opened(whole_tower, folder), "lm_head.weight")


def test_a_tensor_in_two_files(whole_tower: Path, tmp_path: Path) -> None:
    files = vicuna_files("safetensors")
    first, second = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    twice = {**from_safetensors(files[first]), "lm_head.weight": torch.zeros(3, 3).half()}
    folder = as_folder(tmp_path / "vicuna", {**files, first: as_safetensors(twice)})
    assert second in files
    refused(lambda: opened(whole_tower, folder), "lm_head.weight")


@pytest.mark.parametrize(("name", "edit"), cases(RELEASED))
def test_a_tensor_of_the_released_checkpoint(name: str, edit: Edit, vicuna: Path, tmp_path: Path) -> None:
    state = released_state()
    named = edit(state, name)
    folder = as_folder(tmp_path / "released", {**released_files(), **sharded(state, "bin")})
    chosen = PRESETS["paper"].with_sources(language=str(vicuna))
    refused(lambda: import_released(folder, tmp_path / "m", chosen, label_set(7)).check(folder), named)
    assert not (tmp_path / "m").exists()


@pytest.fixture(scope="session")
def vicuna(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_folder(tmp_path_factory.mktemp("whole") / "vicuna", vicuna_files())


@pytest.fixture(scope="session")
def imported(vicuna: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder with every kind of file: adapter, projector, tower, language model."""
    place = tmp_path_factory.mktemp("imported")
    folder = as_folder(place / "released", released_files())
    chosen = PRESETS["paper"].with_sources(language=str(vicuna))
    import_released(folder, place / "m", chosen, label_set(7)).check(folder)
    return place / "m"


@pytest.fixture
def copy(imported: Path, tmp_path: Path) -> Path:
    return as_folder(tmp_path / "m", {path.name: path.read_bytes() for path in imported.iterdir()})


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("file", ["adapter_model", "projector", "tower", "language"])
def test_a_tensor_of_a_models_folder(file: str, edit: Edit, copy: Path) -> None:
    """Though `expllm.json` vouches for it: what it does not know of is refused by the file's hash."""
    path = copy / f"{file}.safetensors"
    state = load_file(path)
    for name in (min(state), sorted(state)[len(state) // 2]):
        changed = dict(state)
        named = edit(changed, name)
        save_file(changed, path)
        vouch(copy, path)
        refused(lambda: load_model(copy), named)
    refused(lambda: merge_model(copy, copy.parent / "plain"), named)


@pytest.mark.parametrize("edit", EDITS)
def test_a_tensor_of_another_model(edit: Edit, imported: Path, tmp_path: Path) -> None:
    """`hf:`, a plain Llava: here the one that `merge_model` writes."""
    merge_model(imported, tmp_path / "plain")
    path = tmp_path / "plain" / "model.safetensors"
    state = load_file(path)
    for name in (max(state), next(name for name in state if "linear_1.weight" in name)):
        changed = dict(state)
        named = edit(changed, name)
        save_file(changed, path, {"format": "pt"})
        refused(lambda: load_base(preset(f"hf:{tmp_path / 'plain'}")), named)


def test_what_may_differ_is_let_through(whole_tower: Path, tmp_path: Path) -> None:
    """The mask token serves the pretraining; frequencies are computed."""
    state = dict(tower_state())
    del state["embeddings.mask_token"]
    tower = as_folder(tmp_path / "dinov2", tower_files("safetensors", state=state))
    plain = {name: tensor for name, tensor in language_state().items() if "inv_freq" not in name}
    language = as_folder(tmp_path / "vicuna", vicuna_files("safetensors", plain))
    assert opened(tower, language).preset.tower.layers == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_files_of_any_precision(dtype: torch.dtype, whole_tower: Path, tmp_path: Path) -> None:
    state = {name: tensor.to(dtype) for name, tensor in language_state().items()}
    folder = as_folder(tmp_path / "vicuna", vicuna_files("safetensors", state))
    model = opened(whole_tower, folder, torch.bfloat16).model
    assert model.lm_head.weight.dtype == torch.bfloat16
    assert torch.equal(model.lm_head.weight, state["lm_head.weight"].bfloat16())


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9976576152\n"


def damaged(files: Files, kind: str, name: str) -> Files:
    others = {key: content for key, content in files.items() if key != name}
    if kind == "missing":
        return others
    whole = files[name]
    contents = {"cut": whole[:-100], "half": whole[: len(whole) // 2], "empty": b"", "pointer": POINTER}
    return {**others, name: contents[kind]}


@pytest.mark.parametrize("kind", ["cut", "half", "empty", "pointer", "missing"])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
@pytest.mark.parametrize("part", ["tower", "language"])
def test_a_damaged_file_is_named(
    part: str, form: Form, kind: str, whole_tower: Path, vicuna: Path, tmp_path: Path
) -> None:
    stem = "model" if form == "safetensors" else "pytorch_model"
    name = f"{stem}.{form}" if part == "tower" else f"{stem}-00002-of-00002.{form}"
    files = damaged(tower_files(form) if part == "tower" else vicuna_files(form), kind, name)
    folder = as_folder(tmp_path / "folder", files)
    with pytest.raises(ExpllmError) as caught:
        opened(folder, vicuna) if part == "tower" else opened(whole_tower, folder)
    assert type(caught.value) is MissingWeights
    assert caught.value.exit_code == ExitCode.MISSING_WEIGHTS
    # Without its only file a folder holds no weights at all.
    assert str(folder) if (part, kind) == ("tower", "missing") else str(folder / name) in caught.value.line
    assert ("git lfs pull" in caught.value.line) == (kind == "pointer")
    assert "\n" not in caught.value.line


@pytest.mark.parametrize("kind", ["cut", "empty", "pointer", "missing"])
def test_a_damaged_piece_of_the_released_checkpoint(kind: str, vicuna: Path, tmp_path: Path) -> None:
    name = "pytorch_model-00001-of-00002.bin"
    folder = as_folder(tmp_path / "released", damaged(released_files(), kind, name))
    chosen = PRESETS["paper"].with_sources(language=str(vicuna))
    with pytest.raises(MissingWeights, match=name) as caught:
        import_released(folder, tmp_path / "m", chosen, label_set(7))
    assert caught.value.exit_code == 5


def test_a_pickle_that_runs_code(whole_tower: Path, tmp_path: Path) -> None:
    files = {**vicuna_files(), "pytorch_model-00001-of-00002.bin": as_pickle({"a": Owned()})}  # type: ignore[dict-item]
    folder = as_folder(tmp_path / "vicuna", files)
    with pytest.raises(ModelError, match="restricted reader refuses it"):
        opened(whole_tower, folder)
    assert not (tmp_path / "owned").exists()


class Owned:
    """Runs code when it is unpickled by a reader without limits."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('it ran')",)


def test_the_released_checkpoint_sees_and_answers(imported: Path) -> None:
    bundle: Bundle = load_model(imported)
    assert (bundle.preset.tower.hidden, bundle.preset.language.hidden) == (128, 64)
    own: dict[str, Any] = dict(bundle.model.named_parameters())
    stored = released_state()
    name = "base_model.model.model.language_model.layers.1.self_attn.q_proj.lora_A.default.weight"
    assert torch.equal(own[name], stored["model.layers.1.self_attn.q_proj.lora_A"])
    kept = {name for name in stored if "inv_freq" not in name}
    # Queries, keys and values are three of ours.
    blocks = [name for name in kept if ".attn.qkv." in name]
    assert len(own) == len(kept) + 2 * len(blocks)


def test_saving_and_loading_keeps_every_tensor(imported: Path, tmp_path: Path) -> None:
    save(tmp_path / "again", load_model(imported), {})
    for path in imported.glob("*.safetensors"):
        before, after = load_file(path), load_file(tmp_path / "again" / path.name)
        assert before.keys() == after.keys()
        assert [name for name in before if not torch.equal(before[name].float(), after[name])] == []
