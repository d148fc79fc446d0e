"""Licences of a model's weights, and whether `--licence permissive` allows them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from expllm.core.errors import UsageError
from expllm.core.licences import (
    ASSETS,
    PERMISSIVE,
    check_licence,
    chosen_licence,
    known_weights,
    licences_of,
)
from expllm.model.manifest import MANIFEST_NAME, Manifest, read_manifest
from expllm.model.presets import Preset
from expllm.model.shipped import SHIPPED

UNKNOWN: Final = "unknown"
"""Of weights without a recorded licence."""


def model_licences(manifest: Manifest, name: str = "") -> dict[str, str]:
    """Licence of each part of a trained model, by its source.

    Args:
        name: How the model is called; the one that ships has a row of its own in the table.
    """
    if name in SHIPPED:
        return licences_of((name, "SmolLM2-135M-Instruct"))
    preset = manifest.preset
    if preset.hf is not None:
        return {preset.hf: UNKNOWN}
    parts = ((preset.tower, "vision encoder"), (preset.language, "language model"))
    return {part.source or role: part.licence or UNKNOWN for part, role in parts}


def check_model_licence(licence: str | None, folder: Path, name: str = "") -> None:
    """Refuses a model with a part that is not permissive, where only such are allowed.

    What a model of one's own was trained on is not recorded, and not judged. A copy of the model that ships
    counts as that model.

    Raises:
        UsageError: it may not be used.
        MissingWeights, ModelError: as `read_manifest`.
    """
    if chosen_licence(licence) == "any":
        return
    name = name if name in SHIPPED else _shipped_as(folder)
    check_licence(licence, *(one for one in (name,) if one))
    _check_parts(model_licences(read_manifest(folder), name), str(folder))


def check_weights_licence(licence: str | None, path: Path) -> None:
    """Refuses a file of weights that ships and is not permissive, where only such are allowed.

    Raises:
        UsageError: it may not be used.
    """
    place = Path(os.path.realpath(path))
    rows = [
        one.name
        for one in known_weights()
        if any(place.is_relative_to(os.path.realpath(ASSETS / file)) for file in one.files)
    ]
    check_licence(licence, *rows)


def check_base_licences(licence: str | None, chosen: Preset, usual: Preset) -> None:
    """Refuses base weights that are not permissive, or of unknown licence, where only such are allowed.

    Args:
        licence: As for `chosen_licence`.
        chosen: The preset with the sources that are read; parts without one are drawn.
        usual: The preset as it is known: the licence of another source is not.

    Raises:
        UsageError: they may not be used.
    """
    if chosen_licence(licence) == "any":
        return
    pairs = ((chosen.tower, usual.tower), (chosen.language, usual.language))
    found = {
        part.source: part.licence if part.source == known.source and part.licence else UNKNOWN
        for part, known in pairs
        if part.source is not None
    }
    _check_parts({chosen.hf: UNKNOWN} if chosen.hf is not None else found, chosen.name)


def _check_parts(found: Mapping[str, str], whole: str) -> None:
    for part, rights in found.items():
        if rights not in PERMISSIVE:
            raise UsageError(
                f"--licence permissive: the licence of {whole} ({part}) is {rights}: use rules, or a model "
                f"whose parts are all under {', '.join(sorted(PERMISSIVE))}"
            )


def _shipped_as(folder: Path) -> str:
    """Name of the shipped model whose folder, or a copy of it, this is; empty for any other."""
    manifest = folder / MANIFEST_NAME
    if not manifest.is_file():
        return ""
    own = manifest.read_bytes()
    return next((one for one in SHIPPED if (ASSETS / one / MANIFEST_NAME).read_bytes() == own), "")
