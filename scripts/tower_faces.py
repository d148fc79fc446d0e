"""Faces to pretrain a tower on, whole in memory: FER+ with its votes, portraits, action units of both.

The parts are those of the data sets; portraits are split by person as `expllm eval` splits them.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from expllm.evals.splits import part_of
from expllm.faces import AU_BY_NAME, AU_NAMES, LABEL_ORDERS

LABELS: Final = [label.value for label in LABEL_ORDERS["ferplus"].labels]
OTHERS: Final = ("unknown", "NF")
PORTRAIT: Final = 112


@dataclass
class Faces:
    """Attributes: pixels: [N, C, side, side] uint8; targets: [N, 8] shares of the votes; majority: [N];
    aus: [N, 24], NaN where not measured."""

    pixels: Tensor
    targets: Tensor
    majority: Tensor
    aus: Tensor

    def to(self, device: str) -> Faces:
        return Faces(*(part.to(device) for part in (self.pixels, self.targets, self.majority, self.aus)))


def ferplus(folder: Path, split: str, texts: Path | None) -> Faces:
    """The faces of a part, less those whose largest vote is for no expression."""
    measured, rows, number = _measured(texts), [], 0
    for shard in sorted(folder.glob(f"ferplus_{split}-*.parquet")):
        for row in pq.read_table(shard).to_pylist():
            rows.append((f"ferplus/{split}/{number:06d}", row))
            number += 1
    kept = [(key, row) for key, row in rows if _is_expression(row)]
    votes = np.array([[row[f"votes_{label}"] for label in LABELS] for _, row in kept], np.float32)
    majority = votes.argmax(1)
    votes[votes <= 1] = 0  # a single vote is an outlier, as in the FER+ paper
    votes[np.arange(len(votes)), majority] += votes.sum(1) == 0
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(row["image"])).convert("L")) for _, row in kept])
    return Faces(
        torch.from_numpy(pixels)[:, None], torch.from_numpy(votes / votes.sum(1, keepdims=True)),
        torch.from_numpy(majority), _aus(measured, [key for key, _ in kept]),
    )  # fmt: skip


def portraits(folder: Path, part: str, texts: Path | None) -> Faces:
    """The portraits of a part, cut out by the detector's box before (`scripts/crop_portraits.py`)."""
    measured, pixels, labels, keys, number = _measured(texts), [], [], [], 0
    for shard in sorted(folder.glob("portraits_train-*.parquet")):
        for row in pq.read_table(shard).to_pylist():
            key = f"portraits/train/{number:06d}"
            number += 1
            if row["image"] is not None and part_of(row["identity"]) == part:
                picture = Image.open(io.BytesIO(row["image"])).convert("RGB").resize((PORTRAIT, PORTRAIT))
                pixels.append(np.asarray(picture).transpose(2, 0, 1))
                labels.append(LABELS.index(row["label"]))
                keys.append(key)
    majority = torch.tensor(labels)
    targets = torch.nn.functional.one_hot(majority, len(LABELS)).float() * 0.9 + 0.1 / len(LABELS)
    return Faces(torch.from_numpy(np.stack(pixels)), targets, majority, _aus(measured, keys))


def _is_expression(row: dict[str, Any]) -> bool:
    order = (*LABELS, *OTHERS)
    return max(order, key=lambda name: row[f"votes_{name}"]) in LABELS


def _measured(texts: Path | None) -> dict[str, dict[str, float | None]]:
    """Action units by id, from an export of the engine."""
    if texts is None or not texts.is_file():
        return {}
    with texts.open(encoding="utf-8") as file:
        return {record["id"]: record["aus"] or {} for record in map(json.loads, file)}


def _aus(measured: dict[str, dict[str, float | None]], keys: list[str]) -> Tensor:
    table = np.full((len(keys), len(AU_NAMES)), np.nan, np.float32)
    for place, key in enumerate(keys):
        for unit, name in enumerate(AU_NAMES):
            value = measured.get(key, {}).get(name)
            if value is not None:
                table[place, unit] = value
    return torch.from_numpy(table)


MIRROR: Final = [AU_NAMES.index(AU_BY_NAME[name].mirror) for name in AU_NAMES]
"""Where each unit's mirror image stands."""
