"""Cuts the faces out of the portraits, once, for `train_tower.py`: as `faces.boxes` does.

    python scripts/crop_portraits.py ../shared/data/portraits_train-*.parquet -o crops

Each shard keeps its name, rows and columns; a picture without a face becomes null. Shards that are there
already are left as they are.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from expllm.core.errors import ImageError
from expllm.faces.boxes import boxed, crop
from expllm.faces.finder import FaceFinder
from expllm.files.images import open_image
from expllm.files.progress import Progress

SIDE = 112
QUALITY = 92


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("shards", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    tables = {
        shard: pq.read_table(shard) for shard in options.shards if not (options.output / shard.name).exists()
    }
    count = sum(table.num_rows for table in tables.values())
    with FaceFinder() as finder, Progress(count, doing="cutting out", things="faces") as progress:
        for shard, table in tables.items():
            rows = table.to_pylist()
            for row in rows:
                row["image"] = _cut_out(row["image"], finder)
                progress.step(0)
            whole = options.output / shard.name
            pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), whole.with_suffix(".new"))
            whole.with_suffix(".new").replace(whole)


def _cut_out(data: bytes, finder: FaceFinder) -> bytes | None:
    try:
        box = boxed(data, finder)
    except ImageError:
        return None
    if box is None:
        return None
    face = Image.fromarray(crop(open_image(data, analysis_side=None), box))
    file = io.BytesIO()
    face.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


if __name__ == "__main__":
    main()
