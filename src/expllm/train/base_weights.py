"""Resolves the base weights of a training before it starts, and records them in `run.json`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from expllm.model.build import whole_snapshot
from expllm.model.hub.snapshots import resolve_revisions
from expllm.model.manifest import read_manifest
from expllm.model.presets import Preset
from expllm.model.shipped import model_folder
from expllm.train.recipe import Recipe, chosen_preset


def recipe_preset(recipe: Recipe) -> Preset:
    """The preset that a recipe begins with, with the sizes and revisions of what is read for it.

    Raises:
        MissingWeights: base weights cannot be had, or a file of them is damaged.
        UsageError: no such preset, setting or model.
    """
    chosen = chosen_preset(recipe)
    if recipe.model.init_from is None:
        return _whole(resolve_revisions(chosen))
    begun = read_manifest(model_folder(recipe.model.init_from)).preset
    tower, language = begun.tower, begun.language
    # Weights that have been moved since: the revision stays, so that they must be the same.
    if recipe.model.tower_source is not None:
        tower = replace(tower, source=chosen.tower.source)
    if recipe.model.language_source is not None:
        language = replace(language, source=chosen.language.source)
    return _whole(resolve_revisions(replace(begun, tower=tower, language=language)))


def _whole(base: Preset) -> Preset:
    """Looks whether all files are there, before hours of other work."""
    tower, language = base.tower, base.language
    parts = [(tower.source, tower.revision)]
    if language.weights == "hub":
        parts.append((language.source, language.revision))
    if base.hf is not None:
        parts = [(base.hf, base.revision)]
    for source, revision in parts:
        if source is not None:
            whole_snapshot(source, revision)
    return base


def revisions(base: Preset) -> dict[str, str]:
    """What base weights are read, by the key of a recipe that would name them: NAME@REVISION, or a folder and
    the hash of its files. Weights that ship with a package or are drawn have no place here."""
    if base.hf is not None:
        return {"model.preset": f"hf:{base.hf}@{base.revision}"}
    tower, language = base.tower, base.language
    parts = {
        "model.tower_source": (tower.source, tower.revision),
        "model.language_source": (language.source, language.revision),
    }
    return {key: f"{source}@{revision}" for key, (source, revision) in parts.items() if revision is not None}


def relocated(now: Mapping[str, str], begun: Mapping[str, Any]) -> dict[str, str]:
    """The same, with a folder's earlier place where only that differs: its files are the same."""
    return {
        key: str(begun[key]) if _revision(begun.get(key)) == _revision(value) else value
        for key, value in now.items()
    }


def _revision(value: Any) -> str | None:
    return str(value).rpartition("@")[2] if isinstance(value, str) and "@" in value else None
