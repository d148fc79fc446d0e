"""Write the action units of typical faces, which stand for what cannot be seen of a partly hidden one.

    python scripts/sample_typical_faces.py --data ../shared/data

128 faces of FER+ train and 128 of the portraits, drawn at random: about the mixture that the classifier on
action units was fitted on. Only readings are kept, with two decimals, no picture and no name.
"""

import argparse
import json
import random
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from expllm.faces.au_classifier import TYPICAL
from expllm.faces.au_reader import BlendshapeReader
from expllm.faces.finder import FaceFinder
from expllm.files.images import open_image

ASSETS = Path(__file__).parent.parent / "src" / "expllm" / "assets"
SETS = {"FER+ train": "ferplus_train-*.parquet", "portraits": "portraits_train-*.parquet"}
EACH = 128


def pictures(data: Path, pattern: str) -> list[bytes]:
    """All encoded pictures of a set, in a random order."""
    found = [
        one
        for path in sorted(data.glob(pattern))
        for one in pq.read_table(path, columns=["image"])["image"].to_pylist()
    ]
    if not found:
        raise SystemExit(f"no {pattern} in {data}: give --data its folder")
    random.Random(0).shuffle(found)
    return [one if isinstance(one, bytes) else one["bytes"] for one in found]


def readings(data: Path, pattern: str, units: tuple[str, ...]) -> list[list[float]]:
    """The units of the first faces that can be seen whole."""
    reader, rows = BlendshapeReader(), []
    with FaceFinder() as finder:
        for picture in pictures(data, pattern):
            faces = finder.find(open_image(picture))
            aus = reader.read(faces[0]) if len(faces) == 1 and not faces[0].hidden else None
            if aus is not None:
                rows.append([round(aus[name] or 0.0, 2) for name in units])
            if len(rows) == EACH:
                return rows
    raise SystemExit(f"fewer than {EACH} faces in {pattern}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    units = BlendshapeReader().measured
    faces = [row for pattern in SETS.values() for row in readings(data, pattern, units)]
    card = {"date": date.today().isoformat(), "sets": list(SETS), "faces of each": EACH}
    lines = ",\n".join(json.dumps(row) for row in faces)
    head = json.dumps({"card": card, "units": units})[:-1]
    (ASSETS / TYPICAL).write_text(f'{head}, "faces": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
