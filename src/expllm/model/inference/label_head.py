"""A readout of labels from what a tower sees, for a model that has one.

It is fitted on people whom the tower has never learned from (`scripts/fit_label_head.py`), so it knows how
far what the tower sees can be believed. The language model has to find that out from faces that the tower
knows by heart.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from torch import Tensor

from expllm.model.manifest import LABEL_HEAD, Manifest, ModelError
from expllm.model.tensors import load_weights

_BIAS: Final = "label_head.bias"
_WEIGHT: Final = "label_head.weight"


@dataclass(frozen=True, eq=False)
class LabelHead:
    """Log-odds of labels, linear in a tower's mean feature.

    Attributes:
        weight: [labels, width], in 32-bit floats.
        bias: [labels].
    """

    weight: Tensor
    bias: Tensor

    def log_probabilities(self, features: Tensor) -> Tensor:
        """[looks, pictures, width] to [pictures, labels]: the mean of all looks, normalised, in 64 bits."""
        logits = features.cpu().double() @ self.weight.double().T + self.bias.double()
        return logits.log_softmax(-1).mean(0).log_softmax(-1)

    def tensors(self) -> dict[str, Tensor]:
        """As they are written."""
        return {_WEIGHT: self.weight, _BIAS: self.bias}

    @classmethod
    def read(cls, folder: Path, manifest: Manifest) -> Self | None:
        """That of a model; None if it has none.

        Raises:
            MissingWeights: its file is damaged.
            ModelError: it is for other labels, or for another tower.
        """
        if LABEL_HEAD not in manifest.files:
            return None
        stored = load_weights(folder / LABEL_HEAD)
        shape = len(manifest.labels), manifest.preset.tower.hidden
        shapes = {_WEIGHT: shape, _BIAS: shape[:1]}
        if {name: tuple(one.shape) for name, one in stored.items()} != shapes:
            raise ModelError(
                f"{folder / LABEL_HEAD}: is not for {shape[0]} labels and a tower of width {shape[1]}: "
                "fit it again, or leave it out"
            )
        return cls(stored[_WEIGHT].float(), stored[_BIAS].float())
