"""Rewrites the network that reads action units in 8 bits, if it reads as before.

    python scripts/quantize_units.py --data ../shared/data

FOLDER (that which ships, unless told) is read before and after on faces of FER+ valid. Every unit, every
channel of MediaPipe that moves on them and the doubt have to agree at r >= 0.999, or nothing is written and
the end is 1. `fit_au_reader.py` writes 8 bits by itself.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq
from fit_au_reader import ASSETS, ship
from numpy.typing import NDArray
from PIL import Image

from expllm.faces.unit_network import CHANNELS, FACS, Seen, read_net

LEAST_R: Final = 0.999
BATCH: Final = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=ASSETS / "seeing")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("-n", "--dry-run", action="store_true", help="compare, and write nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder)
        ship(options.folder, packed)
        before, after = (seen(one, options.data, options.faces) for one in (options.folder, packed))
        agreed = agreement(before, after)
        worst = min(agreed, key=lambda name: agreed[name])
        moved = np.abs(before - after).max(axis=0)[: len(FACS)].max()
        print(
            f"{len(before)} faces of FER+ valid: least r {agreed[worst]:.5f} ({worst}) of {len(agreed)}, "
            f"mean {np.mean([*agreed.values()]):.5f}; no unit moves by more than {moved:.3f} of its deviation"
        )
        if agreed[worst] < LEAST_R:
            raise SystemExit(f"r below {LEAST_R}: nothing was written")
        if not options.dry_run:
            ship(packed, options.folder)
            sizes = (path.stat().st_size for path in options.folder.glob("*.safetensors"))
            print(f"{options.folder}: {sum(sizes) / 1e6:.1f} MB")


def seen(folder: Path, data: Path, count: int) -> NDArray[np.float32]:
    """What a network reads of the first faces: [N, 17 + 45 + 1]."""
    net, faces, rows = read_net(folder), islice(pictures(data), count), []
    while batch := list(islice(faces, BATCH)):
        rows.append(_together(net(batch)))
    return np.concatenate(rows)


def pictures(data: Path) -> Iterator[Image.Image]:
    """The pictures of FER+ valid: each is a face."""
    for shard in sorted(data.glob("ferplus_valid-*.parquet")):
        for image in pq.read_table(shard, columns=["image"])["image"].to_pylist():
            encoded = image["bytes"] if isinstance(image, dict) else image
            if encoded is not None:
                yield Image.open(io.BytesIO(encoded))


def _together(found: Seen) -> NDArray[np.float32]:
    return np.concatenate([found.units, found.channels, found.clear[:, None]], axis=1)


def agreement(before: NDArray[np.float32], after: NDArray[np.float32]) -> dict[str, float]:
    """The correlation of each reading that is not the same for all faces."""
    names = [*(f"AU {number}" for number in FACS), *CHANNELS, "clear"]
    return {
        name: float(np.corrcoef(before[:, at], after[:, at])[0, 1])
        for at, name in enumerate(names)
        if before[:, at].std() > 0
    }


if __name__ == "__main__":
    main()
