"""A model's folder: read back bit for bit, never half written, refused when it is not whole."""

import json
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file, save_file
from smallmodels import inputs, logits, shared_bundle, tiny_bundle

from expllm.core.errors import ExpllmError, MissingWeights, OutputError, UsageError
from expllm.core.vocabulary import Expression
from expllm.model.build import load_base
from expllm.model.checkpoint import load_model, read_card, save
from expllm.model.manifest import ModelError, add_extra, read_manifest, seal
from expllm.model.vlm import train_only

FILES = {
    "adapter_config.json", "adapter_model.safetensors", "expllm.json", "language.safetensors",
    "projector.safetensors", "tokenizer.json", "tokenizer_config.json", "tower.safetensors",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model that no test changes."""
    path = tmp_path_factory.mktemp("models") / "tiny"
    save(path, shared_bundle(), {"steps": 3}, {"temperature": 1.25})
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    path = tmp_path / "copy"
    path.mkdir()
    for file in folder.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    return path


def test_loading_back_is_bit_exact(folder: Path) -> None:
    saved, loaded = shared_bundle(), load_model(folder)
    before, after = saved.model.state_dict(), loaded.model.state_dict()
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    given = inputs(saved)
    assert torch.equal(logits(saved.model, given), logits(loaded.model, given))


def test_everything_else_comes_back(folder: Path) -> None:
    saved, loaded = shared_bundle(), load_model(folder)
    assert {file.name for file in folder.iterdir()} == FILES
    assert (loaded.preset, loaded.labels, loaded.questions) == (saved.preset, saved.labels, saved.questions)
    assert all(isinstance(label, Expression) for label in loaded.labels)
    text = "The left brow is lowered.\n<|im_end|>"
    assert loaded.tokenizer.encode(text) == saved.tokenizer.encode(text)
    assert loaded.tokenizer.pad_token == "<pad>"
    assert read_card(folder) == {"steps": 3}
    manifest = read_manifest(folder)
    assert manifest.extra == {"temperature": 1.25}
    assert set(manifest.versions) == {"expllm", "torch", "transformers", "peft"}
    assert not loaded.model.training


def test_saving_what_was_loaded_writes_the_same_weights(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "again", load_model(folder), {"steps": 3}, {"temperature": 1.25})
    for file in folder.glob("*.safetensors"):
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_peft_reads_the_adapter(folder: Path) -> None:
    saved = shared_bundle()
    plain: Any = load_base(saved.preset, seed=1).model
    for part in ("projector", "tower", "language"):
        missing = plain.load_state_dict(load_file(folder / f"{part}.safetensors"), strict=False)
        assert not missing.unexpected_keys
    adapted = PeftModel.from_pretrained(plain, folder)
    given = inputs(saved)
    assert torch.equal(logits(adapted.eval(), given), logits(saved.model, given))


def test_precision_of_frozen_and_of_learned_weights(folder: Path) -> None:
    model = load_model(folder, dtype=torch.bfloat16).model
    for name, parameter in model.named_parameters():
        learned = ".lora_" in name or "projector" in name
        assert parameter.dtype == (torch.float32 if learned else torch.bfloat16), name


def test_a_part_trained_whole_keeps_its_precision(tmp_path: Path) -> None:
    bundle = replace(tiny_bundle(), trained=("tower",))
    bundle.model.to(torch.bfloat16)
    train_only(bundle.model, ("tower",))
    save(tmp_path / "m", bundle, {})
    loaded = load_model(tmp_path / "m", dtype=torch.bfloat16)
    assert loaded.trained == ("tower",)
    kinds = {
        part: {parameter.dtype for name, parameter in loaded.model.named_parameters() if place in name}
        for part, place in (("tower", "norm1.weight"), ("language", "mlp.gate_proj"))
    }
    assert kinds == {"tower": {torch.float32}, "language": {torch.bfloat16}}


def test_a_newer_model_replaces_an_older_one(tmp_path: Path) -> None:
    save(tmp_path / "m", shared_bundle(), {"steps": 1})
    save(tmp_path / "m", shared_bundle(), {"steps": 2})
    assert read_card(tmp_path / "m") == {"steps": 2}
    assert os.listdir(tmp_path) == ["m"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("one")
    with pytest.raises(OutputError, match="something else is there"):
        save(tmp_path / "thesis", shared_bundle(), {})
    assert os.listdir(tmp_path / "thesis") == ["chapter.txt"]
    assert os.listdir(tmp_path) == ["thesis"]


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As a disk that is full after so many bytes: the write in which they end fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [100, 30_000, 150_000])
def test_a_full_disk_leaves_the_old_model_whole(tmp_path: Path, limit: int) -> None:
    """The limits end in the adapter's configuration, in its weights, and in a part's."""
    path = tmp_path / "m"
    save(path, shared_bundle(), {"steps": 1})
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with no_file_larger_than(limit), pytest.raises(OutputError) as caught:
        save(path, shared_bundle(), {"steps": 9})
    assert caught.value.line == f"cannot write {path}: File too large"
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert os.listdir(tmp_path) == ["m"]
    load_model(path)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes `expllm.json`, and seals it anew."""
    values = json.loads((folder / "expllm.json").read_text())
    change(values)
    (folder / "expllm.json").write_text(json.dumps({**values, "sha256": seal(values)}))


def refused(folder: Path, kind: type[ExpllmError], *words: str) -> None:
    """Loading fails with one line that holds these words."""
    with pytest.raises(kind) as caught:
        load_model(folder)
    line = caught.value.line
    assert "\\n" not in line
    assert [word for word in words if word not in line] == [], line
    assert caught.value.exit_code == kind.exit_code


def test_no_model_folder(tmp_path: Path) -> None:
    refused(tmp_path, UsageError, "expllm.json", "not a model directory")
    refused(tmp_path / "missing", UsageError, "missing", "not a model directory")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pt", "model.pkl"])
def test_pickled_weights_are_never_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    refused(tmp_path, ModelError, name, "only safetensors", "expllm model import")
    assert os.listdir(tmp_path) == [name]


def test_newer_version(copy: Path) -> None:
    edit(copy, lambda values: values.update(format=2, surprise=True))
    refused(copy, ModelError, "expllm.json", "format 2", "newer expllm")


def test_damaged_description(copy: Path) -> None:
    (copy / "expllm.json").write_text('{"format": 1, ')
    refused(copy, ModelError, "expllm.json", "cannot be read")
    (copy / "expllm.json").write_text("[1]")
    refused(copy, ModelError, "expllm.json", "format None")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values.update(colour="blue"), ("unknown key", "colour")),
        (lambda values: values.pop("labels"), ("lacks the key", "labels")),
        (lambda values: values["labels"].append("hunger"), ("labels is 'hunger': use 'neutral', ",)),
        (lambda values: values["preset"].update(colour="blue"), ("unknown key preset.colour",)),
        (lambda values: values["preset"]["tower"].pop("heads"), ("lacks the key 'preset.tower.heads'",)),
        (lambda values: values["picture"].update(mean=[0.5, 0.5, 0.5]), ("'picture'",)),
        (lambda values: values.update(template="vicuna"), ("'template'",)),
        (lambda values: values["questions"].pop("label"), ("questions",)),
        (lambda values: values.update(files=3), ("files is 3: keys and values",)),
        (lambda values: values["files"].update(x={"bytes": 3}), ("lacks the key 'files.x.sha256'",)),
    ],
)
def test_descriptions_that_make_no_sense(
    copy: Path, change: Callable[[dict[str, Any]], object], words: tuple[str, ...]
) -> None:
    edit(copy, change)
    refused(copy, ModelError, "expllm.json", *words)


@settings(max_examples=200)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_wrong_byte_in_the_description(folder: Path, place: int, byte: int) -> None:
    """Labels, questions and sizes are told there: a changed one must not go unseen."""
    whole = bytearray((folder / "expllm.json").read_bytes())
    whole[place % len(whole)] = byte
    with tempfile.TemporaryDirectory() as place_of_copy:
        (Path(place_of_copy) / "expllm.json").write_bytes(whole)
        try:
            found = read_manifest(Path(place_of_copy))
        except (ModelError, MissingWeights):
            return
        assert found == read_manifest(folder)


def test_what_is_found_out_later_is_added(copy: Path) -> None:
    add_extra(copy, {"temperature": 2.5, "thresholds": [0.5]})
    assert read_manifest(copy).extra == {"temperature": 2.5, "thresholds": [0.5]}
    assert read_card(copy) == {"steps": 3}
    load_model(copy)


@pytest.mark.parametrize("name", sorted(FILES - {"expllm.json"}))
def test_missing_cut_and_wrong_files(copy: Path, name: str) -> None:
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[:-1])
    refused(copy, MissingWeights, name, "bytes", "copy the whole folder again")
    wrong = bytearray(whole)
    wrong[len(wrong) // 2] ^= 1
    (copy / name).write_bytes(wrong)
    refused(copy, MissingWeights, name, "SHA-256", "copy the whole folder again")
    (copy / name).unlink()
    refused(copy, MissingWeights, name, "is missing")


@pytest.mark.parametrize("name", ["adapter_model", "projector", "tower", "language"])
def test_a_part_that_is_not_even_named(copy: Path, name: str) -> None:
    edit(copy, lambda values: values["files"].pop(f"{name}.safetensors"))
    refused(copy, MissingWeights, f"{name}.safetensors", "is missing")


def test_names_that_lead_out_of_the_folder(copy: Path) -> None:
    (copy.parent / "secret.json").write_text("{}")
    edit(copy, lambda values: values["files"].update({"../secret.json": {"sha256": "0", "bytes": 2}}))
    refused(copy, MissingWeights, "../secret.json")


def resealed(folder: Path, name: str) -> None:
    """Lets the manifest vouch for a changed file."""
    import hashlib

    whole = (folder / name).read_bytes()
    seal = {"sha256": hashlib.sha256(whole).hexdigest(), "bytes": len(whole)}
    edit(folder, lambda values: values["files"].update({name: seal}))


def test_an_adapter_for_another_base(copy: Path) -> None:
    path = copy / "adapter_model.safetensors"
    weights = load_file(path)
    name = next(iter(sorted(weights)))
    save_file({**weights, name: torch.zeros(8, 48)}, path)
    resealed(copy, path.name)
    refused(copy, ModelError, path.name, name, "[8, 48]", "another base model")
    save_file({**weights, "base_model.model.model.extra.lora_A.weight": torch.zeros(8, 4)}, path)
    resealed(copy, path.name)
    refused(copy, ModelError, path.name, "model.extra", "another base model")
    save_file({key: value for key, value in weights.items() if key != name}, path)
    resealed(copy, path.name)
    refused(copy, ModelError, path.name, name, "is missing")


def test_an_adapter_with_the_name_of_another_base(copy: Path) -> None:
    path = copy / "adapter_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "base_model_name_or_path": "someone/else"}))
    resealed(copy, path.name)
    refused(copy, ModelError, path.name, "someone/else", "expllm/tiny")


def test_weights_that_are_no_safetensors(copy: Path) -> None:
    (copy / "projector.safetensors").write_bytes(b"\x80\x04cos\nsystem\n.")
    resealed(copy, "projector.safetensors")
    refused(copy, MissingWeights, "projector.safetensors", "cannot be read")
