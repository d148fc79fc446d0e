"""Small convolutional networks in NumPy: a framework would take longer to load than they take to compute.

A network is an `.npz` asset with `w0`, `b0`, `w1`, ... in float16: convolutions of shape [O, I, k, k], or
matrices [O, I] at the end. Every layer but the last is followed by a ReLU.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from expllm.errors import RecordError

Array = NDArray[np.float32]
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

    layers: tuple[tuple[Array, Array], ...]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    name: str

    def __call__(self, pictures: Array) -> Array:
        """The last layer's values for pictures [N, H, W, C]: [N, h, w, O], or [N, O] behind matrices."""
        values = pictures
        for number, ((weights, bias), size, stride) in enumerate(
            zip(self.layers, self.sizes, self.strides, strict=True)
        ):
            if size == 0:
                values = values.reshape(len(values), -1)
            values = (_windows(values, size, stride) if size > 1 else values) @ weights
            values += bias
            if number < len(self.layers) - 1:
                np.maximum(values, 0, out=values)
        return values

    @property
    def stride(self) -> int:
        """Pixels from one value of the last layer to the next."""
        return int(np.prod(self.strides))

    @property
    def reach(self) -> int:
        """How far to each side, in pixels, a value of the last layer looks."""
        reach, step = 0, 1
        for size, stride in zip(self.sizes, self.strides, strict=True):
            reach += (max(size, 1) // 2) * step
            step *= stride
        return reach

    def map(self, picture: Array) -> Array:
        """The same for one picture [H, W, C] of any size, strip by strip: [h, w, O]."""
        halo = -(-self.reach // self.stride) * self.stride
        parts = []
        for top in range(0, len(picture), STRIP):
            start, stop = max(0, top - halo), min(len(picture), top + STRIP + halo)
            found = self(picture[None, start:stop])[0]
            first = (top - start) // self.stride
            parts.append(found[first : first + -(-min(STRIP, len(picture) - top) // self.stride)])
        return np.concatenate(parts)


def _windows(values: Array, size: int, stride: int) -> Array:
    """[N, H, W, C] -> [N, h, w, size * size * C], with zeros beyond the border."""
    reach = size // 2
    padded = np.pad(values, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    high, wide = (-(-length // stride) for length in values.shape[1:3])
    rows, columns = stride * (high - 1) + 1, stride * (wide - 1) + 1
    return np.concatenate(
        [
            padded[:, i : i + rows : stride, j : j + columns : stride]
            for i in range(size)
            for j in range(size)
        ],
        axis=3,
    )


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
    layers = tuple((_matrix(weights), bias.astype(np.float32)) for weights, bias in raw)
    sizes = tuple(weights.shape[2] if weights.ndim == 4 else 0 for weights, _ in raw)
    return Network(layers, sizes, strides, name)


def _matrix(weights: NDArray[np.float16]) -> Array:
    """[O, I, k, k] -> [k * k * I, O] in the order of `_windows`; [O, I] -> [I, O]."""
    turned = weights.transpose(2, 3, 1, 0) if weights.ndim == 4 else weights.T
    return np.ascontiguousarray(turned.reshape(-1, len(weights)), np.float32)
