"""Resolves the base weights of a training before it starts, and records them in `run.json`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from expllm.model.build import whole_snapshot
from expllm.model.hub.snapshots import resolve_revisions
from expllm.model.manifest import WEIGHT_NAMES, read_manifest
from expllm.model.presets import Preset, preset
from expllm.model.rights import check_base_licences, check_model_licence, check_weights_licence
from expllm.model.shipped import SHIPPED, model_folder
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


def check_recipe_licence(recipe: Recipe, licence: str | None = None) -> None:
    """Refuses what a recipe begins with where only permissive weights are allowed.

    Args:
        recipe: Its model counts; what is known of data sets is said where they are listed.
        licence: As for `chosen_licence`.

    Raises:
        UsageError: it may not be used, or there is no such model.
        MissingWeights, ModelError: as `read_manifest`.
    """
    model = recipe.model
    if model.init_from is not None:
        check_model_licence(licence, model_folder(model.init_from), model.init_from)
        return
    if model.tower is not None:
        check_weights_licence(licence, tower_file(model.tower))
    check_base_licences(licence, chosen_preset(recipe), preset(model.preset))


def tower_file(name: str) -> Path:
    """The file of a tower's weights; the name of a model that ships stands for its tower."""
    return model_folder(name) / WEIGHT_NAMES["tower"] if name in SHIPPED else Path(name)


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
