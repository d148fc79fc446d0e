"""Measures how far readings of action units may be off, and writes the bands into the table of sources.

    python scripts/fit_au_bands.py --data ../shared/data --crops CROPS --cache CACHE

What is read of FER+ valid and of portraits of people whom the network did not learn from is compared with
what the published OpenFace models read on the same scale, where these can be trusted: 10 % and 90 % of the
differences, by the level of the reading. It follows `fit_au_reader.py`, whose table it completes.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from expression_data import PATTERNS, Array, Inputs, read_aus, read_columns
from flat_json import flat_json
from safetensors.numpy import load_file

from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES, AUSource
from expllm.data.people import people_part
from expllm.faces.pixel_reader import Ramp, UnitTable, load_units
from expllm.faces.unit_network import FACS

TABLE: Final = Path(__file__).parents[1] / "src" / "expllm" / "assets" / "au_units.json"
HELD_OUT: Final = ("valid", "portraits")
EDGES: Final = (0.0, 0.02, 0.05, 0.15, 0.3, 0.45, 0.6, 0.8, 1.01)
"""Readings between two edges share their differences."""
LEAST_FACES: Final = 40
"""Fewer in a share of the scale say nothing about its ends: such a share has no level of its own."""
ENDS: Final = (0.1, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--shards", type=int, help="shards of the portraits; all if left out")
    options = parser.parse_args()
    inputs = Inputs(options.data, options.crops, options.cache, shards=options.shards)
    teacher = np.concatenate([teacher_of(inputs, key) for key in HELD_OUT])
    read = {source: held_out(inputs, source) for source in AUSource}
    table, actions = load_units(), UnitTable().actions
    for name, action in actions.items():
        bands = {}
        if action.pixels is not None:
            truth = intensity(action.pixels, teacher)
            for source in sources_of(action.weights):
                band = band_of(level(read[source], name), truth)
                if band:
                    bands[source.value] = band
        table["actions"][name]["bands"] = bands
    table["card"]["bands"] = (
        "10 % and 90 % of the differences from OpenFace's models: FER+ valid, portraits of held-out people"
    )
    TABLE.write_text(flat_json(table), encoding="utf-8")
    print(f"{sum(bool(entry['bands']) for entry in table['actions'].values())} actions with bands")


def sources_of(weights: tuple[float, float]) -> list[AUSource]:
    """What a reading of an action may come from."""
    found = [AUSource.BLENDSHAPES]
    if weights[1]:
        found += [AUSource.PIXELS, AUSource.BOTH]
    return found


def teacher_of(inputs: Inputs, key: str) -> Array:
    """What the published models read, standardised, of each row; NaN where they cannot be trusted."""
    stem = PATTERNS[key].partition("-")[0]
    columns = read_columns(inputs.paths(key))
    count = len(next(iter(columns.values())))
    table = pq.read_table(inputs.data / f"au_readings_{stem}.parquet", filters=[("row", "<", count)])
    heads = load_file(inputs.net / "units.safetensors")
    units = np.stack([table[f"ens_AU{number:02}"].to_numpy() for number in FACS], axis=1).astype(float)
    units = (units - heads["scale.units.mean"]) / heads["scale.units.spread"]
    units[~table["frontal_clear"].to_numpy(zero_copy_only=False)] = np.nan
    every = np.full((count, len(FACS)), np.nan)
    every[table["row"].to_numpy()] = units
    if "identity" in columns:
        every[[people_part(identity) == "train" for identity in columns["identity"]]] = np.nan
    return every


def held_out(inputs: Inputs, source: AUSource) -> Array:
    """The units of every row of both sets, as `source` reads them: [N, 31]."""
    return np.concatenate([read_aus(inputs, key, source)[0] for key in HELD_OUT])


def intensity(ramp: Ramp, teacher: Array) -> Array:
    """The teacher's reading on the scale of the action, NaN where it cannot be trusted."""
    known = ~np.isnan(teacher).any(axis=1)
    found = np.full(len(teacher), np.nan)
    found[known] = ramp.intensity(teacher[known])
    return found


def level(aus: Array, action: str) -> Array:
    """The mean of an action's sides: [N]."""
    units = [AU_NAMES.index(au.name) for au in ACTION_UNITS if au.action == action]
    mean: Array = aus[:, units].mean(axis=1)
    return mean


def band_of(read: Array, truth: Array) -> dict[str, Any] | None:
    """Levels of the reading, and how far below and above the teacher reads there."""
    known = ~np.isnan(read) & ~np.isnan(truth)
    read, differences = read[known], (truth - read)[known]
    found: dict[str, list[float]] = {"levels": [], "low": [], "high": []}
    for low, high in pairwise(EDGES):
        here = (read >= low) & (read < high)
        if here.sum() >= LEAST_FACES:
            below, above = np.quantile(differences[here], ENDS)
            for name, value in (("levels", read[here].mean()), ("low", below), ("high", above)):
                found[name].append(round(float(value), 3))
    return found if found["levels"] else None


if __name__ == "__main__":
    main()
