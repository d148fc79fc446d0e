"""Small convolutional networks in NumPy: a framework would take longer to load than they take to compute.

A network is an `.npz` asset with `w0`, `b0`, `w1`, ... in float16: convolutions of shape [O, I, k, k], or
matrices [O, I] at the end. Every layer but the last is followed by a ReLU. A convolution whose stride is its
size cuts the picture into patches; any other looks half its size to each side. The networks learned from
light of -0.5 to 0.5; here they take bytes, and the first layer is adapted to them.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from expllm.core.errors import RecordError

_Array = NDArray[np.float32]
STRIP: Final = 256
"""Rows that `Network.map` works on at once: bounds the memory of large pictures."""


@dataclass(frozen=True, eq=False)
class Network:
    """Layers that were read from an asset.

    Attributes:
        layers: Weights and bias of each; weights [k * k * I, O] of convolutions, [I, O] of matrices.
        sizes: Kernel side of each convolution, 0 for a matrix.
        strides: Stride of each layer.
        name: Of the asset.
    """

    layers: tuple[tuple[_Array, _Array], ...]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    name: str

    def __call__(self, pictures: _Array | NDArray[np.uint8]) -> _Array:
        """The last layer's values for pictures [N, H, W, C], 0-255: [N, h, w, O], or [N, O]."""
        values: Any = pictures
        for number, ((weights, bias), size, stride) in enumerate(
            zip(self.layers, self.sizes, self.strides, strict=True)
        ):
            if size == 0:
                values = values.reshape(len(values), -1)
            values = windows(values, size, stride) if size > 1 else values
            values = values.astype(np.float32, copy=False) @ weights
            values += bias
            if number < len(self.layers) - 1:
                np.maximum(values, 0, out=values)
        found: _Array = values
        return found

    @property
    def stride(self) -> int:
        """Pixels from one value of the last layer to the next."""
        return int(np.prod(self.strides))

    @property
    def reach(self) -> int:
        """How far to each side, in pixels, a value of the last layer looks."""
        reach, step = 0, 1
        for size, stride in zip(self.sizes, self.strides, strict=True):
            reach += (0 if size == stride else max(size, 1) // 2) * step
            step *= stride
        return reach

    def map(self, picture: _Array | NDArray[np.uint8]) -> _Array:
        """The same for one picture [H, W, C] of any size, strip by strip: [h, w, O]."""
        halo = -(-self.reach // self.stride) * self.stride
        parts = []
        for top in range(0, len(picture), STRIP):
            start, stop = max(0, top - halo), min(len(picture), top + STRIP + halo)
            found = self(picture[None, start:stop])[0]
            first = (top - start) // self.stride
            parts.append(found[first : first + -(-min(STRIP, len(picture) - top) // self.stride)])
        return np.concatenate(parts)


def _patches(values: NDArray[Any], size: int) -> NDArray[Any]:
    """[N, H, W, C] -> [N, h, w, size * size * C], side by side, with zeros beyond the border."""
    count, height, width, channels = values.shape
    high, wide = -(-height // size), -(-width // size)
    if (height, width) != (high * size, wide * size):
        values = np.pad(values, ((0, 0), (0, high * size - height), (0, wide * size - width), (0, 0)))
    cut = values.reshape(count, high, size, wide, size, channels).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(count, high, wide, -1)


def windows(values: NDArray[Any], size: int, stride: int) -> NDArray[Any]:
    """Every window of a convolution as a row: [N, H, W, C] -> [N, h, w, size * size * C].

    Windows that overlap look half their size beyond the border, where there are zeros.
    """
    if size == stride:
        return _patches(values, size)
    reach = size // 2
    padded = np.pad(values, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    count, height, width, channels = padded.shape
    rows = padded.reshape(count, height, width * channels)  # what a window sees of a row lies together
    seen = np.lib.stride_tricks.sliding_window_view(rows, (size, size * channels), axis=(1, 2))
    apart = seen[:, ::stride, :: stride * channels]  # [N, h, w, size, size * C]
    return apart.reshape(*apart.shape[:3], -1)


@cache
def read_network(name: str) -> Network:
    """The network of the asset `name`.npz.

    Raises:
        RecordError: the asset is damaged.
    """
    try:
        with as_file(files("expllm") / "assets" / f"{name}.npz") as path, np.load(path) as stored:
            strides = tuple(int(stride) for stride in stored["strides"])
            raw = [(stored[f"w{i}"], stored[f"b{i}"]) for i in range(len(strides))]
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"{name}.npz cannot be read, install expllm again: {error}") from None
    layers = [(_matrix(weights), bias.astype(np.float32)) for weights, bias in raw]
    first, bias = layers[0]
    layers[0] = first / np.float32(255), bias - first.sum(axis=0) / 2
    sizes = tuple(weights.shape[2] if weights.ndim == 4 else 0 for weights, _ in raw)
    return Network(tuple(layers), sizes, strides, name)


def _matrix(weights: NDArray[np.float16]) -> _Array:
    """[O, I, k, k] -> [k * k * I, O] in the order of `windows`; [O, I] -> [I, O]."""
    turned = weights.transpose(2, 3, 1, 0) if weights.ndim == 4 else weights.T
    return np.ascontiguousarray(turned.reshape(-1, len(weights)), np.float32)
