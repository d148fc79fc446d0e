"""Where base weights come from: the cache, a folder, a revision; what a model and a run remember of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tinyhub import (
    COMMIT,
    DINOV2,
    LANGUAGE_CONFIG,
    LAYERS,
    TOWER_CONFIG,
    VICUNA_REPO,
    TinyHub,
    as_folder,
    as_json,
    tower_files,
    vicuna_files,
)

from expllm.core.errors import MissingWeights, UsageError
from expllm.core.vocabulary import label_set
from expllm.model.bundle import new_bundle
from expllm.model.checkpoint import load_model, save
from expllm.model.hub.snapshots import fetch_snapshot, find_snapshot, resolve_revisions
from expllm.model.manifest import read_manifest, seal
from expllm.model.presets import PRESETS, preset
from expllm.model.shipped import model_folder
from expllm.model.summary import sizes_of
from expllm.train.base_weights import relocated, revisions

PAPER = PRESETS["paper"]
OTHER = "f" * 40


def test_sizes_and_revisions_are_those_of_the_files(cached: TinyHub) -> None:
    found = resolve_revisions(PAPER)
    tower, language = found.tower, found.language
    assert (tower.hidden, tower.layers, tower.heads, tower.patch) == (128, LAYERS, 2, 14)
    assert (tower.image, tower.native_image, tower.tokens) == (224, 518, 256)
    assert (language.hidden, language.layers, language.heads, language.vocabulary) == (64, LAYERS, 4, 800)
    assert (tower.source, tower.revision) == (DINOV2, COMMIT[DINOV2])
    assert (language.source, language.revision) == (VICUNA_REPO, COMMIT[VICUNA_REPO])
    assert language.template == "vicuna"
    assert resolve_revisions(found) == found
    assert resolve_revisions(PAPER, online=False) == found
    assert sizes_of(PAPER).parameters["projector"] == 64 * 128 + 64 + 64 * 64 + 64


def test_without_a_cache_the_published_sizes_stand(tmp_path: Path, cached: TinyHub) -> None:
    elsewhere = replace(PAPER.tower, source="someone/else")
    chosen = replace(PAPER, tower=elsewhere)
    assert resolve_revisions(chosen, online=False).tower == elsewhere
    with pytest.raises(MissingWeights, match=r"someone/else: the weights cannot be had .*looked in"):
        resolve_revisions(chosen)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "three/parts/here", "a b", "x@"])
def test_what_is_neither_a_folder_nor_a_name(name: str, cached: TinyHub) -> None:
    with pytest.raises(MissingWeights):
        resolve_revisions(PAPER.with_sources(tower=name))


def test_a_folder_stands_in_for_a_name(cached: TinyHub, tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "dinov2", tower_files("bin"))
    found = resolve_revisions(PAPER.with_sources(tower=str(folder)))
    assert found.tower.source == str(folder)
    assert str(found.tower.revision).startswith("sha256:")
    assert found.language.revision == COMMIT[VICUNA_REPO]
    (folder / "README.md").write_text("about")
    assert resolve_revisions(found) == found
    folder.rename(tmp_path / "elsewhere")
    again = resolve_revisions(PAPER.with_sources(tower=str(tmp_path / "elsewhere")))
    assert again.tower.revision == found.tower.revision
    with pytest.raises(MissingWeights, match="the folder is not there"):
        resolve_revisions(found)


def test_a_folder_with_other_weights_is_not_taken_for_the_same(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "dinov2", tower_files("safetensors"))
    found = fetch_snapshot(str(folder), weights=True)
    with open(folder / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(MissingWeights, match="holds other files than those that were read before") as caught:
        find_snapshot(str(folder), found.revision)
    assert found.revision in caught.value.line
    now = find_snapshot(str(folder))
    assert now is not None
    assert now.revision in caught.value.line


def test_a_revision_can_be_named(cached: TinyHub) -> None:
    named = PAPER.with_sources(tower=f"{DINOV2}@{COMMIT[DINOV2]}")
    assert (named.tower.source, named.tower.revision) == (DINOV2, COMMIT[DINOV2])
    assert resolve_revisions(named).tower.layers == LAYERS
    with pytest.raises(MissingWeights, match="cannot be had"):
        resolve_revisions(PAPER.with_sources(tower=f"{DINOV2}@{OTHER}"))
    other = preset(f"hf:someone/model@{OTHER}")
    assert (other.hf, other.revision) == ("someone/model", OTHER)


def test_a_part_of_another_architecture_is_refused(cached: TinyHub, tmp_path: Path) -> None:
    clip = as_folder(tmp_path / "clip", {"config.json": as_json({**TOWER_CONFIG, "model_type": "clip"})})
    with pytest.raises(UsageError, match="model_type is 'clip'"):
        resolve_revisions(PAPER.with_sources(tower=str(clip)))
    with pytest.raises(UsageError, match="the language model of this preset has to be 'llama'"):
        resolve_revisions(PAPER.with_sources(language=DINOV2))
    with pytest.raises(UsageError, match="not a DINOv2"):
        PRESETS["compact"].with_sources(tower=str(clip))
    with pytest.raises(UsageError, match="is one model"):
        preset("hf:someone/model").with_sources(tower=str(clip))


def test_a_config_that_is_damaged_is_named(tmp_path: Path) -> None:
    for content in (b"", b"{", b"[1]", b"\xff\xfe"):
        folder = as_folder(tmp_path / f"x{content.hex()}", {**tower_files("bin"), "config.json": content})
        with pytest.raises(MissingWeights, match=r"config\.json"):
            resolve_revisions(PAPER.with_sources(tower=str(folder)))


def test_a_saved_model_reads_the_same_revision_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the hub has a newer one: a base that changed under an adapter would give other answers."""
    from huggingface_hub import constants

    hub = TinyHub(tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub.cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.lay(DINOV2, tower_files("safetensors"))
    hub.lay(VICUNA_REPO, vicuna_files())
    save(tmp_path / "m", new_bundle(PAPER, label_set(7)), {})
    assert read_manifest(tmp_path / "m").preset.tower.revision == COMMIT[DINOV2]
    newer = {**TOWER_CONFIG, "num_hidden_layers": 1}
    hub.lay(DINOV2, {**tower_files("safetensors"), "config.json": as_json(newer)}, OTHER)
    assert resolve_revisions(PAPER).tower.layers == 1
    assert load_model(tmp_path / "m").preset.tower.layers == LAYERS


def test_what_a_run_writes_down_and_compares(cached: TinyHub, tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "vicuna", vicuna_files())
    found = resolve_revisions(PAPER.with_sources(language=str(folder)))
    read = revisions(found)
    assert read == {
        "model.tower_source": f"{DINOV2}@{COMMIT[DINOV2]}",
        "model.language_source": f"{folder}@{found.language.revision}",
    }
    folder.rename(tmp_path / "moved")
    later = revisions(resolve_revisions(PAPER.with_sources(language=str(tmp_path / "moved"))))
    assert later != read
    assert relocated(later, read) == read
    assert relocated({"model.tower_source": f"{DINOV2}@{OTHER}"}, read) != read
    assert revisions(PRESETS["tiny"]) == revisions(PRESETS["compact"]) == {}
    assert revisions(replace(preset("hf:a/b"), revision=OTHER)) == {"model.preset": f"hf:a/b@{OTHER}"}


def test_the_size_of_a_head_follows_the_configuration(tmp_path: Path) -> None:
    grouped = {**LANGUAGE_CONFIG, "num_key_value_heads": 2, "rope_theta": 500_000.0}
    folder = as_folder(tmp_path / "llama", {"config.json": json.dumps(grouped).encode()})
    language = resolve_revisions(PAPER.with_sources(language=str(folder)), online=False).language
    assert (language.kv_heads, language.rope_theta) == (2, 500_000.0)


def test_a_shipped_model_keeps_its_identity() -> None:
    """Answers name it by the hash of its description: a field that is added must not change it."""
    folder = model_folder("compact")
    sealed = json.loads((folder / "expllm.json").read_text(encoding="utf-8"))["sha256"]
    assert seal(read_manifest(folder).to_dict()) == sealed
