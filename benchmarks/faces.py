"""What the face finder finds: shrunk faces, pictures on their side or head, many faces in one picture.

    python benchmarks/faces.py --data ../shared/data

Portraits are read from ``portraits_*.parquet``. Behind the figures in `docs/experiments.md` and in the
comments of `expllm.facefinder`.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

import expllm.facefinder
from expllm.aureaders import BlendshapeReader
from expllm.facefinder import FaceFinder
from expllm.faces import AUVector
from expllm.images import open_image
from expllm.landmarks import Face

Pixels = NDArray[np.uint8]
SHRUNK_TO = (64, 48, 40, 32, 24, 20, 16)  # pixels, longer side of the face
COLLAGE_SIDES = (260, 180, 120, 80, 60, 50)


def portraits(data: Path, count: int) -> list[Pixels]:
    """The first portraits of the set."""
    found: list[Pixels] = []
    for shard in sorted(data.glob("portraits_*.parquet")):
        for batch in pq.ParquetFile(shard).iter_batches(100, columns=["image"]):
            found += [open_image(encoded).pixels for encoded in batch["image"].to_pylist()]
            if len(found) >= count:
                return found[:count]
    raise SystemExit(f"no {count} portraits in {data}: give --data the folder of portraits_*.parquet")


def find(finder: FaceFinder, pixels: Pixels) -> list[Face]:
    return finder.find(open_image(np.ascontiguousarray(pixels)))


def shrunk(finder: FaceFinder, pictures: list[Pixels]) -> Iterator[str]:
    """How well readings of shrunk faces follow those of the original."""
    reader = BlendshapeReader()
    originals = [next(iter(find(finder, picture)), None) for picture in pictures]
    for side in SHRUNK_TO:
        pairs = []
        for picture, face in zip(pictures, originals, strict=True):
            if face is None:
                continue
            small = next(iter(find(finder, resized(picture, side / max(face.box[2:])))), None)
            before, after = reader.read(face), None if small is None else reader.read(small)
            if before is not None and after is not None:
                pairs.append((before, after))
        pull, brow = (correlation(pairs, name) for name in ("left lip corner pull", "left brow lower"))
        yield f"{side} pixels: {len(pairs)} measured, r: lip corner pull {pull:.2f}, brow lower {brow:.2f}"


def resized(picture: Pixels, scale: float) -> Pixels:
    height, width = picture.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def correlation(pairs: list[tuple[AUVector, AUVector]], name: str) -> float:
    return float(np.corrcoef([(before[name], after[name]) for before, after in pairs], rowvar=False)[0, 1])


def turned(finder: FaceFinder, pictures: list[Pixels]) -> Iterator[str]:
    """What becomes of portraits as they are, on their side, and on their head."""
    for turns, upright in ((0, 0), (1, 90), (2, 180)):
        kinds = Counter(kind(find(finder, np.rot90(picture, turns)), upright) for picture in pictures)
        counts = ", ".join(f"{count} {name}" for name, count in kinds.most_common())
        yield f"turned by {upright:3} degrees: {counts}"


def kind(faces: list[Face], expected: int) -> str:
    if not faces:
        return "without a face"
    pose = faces[0].pose
    if pose is None:
        return "without landmarks"
    off = abs(abs(pose[2]) - expected)
    return (
        "read as they lie" if off <= 45 else f"read {'upright' if abs(pose[2]) < 45 else 'otherwise turned'}"
    )


def collage(finder: FaceFinder, pictures: list[Pixels]) -> str:
    """Twelve faces of six sizes in one picture of 1600 x 900."""
    canvas = np.full((900, 1600, 3), (60, 80, 60), np.uint8)
    for number, picture in enumerate(pictures[:12]):
        side = COLLAGE_SIDES[number % 6]
        left, top = 20 + number % 6 * 260, 30 + number // 6 * 420
        canvas[top : top + side, left : left + side] = np.asarray(
            Image.fromarray(picture).resize((side, side))
        )
    one_pass = len(finder._landmarker.fit(open_image(canvas).pixels))
    faces = [face for face in find(finder, canvas) if face.status == "ok"]
    smallest = min(max(face.box[2:]) for face in faces)
    return f"collage of 12: one pass finds {one_pass}, the finder {len(faces)}, down to {smallest:.0f} pixels"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=200, help="portraits to use")
    options = parser.parse_args()
    pictures = portraits(options.data, options.count)
    smallest = expllm.facefinder.MIN_FACE_SIDE
    with FaceFinder(max_faces=20) as finder:
        print(f"## Turned ({len(pictures)} portraits)", *turned(finder, pictures), sep="\n", flush=True)
        print("\n## Many faces", collage(finder, pictures), sep="\n", flush=True)
        expllm.facefinder.MIN_FACE_SIDE = 1.0  # type: ignore[misc]
        print(f"\n## Shrunk (100 portraits; {smallest:.0f} pixels is the limit, lifted here)", flush=True)
        for line in shrunk(finder, pictures[:100]):
            print(line, flush=True)
        expllm.facefinder.MIN_FACE_SIDE = smallest  # type: ignore[misc]


if __name__ == "__main__":
    main()
