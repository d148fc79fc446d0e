"""How true the hint `self` is before a word is written: the units that a model is told where nobody measured.

    python scripts/crop_portraits.py ../shared/data/portraits_train-*.parquet -o CROPS
    python scripts/measure_hints.py --data ../shared/data --crops CROPS --limit 300
    python scripts/measure_hints.py --data ../shared/data --crops CROPS --limit 900 --fit

Of each face the network reads units from the crop alone (`faces.crop_reader`). They are held against those
that are measured with MediaPipe's scores (`au_readings_*.parquet`), as blendshapes alone or as both sources:
how many of the units in the hint are there at all, and which part of what moves is told, by intensity.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
from PIL import Image
from tower_faces import Faces, ferplus, portraits

from expllm.core.conversations import hinted_units
from expllm.core.vocabulary import AU_BY_NAME, FEAFA_NAMES, AUSource, AUVector
from expllm.evals.metrics.bootstrap import Interval, mean_interval
from expllm.faces.au_reader import TRACE
from expllm.faces.crop_reader import LEAST, CropReader
from expllm.faces.pixel_reader import PixelReader, UnitReader
from expllm.faces.unit_network import CHANNELS, DEAD_CHANNELS, face_net

BATCH: Final = 50
LEVELS: Final = (TRACE, 0.07, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8)
STEP, FEW = 0.1, 8
TRUTHS: Final = (AUSource.BLENDSHAPES, AUSource.BOTH)
Pair = tuple[AUVector | None, dict[AUSource, AUVector]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--crops", type=Path, required=True, help="where the cut portraits are")
    parser.add_argument("--limit", type=int, default=300, help="faces of each set")
    parser.add_argument("--fit", action="store_true", help="print `crop_reader.LEAST` by FER+ train instead")
    options = parser.parse_args()
    if options.fit:
        show_least(list(read(ferplus(options.data, "train"), options.limit, {})))
        return
    sets = {
        "FER+ valid": ferplus(options.data, "valid"),
        "portraits valid": portraits(options.data, options.crops, "valid"),
    }
    print("| set | measured by | read | units told that are there | told of what moves, by intensity |")
    print("| --- " * 5 + "|")
    counts: Counter[tuple[str, str]] = Counter()
    for name, faces in sets.items():
        pairs = list(read(faces, options.limit))
        for truth in TRUTHS:
            known = [(told, measured[truth]) for told, measured in pairs if told is not None]
            held = mean_interval([share for one in known if (share := precision(*one)) is not None])
            told = mean_interval([share for one in known if (share := recall(*one)) is not None])
            print(f"| {name} | {truth} | {len(known)} of {len(pairs)} | {cell(held)} | {cell(told)} |")
        for reading, measured in pairs:
            if reading is not None:
                counts.update(by_action(reading, measured[AUSource.BOTH]))
    show_actions(counts)


def read(faces: Faces, limit: int, least: Mapping[str, float] = LEAST) -> Iterator[Pair]:
    """What the crop of each face reads, and what was measured by each source, of faces drawn at random."""
    measured = np.flatnonzero(~np.isnan(faces.channels[:, 0].numpy()))
    chosen = np.random.default_rng(0).permutation(measured)[:limit]
    reader, net, readers = (
        CropReader(least=least),
        face_net(),
        {source: UnitReader(source) for source in TRUTHS},
    )
    table, still = PixelReader().table, dict.fromkeys(DEAD_CHANNELS, 0.0)
    for begin in range(0, len(chosen), BATCH):
        rows = chosen[begin : begin + BATCH]
        crops = [Image.fromarray(faces.pixels[row].permute(1, 2, 0).squeeze(-1).numpy()) for row in rows]
        seen = net(crops)
        for row, units, clear, told in zip(rows, seen.units, seen.clear, reader.of(seen), strict=True):
            scores = still | dict(zip(CHANNELS, faces.channels[row].tolist(), strict=True))
            pixels = table.intensities(units.astype(float)) if clear >= table.least_clear else {}
            yield told, {source: one.of(scores, pixels) for source, one in readers.items()}


def precision(told: AUVector, measured: AUVector) -> float | None:
    """Share of the units in a hint that were measured above a trace; None for an empty hint."""
    names = hinted_units(told, "feafa")
    return sum((measured[name] or 0) > TRACE for name in names) / len(names) if names else None


def recall(told: AUVector, measured: AUVector) -> float | None:
    """Share of what moves that a hint tells, by intensity; None where nothing moves."""
    active = {name: value for name, value in measured.active(TRACE).items() if name in FEAFA_NAMES}
    names = hinted_units(told, "feafa")
    return sum(active[name] for name in active if name in names) / sum(active.values()) if active else None


def by_action(told: AUVector, measured: AUVector) -> Iterator[tuple[str, str]]:
    """Each unit that is told or moves, as its action and what became of it."""
    names = hinted_units(told, "feafa")
    for name in FEAFA_NAMES:
        moves = (measured[name] or 0) > TRACE
        if name in names or moves:
            kind = "missed" if name not in names else "there" if moves else "not there"
            yield AU_BY_NAME[name].action, kind


def show_actions(counts: Counter[tuple[str, str]]) -> None:
    """Where hints are wrong: units told that are there, that are not, and units that were not told."""
    print("\n| action | told, there | told, not there | missed |\n| --- | --- | --- | --- |")
    for action in sorted({action for action, _ in counts}):
        row = (str(counts[action, kind]) for kind in ("there", "not there", "missed"))
        print(f"| {action} | {' | '.join(row)} |")


def show_least(pairs: list[Pair]) -> None:
    """From which reading on an action is measured as a movement more often than not."""
    for action in dict.fromkeys(AU_BY_NAME[name].action for name in FEAFA_NAMES):
        names = [name for name in FEAFA_NAMES if AU_BY_NAME[name].action == action]
        rows = [
            (told[name] or 0.0, (measured[AUSource.BOTH][name] or 0.0) > TRACE)
            for told, measured in pairs for name in names if told is not None
        ]  # fmt: skip
        least = next((one for one in LEVELS if sure(rows, one)), 1.0)
        if least > TRACE:
            print(f"{action}: {least}")


def sure(rows: list[tuple[float, bool]], least: float) -> bool:
    """Whether at least half of the readings just above this one move; a few say nothing against it."""
    above = [moves for value, moves in rows if least < value <= least + STEP]
    return len(above) < FEW or sum(above) >= len(above) / 2


def cell(found: Interval | None) -> str:
    """`88.0 % (86.1 to 89.9)`."""
    if found is None:
        return "-"
    middle, low, high = (100 * one for one in (found.estimate, found.low, found.high))
    return f"{middle:.1f} % ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
