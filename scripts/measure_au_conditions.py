"""How units from pixels bear head turn, size, blur, compression and covers, and what the gate rejects.

    python scripts/measure_au_conditions.py --data ../shared/data --crops CROPS --cache CACHE

Head turn: what the network reads of FER+ valid and of portraits of held-out people against what the published
models read there. The rest: portraits that the network reads are made smaller, blurred, compressed or
covered, and read again; the figures are the share that is still read, and how far the units move where it is.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import pyarrow.parquet as pq
from expression_data import PATTERNS, Array, Inputs
from fit_au_bands import HELD_OUT, teacher_of
from PIL import Image, ImageDraw, ImageFilter
from tower_net import trained
from unit_readings import read_shards, units_and_clear

from expllm.data.people import people_part
from expllm.faces.pixel_reader import MOST_TURNED, PixelReader, UnitTable
from expllm.faces.unit_network import CROP_SIDE

TURNS: Final = (0, 5, 10, 15, 20, 25, 30, 45, 90)
Change = Callable[[Image.Image], Image.Image]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--shards", type=int, help="shards of the portraits; all if left out")
    parser.add_argument("--json", type=Path, help="also write the figures here (docs/au_conditions.json)")
    parser.add_argument("--faces", type=int, default=200, help="portraits that are changed")
    options = parser.parse_args()
    inputs = Inputs(options.data, options.crops, options.cache, shards=options.shards)
    tables = {"turned": turned(inputs), "changed": changed(inputs, options.faces)}
    for rows in tables.values():
        print("\n".join(f"| {' | '.join(map(str, row))} |" for row in rows))
    if options.json:
        options.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


Table = list[list[str | int | float]]
"""Rows of cells, the headings first."""


def turned(inputs: Inputs) -> Table:
    """By degrees of head turn, how many faces are read and how far from the published models."""
    read, poses, teacher = [], [], []
    for key in HELD_OUT:
        stem = PATTERNS[key].partition("-")[0]
        folder = inputs.crops if key == "portraits" else inputs.data
        units = read_shards(inputs.paths(key, folder), inputs.net, inputs.cache)
        filters = [("row", "<", len(units))]
        found = pq.read_table(inputs.data / f"au_readings_{stem}.parquet", filters=filters)
        rows = found["row"].to_numpy()
        read.append(units[rows])
        poses.append(np.abs(np.stack([found[name].to_numpy() for name in ("yaw", "pitch")])).max(axis=0))
        teacher.append(teacher_of(inputs, key)[rows])
    units, far, truth = np.concatenate(read), np.concatenate(poses), np.concatenate(teacher)
    table = UnitTable()
    clear = units[:, -1] >= table.least_clear
    shown: Table = [["turned by, degrees", "faces", "read from pixels, %", "compared", "r", "error"]]
    for low, high in pairwise(TURNS):
        here = (far >= low) & (far < high) & ~np.isnan(units[:, 0])
        seen = clear & here & (far <= MOST_TURNED)
        known = seen & ~np.isnan(truth).any(axis=1)
        agreement = _agreement(table, units[known, :-1].astype(float), truth[known])
        share = round(100 * seen.sum() / max(int(here.sum()), 1))
        shown.append([f"{low}-{high}", int(here.sum()), share, int(known.sum()), *agreement])
    return shown


def _agreement(table: UnitTable, units: Array, truth: Array) -> list[str | float]:
    """Means over the actions that pixels measure."""
    if len(units) < 30:
        return ["-", "-"]
    rs, errors = [], []
    for action in table.actions.values():
        if action.pixels is not None and action.weights[1] > 0:
            rs.append(np.corrcoef(action.pixels.value(units), action.pixels.value(truth))[0, 1])
            differences = action.pixels.intensity(units) - action.pixels.intensity(truth)
            errors.append(np.sqrt(np.mean(differences**2)))
    return [round(float(np.mean(rs)), 2), round(float(np.mean(errors)), 3)]


def changed(inputs: Inputs, count: int) -> Table:
    """What becomes of readings when pictures get worse."""
    net, reader = trained(inputs.net), PixelReader()
    pictures = list(_portraits(inputs, count))
    plain = units_and_clear(net, _stack(pictures))
    read = plain[:, -1] >= reader.table.least_clear
    before = [reader.table.intensities(row[:-1].astype(float)) for row in plain]
    shown: Table = [[f"{read.sum()} portraits", "still read, %", "mean difference", "largest", "of unit"]]
    for title, change in CHANGES.items():
        seen = units_and_clear(net, _stack([change(one) for one in pictures]))
        both = np.flatnonzero(read & (seen[:, -1] >= reader.table.least_clear))
        share = round(100 * len(both) / max(int(read.sum()), 1))
        after = {row: reader.table.intensities(seen[row, :-1].astype(float)) for row in both}
        moved = {
            name: float(np.mean([abs(after[row][name] - before[row][name]) for row in both]))
            for name in before[0]
            if len(both)
        }
        worst = max(moved, key=lambda name: moved[name], default="-")
        figures = [round(np.mean([*moved.values()]), 3), round(moved[worst], 2)] if moved else ["-", "-"]
        shown.append([title, share, *figures, worst])
    return shown


def _portraits(inputs: Inputs, count: int) -> Iterator[Image.Image]:
    """The first portraits of people whom the network did not learn from, as they were cut out."""
    for shard in inputs.paths("portraits", inputs.crops):
        for row in pq.read_table(shard, columns=["image", "identity"]).to_pylist():
            if row["image"] is not None and people_part(row["identity"]) == "valid":
                encoded = row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"]
                yield Image.open(io.BytesIO(encoded)).convert("RGB")
                count -= 1
                if not count:
                    return


def _stack(pictures: list[Image.Image]) -> Any:
    small = [one.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC) for one in pictures]
    return np.stack([np.asarray(one, np.float32) / 127.5 - 1 for one in small])


def _small(side: int) -> Change:
    return lambda one: one.resize((side, side), Image.Resampling.LANCZOS).resize(
        one.size, Image.Resampling.BICUBIC
    )


def _blurred(part: float) -> Change:
    return lambda one: one.filter(ImageFilter.GaussianBlur(part * one.width))


def _compressed(quality: int) -> Change:
    def change(one: Image.Image) -> Image.Image:
        file = io.BytesIO()
        one.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return change


def _covered(left: float, top: float, right: float, bottom: float) -> Change:
    """An oval of the skin's own colour, as a hand would be."""

    def change(one: Image.Image) -> Image.Image:
        drawn, side = one.copy(), one.width
        skin = one.resize((1, 1), Image.Resampling.BOX, box=(0.3 * side, 0.45 * side, 0.7 * side, 0.6 * side))
        shape = tuple(round(part * side) for part in (left, top, right, bottom))
        ImageDraw.Draw(drawn).ellipse(shape, fill=skin.getpixel((0, 0)))
        return drawn

    return change


def _dark(share: float) -> Change:
    return lambda one: one.point(lambda value: round(share * value))


CHANGES: Final[dict[str, Change]] = {
    "as it is": lambda one: one,
    "48 pixels": _small(48), "32 pixels": _small(32), "24 pixels": _small(24), "16 pixels": _small(16),
    "blur of 1 % of the side": _blurred(0.01), "blur of 2 %": _blurred(0.02), "blur of 4 %": _blurred(0.04),
    "JPEG, quality 30": _compressed(30), "JPEG, quality 10": _compressed(10),
    "a third of the light": _dark(0.33),
    "skin-coloured cover over the mouth": _covered(0.25, 0.6, 0.75, 1.0),
    "skin-coloured cover over one eye": _covered(0.1, 0.2, 0.5, 0.5),
    "skin-coloured cover over half of the face": _covered(-0.1, 0.0, 0.5, 1.0),
}  # fmt: skip


if __name__ == "__main__":
    main()
