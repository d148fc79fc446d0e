"""Tracks become people: without identities, by where a face was, how it moved, and the shape of its bones.

A face that was lost for up to two seconds is the same person if that is clear; if not, a new person begins.
Nobody is recognised: after a cut, or a longer absence, everybody is new.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expllm.video.faceshape import FaceShape, difference
from expllm.video.follower import REMEMBERED
from expllm.video.stretch_store import Stretch, StretchFace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from expllm.core.records import Rect

_LIKELY: Final = 9.0
"""Costs up to which a track may go on with a person: three standard deviations in all."""

_MARGIN: Final = 4.0
"""How much dearer the next person must be for the choice to be clear."""

SHAPE_ERROR, SHORT_SHAPE_ERROR = 0.03, 0.045
"""How much a face's shape differs from itself (standard deviation), and in tracks under five frames."""

SHORTEST: Final = 0.2
"""Seconds that somebody must be seen in all to be called a person."""


@dataclass(frozen=True, eq=False)
class _Track:
    """A track, as far as it matters for who it is."""

    piece: StretchFace
    rows: int
    frames: int
    start: float
    end: float
    first: "Rect"
    last: "Rect"
    leaving: tuple[float, float]  # pixels a second, when last seen
    coming: tuple[float, float]
    shape: FaceShape


@dataclass(frozen=True)
class Person:
    """Somebody in a video.

    Attributes:
        name: `P1`, `P2`, ... in the order of their appearance, or as the user names them.
        frames: How many frames show a measured face of theirs.
        start, end: First and last time, in seconds.
        box: Median box in pixels: x, y, width, height.
    """

    name: str
    frames: int
    start: float
    end: float
    box: tuple[float, float, float, float]


class Joiner:
    """Takes stretch after stretch and finds out which tracks are one person."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._cuts: list[float] = []

    def add(self, stretch: Stretch) -> None:
        """Takes the tracks of the next stretch, which must still have its shapes."""
        assert stretch.shapes is not None
        self._cuts += stretch.time[stretch.cut].tolist()
        for number, shape in enumerate(stretch.shapes):
            rows = (stretch.track == number).nonzero()[0]
            if len(rows) or "seen" in stretch.notes:
                self._tracks.append(_summary(stretch, number, rows, FaceShape(shape)))

    def people(self) -> dict[StretchFace, int]:
        """Number of the person of each track, in the order of appearance; short sights have none."""
        chains: list[list[_Track]] = []
        for track in sorted(self._tracks, key=lambda one: (one.start, one.piece)):
            chain = self._chain_of(track, chains)
            if chain is None:
                chains.append([track])
            else:
                chain.append(track)
        known = [chain for chain in chains if _is_person(chain)]
        return {track.piece: number for number, chain in enumerate(known) for track in chain}

    def _chain_of(self, track: _Track, chains: Sequence[list[_Track]]) -> list[_Track] | None:
        """The tracks that it clearly goes on with."""
        costs = sorted(
            (cost, i)
            for i, chain in enumerate(chains)
            if (cost := self._cost(chain, track)) is not None and cost < _LIKELY + _MARGIN
        )
        if not costs or costs[0][0] > _LIKELY:
            return None
        if len(costs) > 1 and costs[1][0] - costs[0][0] < _MARGIN:
            return None
        return chains[costs[0][1]]

    def _cost(self, chain: list[_Track], track: _Track) -> float | None:
        """How unlikely it is that a track goes on with these; None where it cannot."""
        before = chain[-1]
        gap = track.start - before.end
        if not 0 < gap <= REMEMBERED or any(before.end < cut <= track.start for cut in self._cuts):
            return None
        longest = max(chain, key=lambda one: one.frames)
        short = min(longest.frames, track.frames) < 5
        error = SHORT_SHAPE_ERROR if short else SHAPE_ERROR
        return _distance(before, track, gap) ** 2 + (difference(longest.shape, track.shape) / error) ** 2


def _distance(before: _Track, after: _Track, gap: float) -> float:
    """How far a face is from where it was going, in standard deviations."""
    size = max(*before.last[2:], *after.first[2:])
    speed = [(a + b) / 2 for a, b in zip(before.leaving, after.coming, strict=True)]
    expected = [c + v * gap for c, v in zip(_middle(before.last), speed, strict=True)]
    off = sum((a - b) ** 2 for a, b in zip(expected, _middle(after.first), strict=True)) ** 0.5
    wandering = sum(v * v for v in speed) ** 0.5 * gap
    return float(off / (0.25 * size + 0.3 * wandering + 0.4 * size * gap))


def _middle(box: "Rect") -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def _is_person(chain: Sequence[_Track]) -> bool:
    """Whether somebody is seen for long enough, and measured at all."""
    return sum(one.end - one.start for one in chain) >= SHORTEST and any(one.rows for one in chain)


def _sightings(stretch: Stretch, number: int, rows: "Sequence[int]") -> "tuple[int, NDArray[np.float64]]":
    """How often a track was seen, and [n, 5] seconds and boxes of its beginning and end at least."""
    import numpy as np

    if "seen" in stretch.notes:
        seen = stretch.notes["seen"][number]
        return seen["times"], np.array(seen["first"] + seen["last"], np.float64)
    times = stretch.time[stretch.frame[rows]]
    return len(rows), np.column_stack([times, stretch.box[rows]]).astype(np.float64)


def _summary(stretch: Stretch, number: int, rows: "Sequence[int]", shape: FaceShape) -> _Track:
    count, held = _sightings(stretch, number, rows)
    times, boxes = held[:, 0], held[:, 1:]
    middles = boxes[:, :2] + boxes[:, 2:] / 2

    def speed(part: slice) -> tuple[float, float]:
        span, path = times[part], middles[part]
        seconds = float(span[-1] - span[0])
        if seconds <= 0:
            return 0.0, 0.0
        x, y = ((path[-1] - path[0]) / seconds).tolist()
        return x, y

    return _Track(
        (stretch.index, number), len(rows), count, float(times[0]), float(times[-1]),
        tuple(boxes[0].tolist()), tuple(boxes[-1].tolist()), speed(slice(-8, None)), speed(slice(0, 8)),
        shape,
    )  # fmt: skip


def most_seen(
    people: Mapping[StretchFace, int], counts: Mapping[StretchFace, int], most: int | None
) -> dict[StretchFace, int]:
    """Only the `most` people who are seen in the most frames; their numbers stay in order of appearance."""
    frames: dict[int, int] = {}
    for piece, person in people.items():
        frames[person] = frames.get(person, 0) + counts.get(piece, 0)
    kept = sorted(sorted(frames, key=lambda one: (-frames[one], one))[:most])
    number = {person: i for i, person in enumerate(kept)}
    return {piece: number[person] for piece, person in people.items() if person in number}


def frame_counts(stretches: Iterable[Stretch]) -> dict[StretchFace, int]:
    """How many frames each track has."""
    import numpy as np

    counts: dict[StretchFace, int] = {}
    for stretch in stretches:
        for track, count in zip(*np.unique(stretch.track, return_counts=True), strict=True):
            counts[stretch.index, int(track)] = int(count)
    return counts
