"""What the face finder finds: groups of heads, pictures without a face, covered faces, single portraits.

    python benchmarks/faces.py                          # needs nothing but this repository
    python benchmarks/faces.py --data ../shared/data    # also photographs: turned, shrunk, covered, uncovered
    python benchmarks/faces.py --pictures FOLDER        # also photographs of animals, things and places

Prints each figure beside its bound and leaves with 1 where one is broken. Portraits are read from
``portraits_*.parquet``. Behind the figures in
`docs/experiments.md` and the comments of `expllm.faces.finder`.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from timing import ASTRONAUT, Line, load, side_by_side

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import covers
from crowds import HEADS, Crowd, Head, backgrounds_of, crowds, cut_out, drawn_face, faceless

import expllm.faces.finder
from expllm.core.vocabulary import AUVector
from expllm.faces.au_reader import BlendshapeReader
from expllm.faces.finder import FaceFinder
from expllm.faces.landmarks import Face
from expllm.faces.visibility import VISIBLE_PARTS, is_unseen
from expllm.files.images import Picture, open_image

Pixels = NDArray[np.uint8]
SHRUNK_TO = (64, 48, 40, 32, 24, 20, 16)  # pixels, longer side of the face
SIZES = (24, 28, 40, 64, 120, 301)
"""Bounds of the rows of the table of groups, longer side of the face in pixels."""

COVERED = 40
"""Faces with a cover of one kind, at least."""

DRAWN = 60
"""Drawn faces to make."""

PICTURES = (".jpg", ".jpeg", ".png")


class Folders(NamedTuple):
    """Where photographs lie that are not in the repository; None: left out."""

    data: Path | None
    first: int
    pictures: Path | None


def find(finder: FaceFinder, pixels: Pixels) -> list[Face]:
    return finder.find(open_image(np.ascontiguousarray(pixels)))


# --- groups ------------------------------------------------------------


def rendered_heads(finder: FaceFinder) -> list[Head]:
    """The heads of `examples/faces`, cut out. Where their faces are is measured at full size."""
    heads = []
    for path in sorted(HEADS.glob("render_*.jpg")):
        if not any(word in path.stem for word in ("pair", "small", "dark")):
            (face,) = find(finder, np.asarray(Image.open(path)))
            heads.append(cut_out(Image.open(path), face.box))
    return heads


def recognised(crowd: Crowd, faces: Sequence[Face]) -> tuple[list[bool], int]:
    """Which of the heads were found, each by a face of its own, and how many faces are none of them."""
    left = list(faces)
    found = []
    for box in crowd.boxes:
        match = next((face for face in left if _same(face.box, box)), None)
        found.append(match is not None)
        left = [face for face in left if face is not match]
    return found, len(left)


def _same(found: tuple[float, ...], true: tuple[float, ...]) -> bool:
    """Whether two boxes are of one face: the middle of the true one in the found one, of like size."""
    x, y = true[0] + true[2] / 2, true[1] + true[3] / 2
    inside = found[0] <= x <= found[0] + found[2] and found[1] <= y <= found[1] + found[3]
    return inside and 0.5 < max(found[2:]) / max(true[2:]) < 2


def groups(finder: FaceFinder, heads: Sequence[Head], count: int) -> Iterator[str | Line]:
    """Recall by size of face, and faces that are none."""
    sizes, hits, false = [], [], 0
    for crowd in crowds(heads, count):
        found, wrong = recognised(crowd, find(finder, crowd.pixels))
        sizes += [max(box[2:]) for box in crowd.boxes]
        hits += found
        false += wrong
    side, hit = np.array(sizes), np.array(hits)
    for low, high in pairwise(SIZES):
        among = (side >= low) & (side < high)
        yield f"faces of {low:3} to {high:3} pixels: {hit[among].sum():4} of {among.sum():4} found"
    small, large = (side >= 28) & (side < 40), side >= 40
    yield Line("recall, faces from 40 pixels", float(hit[large].mean()), at_least=0.95)
    yield Line("recall, faces of 28 to 40 pixels", float(hit[small].mean()), at_least=0.8)
    yield Line("faces that are none, a hundred groups", 100 * false / count)


def without_faces(finder: FaceFinder, count: int, folders: Folders) -> Iterator[str | Line]:
    """Faces found in pictures that have none, and drawn faces of which something is measured."""
    made = {f"made pictures ({count})": list(faceless(count))}
    if folders.data is not None:
        walls = list(backgrounds_of(photographs(finder, folders.data, folders.first)))
        made[f"walls behind people ({len(walls)})"] = walls
    if folders.pictures is not None:
        paths = sorted(path for path in folders.pictures.iterdir() if path.suffix in PICTURES)
        made[f"photographs of no people ({len(paths)})"] = [open_image(path).pixels for path in paths]
    false = 0
    for name, pictures in made.items():
        faces = [face for one in pictures for face in find(finder, one)]
        yield f"{name}: {len(faces)} faces, {sum(measured(face) for face in faces)} with something measured"
        false += len(faces)
    yield Line("false faces, a hundred pictures", 100 * false / sum(map(len, made.values())), at_most=1)
    drawn = [np.asarray(drawn_face(random.Random(f"drawn {seed}"))) for seed in range(DRAWN)]
    some = sum(any(measured(face) for face in find(finder, one)) for one in drawn)
    yield Line(f"drawn faces ({DRAWN}), something measured", some / DRAWN, at_most=0.05)


def measured(face: Face) -> bool:
    """Whether a face gets action units, and so perhaps a label."""
    return face.status == "ok" and not is_unseen(face.hidden)


def photographs(finder: FaceFinder, data: Path, count: int) -> Iterator[tuple[Pixels, Sequence[float]]]:
    """Portraits of one face, and its box."""
    for picture in portraits(data, count):
        faces = find(finder, picture)
        if len(faces) == 1:
            yield picture, faces[0].box


# --- covered faces ------------------------------------------------------------


def whole_faces(pictures: Sequence[Pixels], finder: FaceFinder) -> list[covers.Face]:
    """Pictures of one face that was measured."""
    found = [(picture, find(finder, picture)) for picture in pictures]
    return [
        covers.Face(picture, faces[0].landmarks)
        for picture, faces in found
        if len(faces) == 1 and faces[0].landmarks is not None
    ]


def withheld(finder: FaceFinder, face: covers.Face, kind: str, draws: random.Random) -> bool | None:
    """Whether nothing is measured of what a cover hides; None where it happens to hide no part."""
    pixels, over = covers.covered(face, kind, draws)
    height, width = over.shape
    x, y = (face.landmarks[:, i].astype(int).clip(0, top - 1) for i, top in ((0, width), (1, height)))
    hidden = {
        name for name, points in VISIBLE_PARTS.items() if over[y[list(points)], x[list(points)]].mean() > 0.6
    }
    if not hidden:
        return None
    return all(hidden <= one.hidden for one in find(finder, pixels) if one.status == "ok")


def covered_faces(finder: FaceFinder, sets: dict[str, list[covers.Face]]) -> Iterator[Line]:
    """For every kind of cover, the share of faces of which nothing hidden is measured."""
    for name, faces in sets.items():
        for kind in covers.KINDS:
            draws = random.Random(f"{name} {kind}")
            each = -(-COVERED // len(faces))
            found = [withheld(finder, face, kind, draws) for face in faces for _ in range(each)]
            known = [one for one in found if one is not None]
            bound = None if kind == "pixelated" else 0.9
            yield Line(f"{name}: {kind} ({len(known)}), noticed", sum(known) / len(known), at_least=bound)


def uncovered_faces(finder: FaceFinder, sets: dict[str, list[Pixels]]) -> Iterator[Line]:
    """The share of faces of which a part is called hidden, though nothing was put over them."""
    for name, pictures in sets.items():
        faces = [face for one in pictures for face in find(finder, one) if face.status == "ok"]
        share = sum(bool(face.hidden) for face in faces) / len(faces)
        yield Line(f"{name}: uncovered ({len(faces)}), called covered", share, at_most=0.02)


# --- single portraits ------------------------------------------------------------


def first_pass(finder: FaceFinder, pixels: Pixels) -> None:
    """What the finder did before it searched for small faces and looked at covers."""
    height, width = pixels.shape[:2]
    if max(height, width) < expllm.faces.finder.ENLARGED_SIDE:
        finder._look_again(pixels, upright=False)
        return
    faces = finder._landmarker.fit_blindly(pixels)
    scores = [one.score for one in finder._detector.detect(pixels)]
    if max(scores, default=0.0) < expllm.faces.finder.SURE:
        finder._look_again(pixels, upright=bool(faces))
    if faces and max(height, width) > 480 and faces[0].box[2] * faces[0].box[3] < 0.1 * height * width:
        for top in (0, height - 480):
            for left in (0, width - 480):
                tile = pixels[max(top, 0) : max(top, 0) + 480, max(left, 0) : max(left, 0) + 480]
                finder._detector.detect(np.ascontiguousarray(tile))


def speed(finder: FaceFinder, sets: dict[str, list[Pixels]]) -> Iterator[Line]:
    """Processor time of single portraits, beside that of the first pass alone."""
    for name, pictures in sets.items():

        def before(pictures: list[Pixels] = pictures) -> None:
            for one in pictures:
                first_pass(finder, one)

        opened = [open_image(np.ascontiguousarray(one)) for one in pictures]

        def now(opened: list[Picture] = opened) -> None:
            for one in opened:
                finder.find(one)

        clocks = side_by_side(7, before=before, now=now)
        ratio = clocks["now"].best_cpu / clocks["before"].best_cpu
        yield Line(f"{name}: processor time beside the first pass", ratio, at_most=1.15)


# --- photographs ------------------------------------------------------------


def portraits(data: Path, count: int, pattern: str = "portraits_*.parquet") -> list[Pixels]:
    """The first pictures of a set."""
    found: list[Pixels] = []
    for shard in sorted(data.glob(pattern)):
        for batch in pq.ParquetFile(shard).iter_batches(100, columns=["image"]):
            encoded = [one if isinstance(one, bytes) else one["bytes"] for one in batch["image"].to_pylist()]
            found += [open_image(one).pixels for one in encoded[: count - len(found)]]
            if len(found) >= count:
                return found
    raise SystemExit(f"no {count} pictures of {pattern} in {data}: give --data their folder")


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


def of_photographs(finder: FaceFinder, pictures: list[Pixels]) -> None:
    """Turned and shrunk portraits."""
    print(f"\n## Turned ({len(pictures)} portraits)", *turned(finder, pictures), sep="\n", flush=True)
    smallest = expllm.faces.finder.MIN_FACE_SIDE
    expllm.faces.finder.MIN_FACE_SIDE = 1.0  # type: ignore[misc]
    print(f"\n## Shrunk (100 portraits; {smallest:.0f} pixels is the limit, lifted here)", flush=True)
    for line in shrunk(finder, pictures[:100]):
        print(line, flush=True)
    expllm.faces.finder.MIN_FACE_SIDE = smallest  # type: ignore[misc]


def examples() -> dict[str, list[Pixels]]:
    """What comes with the repository."""
    rendered = [path for path in sorted(HEADS.glob("render_*.jpg")) if path.stem != "render_pair"]
    return {
        "bundled portrait": [np.asarray(Image.open(ASTRONAUT).convert("RGB"))],
        "renders": [np.asarray(Image.open(path).convert("RGB")) for path in rendered],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of photographs in Parquet; left out without")
    parser.add_argument("--pictures", type=Path, help="folder of photographs that show nobody")
    parser.add_argument("--count", type=int, default=200, help="photographs of each set to use")
    parser.add_argument("--groups", type=int, default=36, help="group pictures to make")
    parser.add_argument("--faceless", type=int, default=108, help="pictures without a face to make")
    options = parser.parse_args()
    folders = Folders(options.data, options.count, options.pictures)
    print(load())
    pictures = examples()
    if options.data is not None:
        pictures["portraits"] = portraits(options.data, options.count)
        pictures["FER+ valid"] = portraits(options.data, options.count, "ferplus_valid-*.parquet")
    lines: list[Line] = []
    with FaceFinder() as finder:
        heads = rendered_heads(finder)
        over = {name: whole_faces(some, finder) for name, some in pictures.items() if name != "FER+ valid"}
        for title, part in (
            (f"Groups ({options.groups} pictures)", groups(finder, heads, options.groups)),
            ("Without a face", without_faces(finder, options.faceless, folders)),
            ("Covered faces", covered_faces(finder, over)),
            ("Uncovered faces", uncovered_faces(finder, pictures)),
            ("Single portraits", speed(finder, {name: some[:40] for name, some in pictures.items()})),
        ):
            print(f"\n## {title}", flush=True)
            for line in part:
                print(line, flush=True)
                lines += [line] if isinstance(line, Line) else []
        if options.data is not None:
            of_photographs(finder, pictures["portraits"])
    sys.exit(any(line.missed for line in lines))


if __name__ == "__main__":
    main()
