"""Licences of a model's weights, and whether `--licence permissive` allows them."""

from pathlib import Path
from typing import Final

from expllm.core.errors import UsageError
from expllm.core.licences import PERMISSIVE, check_licence, chosen_licence, licences_of
from expllm.model.manifest import Manifest, read_manifest
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

    What a model of one's own was trained on is not recorded, and not judged.

    Raises:
        UsageError: it may not be used.
        MissingWeights, ModelError: as `read_manifest`.
    """
    check_licence(licence, *(one for one in (name,) if one in SHIPPED))
    if chosen_licence(licence) == "any":
        return
    found = model_licences(read_manifest(folder), name)
    for part, rights in found.items():
        if rights not in PERMISSIVE:
            raise UsageError(
                f"--licence permissive: the licence of {folder} ({part}) is {rights}: use rules, or a model "
                f"whose parts are all under {', '.join(sorted(PERMISSIVE))}"
            )
