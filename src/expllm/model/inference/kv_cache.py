"""What a language model has read: keys and values, row by row, and which places of them are real."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

STEP: Final = 64
"""Memory is set aside for a multiple of so many tokens."""


@dataclass
class KVCache:
    """Keys and values of what was read.

    Attributes:
        keys, values: [layers, rows, heads, room, width of a head].
        length: Places in use; all rows use as many.
        real: [rows, room] False where a row has nothing at a place in use.
        holes: Whether any row has such a place.
    """

    keys: Tensor
    values: Tensor
    length: int
    real: Tensor
    holes: bool = False

    @property
    def room(self) -> int:
        """Places that are set aside."""
        return self.keys.shape[3]

    def copies(self, rows: int) -> "KVCache":
        """The same for several rows; this one has one row, without holes."""
        return KVCache(
            self.keys.repeat(1, rows, 1, 1, 1),
            self.values.repeat(1, rows, 1, 1, 1),
            self.length,
            self.real.repeat(rows, 1),
        )

    def reserve(self, length: int) -> None:
        """Sets more aside, so that `length` places fit; what was read stays."""
        if length <= self.room:
            return
        layers, rows, heads, _, width = self.keys.shape
        room = -(-length // STEP) * STEP
        for name in ("keys", "values"):
            old: Tensor = getattr(self, name)
            # Zeros: what is masked is multiplied by 0, and chance bytes may spell NaN.
            new = old.new_zeros(layers, rows, heads, room, width)
            new[:, :, :, : self.length] = old[:, :, :, : self.length]
            setattr(self, name, new)
        real = self.real.new_ones(rows, room)
        real[:, : self.length] = self.real[:, : self.length]
        self.real = real

    def keep(self, tokens: int, real: Tensor | None = None) -> None:
        """Keeps the next `tokens` places, which were read; `real` [rows, tokens] as for `Language.read`."""
        if real is not None and not bool(real.all()):
            self.real[:, self.length : self.length + tokens] = real
            self.holes = True
        self.length += tokens

    def look_for_holes(self, rows: int) -> None:
        """Sets `holes` by the first rows alone: only they are read on with from now on."""
        self.holes = not bool(self.real[:rows, : self.length].all())

    def widen(self, rows: int) -> None:
        """Sets aside so many further rows, in which nothing is."""
        layers, _, heads, room, width = self.keys.shape
        for name in ("keys", "values"):
            old: Tensor = getattr(self, name)
            setattr(self, name, torch.cat([old, old.new_zeros(layers, rows, heads, room, width)], dim=1))
        self.real = torch.cat([self.real, self.real.new_zeros(rows, room)])

    def narrow(self, rows: int) -> None:
        """Keeps the first rows only."""
        self.keys, self.values, self.real = self.keys[:, :rows], self.values[:, :rows], self.real[:rows]

    def copy(self, row: int, others: Sequence[int], without: Sequence[int] = ()) -> None:
        """Puts what a row holds into other rows, without what is at some places."""
        used = slice(self.length)
        for tensor in (self.keys, self.values):
            for other in others:
                tensor[:, other, :, used] = tensor[:, row, :, used]
        for other in others:
            self.real[other] = self.real[row]
            self.real[other, [*without]] = False

    def forget(self, length: int) -> None:
        """Goes back to the first `length` places."""
        self.length = length
        self.real[:, length:] = True
        self.holes = self.holes and not bool(self.real[:, :length].all())

    @property
    def even(self) -> int:
        """Places from the start on at which every row has something."""
        if not self.holes:
            return self.length
        return int(self.real[:, : self.length].all(0).long().cumprod(0).sum())

    def swap(self, one: int, other: int) -> None:
        """Exchanges two rows."""
        pair, exchanged = [one, other], [other, one]
        used = slice(self.length)
        for tensor in (self.keys, self.values):
            tensor[:, pair, :, used] = tensor[:, exchanged, :, used]
        self.real[pair] = self.real[exchanged]
