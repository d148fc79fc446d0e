"""Faces to teach a tower with, whole in memory: votes, OpenFace's action units, MediaPipe's channels.

The parts are those of the data sets; portraits are split by person as `expllm eval` splits them. Readings are
those of `au_readings_*.parquet`; what learns from them is for academic use.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data.people import people_part
from expllm.faces.unit_network import CHANNELS, FACS

LABELS: Final = [label.value for label in LABEL_ORDERS["ferplus"].labels]
OTHERS: Final = ("unknown", "NF")
PORTRAIT: Final = 112


@dataclass
class Faces:
    """Attributes:
    pixels: [N, C, side, side] uint8.
    targets: [N, 8] shares of the votes.
    majority: [N] the label.
    units: [N, 17] teacher's readings, NaN where they cannot be trusted.
    channels: [N, 45] MediaPipe's channels, NaN where no face was found.
    clear: [N] 1 where the teacher can be trusted, 0 where not, NaN where no face was found.
    rows: [N] numbers of the rows over all shards.
    """

    pixels: Tensor
    targets: Tensor
    majority: Tensor
    units: Tensor
    channels: Tensor
    clear: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.pixels)

    def to(self, device: str) -> Faces:
        return Faces(*(getattr(self, field.name).to(device) for field in fields(self)))

    def at(self, chosen: Tensor) -> Faces:
        return Faces(*(getattr(self, field.name)[chosen] for field in fields(self)))


def ferplus(folder: Path, split: str) -> Faces:
    """The faces of a part, less those whose largest vote is for no expression."""
    kept = [(key, row) for key, row in _rows(folder, "ferplus", split) if _is_expression(row)]
    votes = np.array([[row[f"votes_{label}"] for label in LABELS] for _, row in kept], np.float32)
    majority = votes.argmax(1)
    votes[votes <= 1] = 0  # a single vote is an outlier, as in the FER+ paper
    votes[np.arange(len(votes)), majority] += votes.sum(1) == 0
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(row["image"])).convert("L")) for _, row in kept])
    return Faces(
        torch.from_numpy(pixels)[:, None], torch.from_numpy(votes / votes.sum(1, keepdims=True)),
        torch.from_numpy(majority), *_readings(folder / f"au_readings_ferplus_{split}.parquet", kept),
    )  # fmt: skip


def portraits(folder: Path, crops: Path, part: str) -> Faces:
    """The portraits of a part, cut out by the detector's box before (`scripts/crop_portraits.py`)."""
    kept = [
        (key, row) for key, row in _rows(crops, "portraits", "train")
        if row["image"] is not None and people_part(row["identity"]) == part
    ]  # fmt: skip
    opened = (Image.open(io.BytesIO(row["image"])).convert("RGB") for _, row in kept)
    pixels = np.stack([np.asarray(one.resize((PORTRAIT, PORTRAIT))).transpose(2, 0, 1) for one in opened])
    majority = torch.tensor([LABELS.index(row["label"]) for _, row in kept])
    targets = torch.nn.functional.one_hot(majority, len(LABELS)).float() * 0.9 + 0.1 / len(LABELS)
    readings = _readings(folder / "au_readings_portraits_train.parquet", kept)
    return Faces(torch.from_numpy(pixels), targets, majority, *readings)


def _rows(folder: Path, name: str, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row of the shards with its number, which the readings know it by."""
    number = 0
    for shard in sorted(folder.glob(f"{name}_{split}-*.parquet")):
        for row in pq.read_table(shard).to_pylist():
            yield number, row
            number += 1
    if not number:
        raise SystemExit(f"{folder}: no {name}_{split}-*.parquet")


def _is_expression(row: dict[str, Any]) -> bool:
    order = (*LABELS, *OTHERS)
    return max(order, key=lambda name: row[f"votes_{name}"]) in LABELS


def _readings(path: Path, kept: list[tuple[int, dict[str, Any]]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Units, channels, clearness and numbers of these rows."""
    table = pq.read_table(path)
    place = {int(row): at for at, row in enumerate(table["row"].to_pylist())}
    clear = table["frontal_clear"].to_numpy(zero_copy_only=False).astype(np.float32)
    units = _columns(table, [f"ens_AU{number:02}" for number in FACS])
    units[clear == 0] = np.nan
    channels = _columns(table, [f"mp_{name}" for name in CHANNELS])
    rows = np.array([number for number, _ in kept])
    found = np.array([place.get(number, -1) for number in rows.tolist()])
    measured = [part[found] for part in (units, channels, clear)]
    for part in measured:
        part[found < 0] = np.nan
    return (*map(torch.from_numpy, measured), torch.from_numpy(rows))  # type: ignore[return-value]


def _columns(table: Any, names: list[str]) -> Any:
    return np.stack([table[name].to_numpy(zero_copy_only=False) for name in names], 1).astype(np.float32)
