"""A language model out of a package, and a model built on it: a wrong tensor is refused by its name.

`light` reads the models that ship, `store` the same ones to train them.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tensoredits import EDITS, Edit, cases, refused, vouch
from tinycarrier import LANGUAGE, PRESET, carried_bundle, lay_package, plain_state

from expllm.core.errors import ExpllmError, MissingWeights
from expllm.model import gguf_cache
from expllm.model.build import load_language, load_tokenizer
from expllm.model.checkpoint import load_model, save
from expllm.model.hub.merge import merge_model
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.loader import FastRuntime, load_fast_runtime
from expllm.model.manifest import ADAPTER
from expllm.model.presets import LanguageConfig

GGUF = ("token_embd.weight", "blk.1.attn_k.weight", "blk.0.ffn_norm.weight", "output_norm.weight")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that is on the path, empty, and an empty cache."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def opened(language: LanguageConfig = LANGUAGE) -> torch.nn.Module:
    return load_language(replace(PRESET, language=language), 0, torch.float32)


def test_what_is_unpacked_is_what_was_packed(place: Path) -> None:
    lay_package(place)
    read = opened().state_dict()
    assert [name for name, tensor in plain_state().items() if not torch.equal(read[name], tensor)] == []
    tokenizer = load_tokenizer(LANGUAGE)
    assert tokenizer.decode(tokenizer.encode("<|im_start|>lip corner pull")) == "<|im_start|>lip corner pull"


@pytest.mark.parametrize(("name", "edit"), cases(GGUF))
def test_a_tensor_of_a_gguf_file(name: str, edit: Edit, place: Path) -> None:
    named: list[str] = []
    lay_package(place, lambda state: named.append(edit(state, name)))
    refused(opened, named[0])
    assert gguf_cache.cached_model(LANGUAGE) is None


def test_a_tensor_of_a_gguf_file_that_cannot_be_unpacked(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no cache can be written it is read from GGUF each time, and held against the model each time."""
    lay_package(place, lambda state: state.update({"blk.0.attn_q.bias": torch.zeros(LANGUAGE.hidden)}))
    (place / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "file"))
    refused(opened, "blk.0.attn_q.bias")


@pytest.mark.parametrize(
    ("language", "name"),
    [
        (replace(LANGUAGE, tied=False), "output.weight is missing"),
        (replace(LANGUAGE, layers=3), "blk.2.attn_k.weight"),
        (replace(LANGUAGE, layers=1), "blk.1.attn_k.weight"),
        (replace(LANGUAGE, intermediate=128), "blk.0.ffn_down.weight has the shape [64, 96], not [64, 128]"),
    ],
)
def test_a_gguf_file_of_other_sizes(language: LanguageConfig, name: str, place: Path) -> None:
    lay_package(place)
    refused(lambda: opened(language), name)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_gguf_file_that_is_cut(share: float, place: Path) -> None:
    packed = lay_package(place)
    packed.write_bytes(packed.read_bytes()[: int(packed.stat().st_size * share)])
    with pytest.raises(ExpllmError) as caught:
        opened()
    assert type(caught.value) is MissingWeights
    assert caught.value.line.startswith(f"{packed}: is cut short or damaged")
    assert "\n" not in caught.value.line


@pytest.mark.slow
def test_names_and_shapes_are_those_of_smollm2() -> None:
    from expllm.model.gguf import check_gguf
    from expllm.model.presets import SMOLLM2_135M
    from expllm.model.shipped import missing_packages

    if missing_packages():
        pytest.skip("needs the model's packages")
    check_gguf(gguf_cache.packaged_gguf(SMOLLM2_135M), SMOLLM2_135M, "again")


@pytest.fixture
def model(place: Path) -> Path:
    """A saved model on the language model of a package, which is unpacked."""
    lay_package(place)
    save(place.parent / "model", carried_bundle(), {})
    return place.parent / "model"


def light(folder: Path) -> FastRuntime:
    found = load_fast_runtime(folder, "cpu")
    assert found is not None
    return found


@pytest.mark.parametrize("file", [ADAPTER, "tower.safetensors", "projector.safetensors"])
def test_a_tensor_of_a_light_model(file: str, model: Path) -> None:
    """`expllm.json` vouches for it: what it does not know of is refused by the file's hash."""
    path = model / file
    whole = load_file(path)
    for edit in EDITS:
        for name in (min(whole), sorted(whole)[len(whole) // 2]):
            changed = dict(whole)
            named = edit(changed, name)
            save_file(changed, path)
            vouch(model, path)
            refused(lambda: FaceVLM(light(model)), named, str(path))
        refused(lambda: load_model(model), named)
    save_file(whole, path)
    vouch(model, path)
    assert len(FaceVLM(light(model)).score_labels([Image.new("RGB", (32, 32))]).sums) == 1


def test_a_tensor_of_what_was_unpacked(model: Path) -> None:
    """As another version of a library might write it: every byte is the one that was written."""
    folder = light(model).carrier
    path = folder / "model.safetensors"
    whole = load_file(path)
    for edit in EDITS[:4]:
        for name in ("model.layers.1.self_attn.v_proj.weight", "model.embed_tokens.weight"):
            changed = dict(whole)
            named = edit(changed, name)
            save_file(changed, path, {"format": "pt"})
            files = json.loads((folder / gguf_cache.MARK).read_text())
            files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            (folder / gguf_cache.MARK).write_text(json.dumps(files))
            refused(lambda: FaceVLM(light(model)), named)
        refused(lambda: load_model(model), named)
    path.unlink()  # it is unpacked again
    assert opened() is not None


def test_a_tensor_of_a_merged_model(model: Path) -> None:
    """One whose folder carries the classes of its tower."""
    merged = model.parent / "merged"
    merge_model(model, merged)
    path = merged / "model.safetensors"
    whole = load_file(path)
    language = next(name for name in whole if "language_model.layers.1." in name)
    for edit in EDITS:
        for name in (max(whole), language):
            changed = dict(whole)
            named = edit(changed, name)
            save_file(changed, path, {"format": "pt"})
            vouch(merged, path)
            refused(lambda: load_model(merged), named)
