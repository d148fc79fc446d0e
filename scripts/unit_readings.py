"""What the network of the pixels reads of every face of FER+ and of the portraits, in minutes.

PyTorch reads faces in batches, in 16 bits where the processor multiplies those: rounding changes a unit by
about a hundredth of its spread. FER+ pictures are faces already and are taken whole, as the reader takes
them; portraits are cut out before (`crop_portraits.py`). What was read is kept under the network's hash.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from expllm.faces.unit_network import CROP_SIDE
from expllm.files.progress import Progress

if TYPE_CHECKING:
    from tower_net import Seeing

Array = NDArray[np.float32]
ASSET: Final = Path(__file__).parents[1] / "src" / "expllm" / "assets" / "seeing"
BATCH: Final = 64


def hash_of(folder: Path) -> str:
    """Short SHA-256 of both files."""
    digest = hashlib.sha256()
    for name in ("tower", "units"):
        digest.update((folder / f"{name}.safetensors").read_bytes())
    return digest.hexdigest()[:16]


def read_shards(shards: list[Path], folder: Path, cache: Path | None) -> Array:
    """The 17 units and the clearness of each row: [N, 18], NaN of a row without a picture.

    Args:
        shards: Parquet files with a column `image`.
        folder: The network's.
        cache: Where what was read of each shard is kept.
    """
    net: Seeing | None = None
    read = []
    for shard in shards:
        kept = cache and cache / f"{shard.stem}-{hash_of(folder)}.npy"
        if kept and kept.exists():
            read.append(np.load(kept))
            continue
        if net is None:
            from tower_net import trained  # PyTorch: not before something has to be read

            net = trained(folder)
        read.append(_read(shard, net))
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.save(kept, read[-1])
    return np.concatenate(read)


def _read(shard: Path, net: Seeing) -> Array:
    images = pq.read_table(shard, columns=["image"])["image"].to_pylist()
    read = np.full((len(images), 18), np.nan, np.float32)
    rows = [row for row, image in enumerate(images) if image is not None]
    with Progress(len(rows), doing="reading", things=f"faces of {shard.stem}") as progress:
        for begin in range(0, len(rows), BATCH):
            batch = rows[begin : begin + BATCH]
            read[batch] = units_and_clear(net, np.stack([_pixels(images[row]) for row in batch]))
            for _ in batch:
                progress.step(0)
    return read


def units_and_clear(net: Seeing, pixels: Array) -> Array:
    """The mean over each picture and its mirror image: [N, 96, 96, 3] of -1 to 1 -> [N, 18].

    16 bits are faster with AMX alone.
    """
    import torch

    straight = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    looks = torch.cat([straight, straight.flip(3)]).contiguous(memory_format=torch.channels_last)
    halves = torch.cpu._is_amx_tile_supported()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=halves):
        seen = net(looks)
    out = torch.cat([seen.units, seen.clear[:, None]], 1).float().reshape(2, len(pixels), -1).mean(0)
    out[:, -1] = out[:, -1].sigmoid()
    read: Array = out.numpy()
    return read


def _pixels(image: bytes | dict[str, Any] | None) -> Array:
    """As `faces.unit_network` takes a picture."""
    encoded = image["bytes"] if isinstance(image, dict) else image
    assert encoded is not None
    picture = (
        Image.open(io.BytesIO(encoded))
        .convert("RGB")
        .resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC)
    )
    return np.asarray(picture, np.float32) / 127.5 - 1
