"""What the tower reads of FER+ and of the portraits, kept beside it.

For `fit_au_reader.py` and `measure_aus.py`. Both mirror images are read. Each row carries what it is compared
with: the teacher's readings, MediaPipe's channels, the votes and the label.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from tower_faces import Faces, ferplus, portraits
from tower_net import Seeing, trained
from tower_views import plain

from expllm.faces.quantized_weights import read_weights
from expllm.files.progress import Progress

Array = NDArray[np.floating[Any]]
PARTS: Final = ("ferplus:train", "ferplus:valid", "portraits:train", "portraits:valid", "ferplus:test")
MOST: Final = 6000
"""Faces of a training part that are read: the calibration needs no more."""


@dataclass(frozen=True)
class Read:
    """A part as it was read.

    Attributes:
        straight, flipped: [N, 17] units of each mirror image, standardised.
        clear: [N] probability that the teacher can be trusted.
        teacher: [N, 17] its readings, standardised alike, NaN where it cannot.
        channels: [N, 45] of MediaPipe, NaN where no face was found.
        trusted: [N] 1 or 0 or NaN, what `clear` is to say.
        logits: [N, 8] of the labels, the mean of both looks.
        votes: [N, 8] shares.
        label: [N] index among FER+'s labels.
        row: [N] number of the row over all shards.
    """

    straight: Array
    flipped: Array
    clear: Array
    teacher: Array
    channels: Array
    trusted: Array
    logits: Array
    votes: Array
    label: Array
    row: Array

    @property
    def units(self) -> Array:
        """[N, 17] the mean of both mirror images."""
        return (self.straight + self.flipped) / 2

    def at(self, rows: NDArray[np.bool_]) -> Self:
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))


def read(part: str, tower: Path, data: Path, crops: Path) -> Read:
    """A part as the tower reads it, from the file beside it if it was read before."""
    path = tower / f"read-{part.replace(':', '-')}.npz"
    if not path.exists():
        heads = read_weights(tower / "units.safetensors")
        found = _read(trained(tower), _faces(part, data, crops), part, heads)
        np.savez(path, **{field.name: getattr(found, field.name) for field in fields(found)})
    with np.load(path) as stored:
        return Read(*(stored[field.name] for field in fields(Read)))


def _faces(part: str, data: Path, crops: Path) -> Faces:
    name, _, split = part.partition(":")
    if name == "rated":
        return _rated(split, data, crops)
    faces = ferplus(data, split) if name == "ferplus" else portraits(data, crops, split)
    if split == "train" and len(faces) > MOST:
        faces = faces.at(
            torch.randperm(len(faces), generator=torch.Generator().manual_seed(0))[:MOST].sort()[0]
        )
    return faces


def _rated(name: str, data: Path, crops: Path) -> Faces:
    """The training faces of a set that were rated blind."""
    with (data / "blind_ratings.csv").open(encoding="utf-8") as file:
        rows = {int(row["row"]) for row in csv.DictReader(file) if row["set"] == f"{name}_train"}
    wanted = torch.tensor(sorted(rows))
    if name == "ferplus":
        faces = ferplus(data, "train")
        return faces.at(torch.isin(faces.rows, wanted))
    parts = [portraits(data, crops, part) for part in ("train", "valid")]
    both = [torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Faces)]
    return Faces(*both).at(torch.isin(torch.cat([part.rows for part in parts]), wanted))


@torch.no_grad()
def _read(net: Seeing, faces: Faces, part: str, heads: dict[str, NDArray[np.float32]]) -> Read:
    found: dict[str, list[NDArray[np.float32]]] = {"straight": [], "flipped": [], "clear": [], "logits": []}
    with Progress(len(faces), doing="reading", things=f"faces of {part}") as progress:
        for begin in range(0, len(faces), 64):
            pictures = plain(faces.pixels[begin : begin + 64], net.tower.config.image_size)
            with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_amx_tile_supported()):
                one, two = (
                    net(look.contiguous(memory_format=torch.channels_last))
                    for look in (pictures, pictures.flip(3))
                )
            found["straight"].append(one.units.float().numpy())
            found["flipped"].append(two.units.float().numpy())
            found["clear"].append(((one.clear + two.clear) / 2).float().sigmoid().numpy())
            found["logits"].append(((one.logits + two.logits) / 2).float().numpy())
            for _ in range(len(pictures)):
                progress.step(0)
    said = {name: np.concatenate(parts) for name, parts in found.items()}
    teacher = (faces.units.numpy() - heads["scale.units.mean"]) / heads["scale.units.spread"]
    return Read(
        said["straight"], said["flipped"], said["clear"], teacher, faces.channels.numpy(),
        faces.clear.numpy(), said["logits"], faces.targets.numpy(), faces.majority.numpy(),
        faces.rows.numpy(),
    )  # fmt: skip
