"""What the pixels of a face say: the vision tower and its heads, computed with NumPy.

The tower is built like the one that the compact model looks through (`model.vision`); beside expressions it
learned action units (`scripts/train_tower.py`). Three heads stand on it here: one reads 17 action units of
FACS as the published OpenFace models read them, one MediaPipe's blendshapes, and one says whether the
published models could be trusted on such a face. NumPy takes as long as PyTorch for one face, and nothing has
to be installed or loaded for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from expllm.core.errors import RecordError
from expllm.faces.convnets import windows
from expllm.faces.quantized_weights import read_weights

if TYPE_CHECKING:
    from PIL import Image

_Array = NDArray[np.float32]

FOLDER: Final = "seeing"
FACS: Final = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
"""Numbers of the units that the head reads, in its order."""
_PAIRS: Final = (
    "browDown browOuterUp eyeBlink eyeLookDown eyeLookIn eyeLookOut eyeLookUp eyeSquint eyeWide mouthDimple "
    "mouthFrown mouthLowerDown mouthPress mouthSmile mouthStretch mouthUpperUp jaw mouth"
).split()
_SINGLE: Final = (
    "browInnerUp jawOpen mouthClose mouthFunnel mouthPucker mouthRollLower mouthRollUpper mouthShrugLower "
    "mouthShrugUpper"
).split()
CHANNELS: Final = (*(pair + side for pair in _PAIRS for side in ("Left", "Right")), *_SINGLE)
"""MediaPipe's channels that move on photographs at all."""
DEAD_CHANNELS: Final = ("cheekPuff", "jawForward", "noseSneerLeft", "noseSneerRight")
"""Those that do not: 0 on every photograph."""
MIRROR: Final = [
    CHANNELS.index(name[:-4] + "Right") if name.endswith("Left")
    else CHANNELS.index(name[:-5] + "Left") if name.endswith("Right")
    else place
    for place, name in enumerate(CHANNELS)
]  # fmt: skip
"""Where each channel's mirror image stands."""
CROP_SIDE: Final = 96
"""Pixels of the side of a picture."""
UNIT_STRIDES: Final = (2, 1, 2, 1, 2, 1, 1, 1)
REGIONS: Final = 3
_AT_ONCE: Final = 4
"""Faces of one pass: what a layer makes of them stays in the processor's cache."""
_PREFIX: Final = "model.vision_tower."


@dataclass(frozen=True, eq=False)
class Looks:
    """What was read of N faces and of their mirror images, each by itself.

    Attributes:
        units: [2, N, 17] in deviations from the mean of the training faces.
        channels: [2, N, 45] MediaPipe's scores; those of the mirror images are turned back.
        clear: [2, N] log odds that the published models can be trusted on such a face.
    """

    units: _Array
    channels: _Array
    clear: _Array

    def mean(self) -> "Seen":
        """What is read of each face: the mean of both."""
        known = 1 / (1 + np.exp(-self.clear.mean(axis=0)))
        scores = np.clip(self.channels.mean(axis=0), 0, 1)
        return Seen(self.units.mean(axis=0), scores, known.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Seen:
    """What was read of N faces, each the mean of what was read of it and of its mirror image.

    Attributes:
        units: [N, 17] action units, in deviations from the mean of the training faces.
        channels: [N, 45] MediaPipe's scores, 0-1, in the order of `CHANNELS`.
        clear: [N] probability that the published models can be trusted on such a face (frontal, not covered).
    """

    units: _Array
    channels: _Array
    clear: _Array


class FaceNet:
    """The tower and its heads.

    Args:
        weights: Their tensors by name, as `scripts/train_tower.py` writes them.

    Raises:
        RecordError: a tensor is missing.
    """

    def __init__(self, weights: Mapping[str, _Array]) -> None:
        try:
            names = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
            self._layers = {name: _layer(weights, name) for name in names}
            self._hidden, self._out = self._layers["units.hidden"], self._layers["units.out"]
            self._stem = self._layers["stem"]
            self._mean, self._spread = (weights[f"scale.channels.{name}"] for name in ("mean", "spread"))
        except KeyError as error:
            raise RecordError(f"{FOLDER}: no weights {error}: install expllm again") from None

    def __call__(self, pictures: "Sequence[Image.Image]") -> Seen:
        """What is read of faces that were cut out.

        Args:
            pictures: Of any size and mode, the face filling most of each.
        """
        return self.looks(pictures).mean()

    def looks(self, pictures: "Sequence[Image.Image]") -> Looks:
        """What is read of each face, and of its mirror image; both go through the network at once."""
        if not pictures:
            units, channels = (np.empty((2, 0, len(names)), np.float32) for names in (FACS, CHANNELS))
            return Looks(units, channels, np.empty((2, 0), np.float32))
        passes = range(0, len(pictures), _AT_ONCE)
        out = np.concatenate([self._pass(pictures[first : first + _AT_ONCE]) for first in passes], axis=1)
        units, channels, clear = np.split(out, [len(FACS), len(FACS) + len(CHANNELS)], axis=2)
        scores = channels * self._spread + self._mean  # of a side by its own scale, then turned
        scores[1] = scores[1][:, MIRROR]
        return Looks(units, scores, clear[..., 0])

    def _pass(self, pictures: "Sequence[Image.Image]") -> _Array:
        """What the heads say of each face and of its mirror image: [2, N, 17 units + 45 channels + 1]."""
        straight = np.stack([_pixels(picture) for picture in pictures])
        out = self._heads(self._tower(np.concatenate([straight, straight[:, :, ::-1]])))
        return out.reshape(2, len(pictures), -1)

    def _tower(self, pixels: _Array) -> _Array:
        """[N, 96, 96, 3] of -1 to 1 -> [N, 6, 6, 512]."""
        values = _convolved(pixels, self._stem, 2)
        np.maximum(values, 0, out=values)
        for number, stride in enumerate(UNIT_STRIDES):
            values = self._block(values, f"blocks.{number}", stride)
        return values

    def _block(self, values: _Array, name: str, stride: int) -> _Array:
        inner = _convolved(values, self._layers[f"{name}.first"], stride)
        np.maximum(inner, 0, out=inner)
        inner = _convolved(inner, self._layers[f"{name}.second"], 1)
        around = self._layers.get(f"{name}.around")
        inner += values if around is None else _convolved(values, around, stride)
        return np.maximum(inner, 0, out=inner)

    def _heads(self, grid: _Array) -> _Array:
        """[N, 6, 6, 512] -> [N, 17 units + 45 channels + 1]."""
        count, side, _, width = grid.shape
        cell = side // REGIONS
        regions = grid.reshape(count, REGIONS, cell, REGIONS, cell, width).mean(axis=(2, 4))
        flat = regions.transpose(0, 3, 1, 2).reshape(count, -1)  # PyTorch's order: width first
        features = np.concatenate([grid.mean(axis=(1, 2)), flat], axis=1)
        hidden = np.maximum(features @ self._hidden.weight + self._hidden.bias, 0)
        out: _Array = hidden @ self._out.weight + self._out.bias
        return out


@dataclass(frozen=True, eq=False)
class _Layer:
    """Attributes: weight: [k * k * I, O]; bias: [O]; size: k, 0 for a matrix."""

    weight: _Array
    bias: _Array
    size: int


def _layer(weights: Mapping[str, _Array], name: str) -> _Layer:
    weight = weights[f"{name}.weight"].astype(np.float32)
    size = weight.shape[2] if weight.ndim == 4 else 0
    flat = weight.transpose(2, 3, 1, 0) if size else weight.T
    bias = weights[f"{name}.bias"].astype(np.float32)
    return _Layer(np.ascontiguousarray(flat.reshape(-1, len(bias))), bias, size)


def _convolved(values: _Array, layer: _Layer, stride: int) -> _Array:
    seen = windows(values, layer.size, stride) if layer.size > 1 else values[:, ::stride, ::stride]
    out: _Array = seen.reshape(-1, len(layer.weight)) @ layer.weight  # one product, not one a row
    out += layer.bias
    return out.reshape(*seen.shape[:3], -1)


def _pixels(picture: "Image.Image") -> _Array:
    from PIL import Image

    small = picture.convert("RGB").resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC)
    return np.asarray(small, np.float32) / 127.5 - 1


@cache
def face_net() -> FaceNet:
    """The network that ships, read once.

    Raises:
        RecordError: its weights are missing or damaged.
    """
    with as_file(files("expllm") / "assets" / FOLDER) as folder:
        return read_net(folder)


def read_net(folder: Path) -> FaceNet:
    """The network of a folder with `tower.safetensors` and `units.safetensors`.

    Raises:
        RecordError: a file is missing or damaged.
    """
    tower, heads = (read_weights(folder / f"{name}.safetensors") for name in ("tower", "units"))
    return FaceNet({**{name.removeprefix(_PREFIX): part for name, part in tower.items()}, **heads})
