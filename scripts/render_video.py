"""Render clips of MakeHuman heads whose movements are known to the millisecond.

No video with coded action units may be passed on, so `expllm video` is measured on rendered heads: each moves
nine actions up and down along known curves, blinks four times and turns slowly. Pairs walk past each other,
and groups of three sway side by side.

    pip install torch==2.13.0 && pip install anny==0.6.2 'av>=16'
    python scripts/render_video.py OUT --heads 12            # head_00.webm ... with head_00.jsonl beside it
    python scripts/render_video.py OUT --crossings 2         # two heads that cross, one hides the other
    python scripts/render_video.py OUT --groups 2            # three heads side by side
    python scripts/score_video.py ...                        # compares what was found with the truth

The truth beside a clip is JSON Lines: `{"kind": "clip", ...}` once, then one line an event (`unit`, `person`,
`onset`, `apex_start`, `apex_end`, `offset` in seconds, `peak` 0-1), one a blink, and where there are several
heads one a frame with their places. Onset and offset are where the curve crosses a tenth of its peak. A clip
depends on (seed, number) only. Left is the subject's left.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import av
import numpy as np
from head_renderer import Array, HeadModel, Look, load_head, render
from PIL import Image
from render_heads import draw_identity, spread, weight_vector

ACTIONS: dict[str, dict[str, float]] = {
    "brow raise": {"browInnerUp": 1.0, "browOuterUp*": 1.0},
    "brow lower": {"browDown*": 1.0},
    "lid raise": {"eyeWide*": 1.0},
    "lip corner pull": {"mouthSmile*": 1.0},
    "left lip corner pull": {"mouthSmileLeft": 1.0},
    "jaw drop": {"jawOpen": 0.8},
    "upper lip raise": {"mouthUpperUp*": 1.0},
    "lower lip depress": {"mouthLowerDown*": 1.0},
    "lip pucker": {"mouthPucker": 1.0, "mouthFunnel": 0.4},
}
"""What a head does, one after the other in an order of its own, and the face units that do it."""

BLINKS = 4
BLINK = (0.08, 0.04, 0.14)
"""Seconds that the lids take to close, stay closed, and take to open."""
AT_TENTH = 0.1958
"""Where the smooth step from 0 to 1 crosses a tenth."""


@dataclass(frozen=True)
class Bump:
    """One movement up and down: seconds, and its height 0-1."""

    unit: str
    start: float
    rise: float
    hold: float
    fall: float
    peak: float

    def at(self, time: float) -> float:
        """Its height at a time."""
        up = step((time - self.start) / self.rise)
        down = step((time - self.start - self.rise - self.hold) / self.fall)
        return self.peak * (up - down)

    def truth(self, person: int) -> dict[str, Any]:
        """As a line of the truth."""
        top = self.start + self.rise
        return {
            "kind": "event", "person": person, "unit": self.unit, "peak": round(self.peak, 3),
            "onset": round(self.start + AT_TENTH * self.rise, 4), "apex_start": round(top, 4),
            "apex_end": round(top + self.hold, 4),
            "offset": round(top + self.hold + (1 - AT_TENTH) * self.fall, 4),
        }  # fmt: skip


@dataclass(frozen=True)
class Course:
    """Everything that one head does in a clip."""

    bumps: tuple[Bump, ...]
    blinks: tuple[float, ...]
    swing: float  # degrees of yaw, to both sides
    period: float  # seconds

    @classmethod
    def draw(cls, rng: np.random.Generator, seconds: float) -> Course:
        """Nine movements in a drawn order, at drawn times, and four blinks somewhere between."""
        order = rng.permutation(list(ACTIONS))
        room = (seconds - 2.0) / len(order)
        bumps = []
        for place, unit in enumerate(order):
            start = 1.0 + room * (place + float(rng.uniform(0.0, 0.3)))
            rise, hold, fall = (float(rng.uniform(*r)) for r in ((0.16, 0.45), (0.2, 0.7), (0.2, 0.5)))
            bumps.append(Bump(str(unit), start, rise, hold, fall, float(rng.uniform(0.7, 1.0))))
        slots = (np.arange(BLINKS) + rng.uniform(0.1, 0.9, BLINKS)) * seconds / BLINKS
        return cls(tuple(bumps), tuple(map(float, slots)), float(rng.uniform(4, 8)), float(rng.uniform(6, 9)))

    def weights(self, time: float) -> dict[str, float]:
        """Face units at a time, 0-1."""
        total: dict[str, float] = {}
        for bump in self.bumps:
            for name, weight in spread(ACTIONS[bump.unit]).items():
                total[name] = min(1.0, total.get(name, 0.0) + weight * bump.at(time))
        close, stay, open_ = BLINK
        for start in self.blinks:
            lid = Bump("", start, close, stay, open_, 1.0).at(time)
            for name in ("eyeBlinkLeft", "eyeBlinkRight"):
                total[name] = max(total.get(name, 0.0), lid)
        return total

    def yaw(self, time: float) -> float:
        return self.swing * float(np.sin(2 * np.pi * time / self.period))

    def truth(self, person: int) -> Iterator[dict[str, Any]]:
        yield from (bump.truth(person) for bump in self.bumps)
        for start in self.blinks:
            yield {"kind": "blink", "person": person, "start": round(start, 4),
                   "end": round(start + sum(BLINK), 4)}  # fmt: skip


def step(t: float) -> float:
    """0 before 0, 1 after 1, smooth between."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


class Actor:
    """A head with its looks and its course."""

    def __init__(self, head: HeadModel, seed: int, number: int, seconds: float) -> None:
        person = np.random.default_rng([seed, number, 1])
        self._head = head
        self._neutral = draw_identity(head, person)
        look = Look.draw(person, np.random.default_rng([seed, number, 2]))
        self.look = replace(look, yaw=0.0, pitch=0.3 * look.pitch, roll=0.3 * look.roll, field_of_view=24.0)
        self.course = Course.draw(np.random.default_rng([seed, number, 3]), seconds)

    def face(self, weights: dict[str, float]) -> Array:
        """Its vertices when face units have these weights, 0-1."""
        vector = weight_vector(self._head.names, weights)
        moved: Array = self._neutral + np.tensordot(vector, self._head.actions, 1)
        return moved

    def picture(self, time: float, size: int, *, transparent: bool = False) -> Image.Image:
        """The head at a time, `size` pixels square."""
        face = self.face(self.course.weights(time))
        look = replace(self.look, yaw=self.course.yaw(time))
        return render(self._head, face, look, size, transparent=transparent)


def write_clip(path: Path, pictures: Iterator[Image.Image], fps: int, size: tuple[int, int]) -> None:
    """VP9 in WebM at a constant rate."""
    partial = path.with_suffix(".partial.webm")
    with av.open(str(partial), "w") as out:
        stream = out.add_stream("libvpx-vp9", rate=fps, options={"crf": "30", "b": "0", "deadline": "good"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(number * 1000 / fps), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    partial.rename(path)


def write_truth(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def single(head: HeadModel, out: Path, seed: int, number: int, args: argparse.Namespace) -> None:
    """One head before a wall."""
    actor = Actor(head, seed, number, args.seconds)
    times = [frame / args.fps for frame in range(round(args.seconds * args.fps))]
    path = out / f"head_{number:02d}.webm"
    write_clip(path, (actor.picture(t, args.size) for t in times), args.fps, (args.size, args.size))
    clip = {"kind": "clip", "frames": len(times), "fps": args.fps, "seconds": args.seconds, "people": 1}
    write_truth(path.with_suffix(".jsonl"), [clip, *actor.course.truth(0)])


Place = tuple[float, float]
"""Left and top of a head's square, in pixels."""

WALL = (110, 118, 126)


def several(
    actors: Sequence[Actor], path: Path, places: Callable[[float], Sequence[Place]], side: int,
    args: argparse.Namespace, seconds: float,
) -> None:  # fmt: skip
    """Some heads before a wall, 640 x 360; the first is in front of the others.

    Args:
        places: Where each head is, at a share of the clip, 0-1.
        side: Pixels of a head's square.
    """
    size, count = (640, 360), round(seconds * args.fps)
    lines: list[dict[str, Any]] = []

    def pictures() -> Iterator[Image.Image]:
        for frame in range(count):
            at = [(round(left), round(top)) for left, top in places(frame / (count - 1))]
            picture = Image.new("RGB", size, WALL)
            for person in reversed(range(len(actors))):
                layer = actors[person].picture(frame / args.fps, side, transparent=True)
                picture.paste(layer, at[person], layer)
            middles = [[left + side / 2, top + side / 2] for left, top in at]
            time = round(frame / args.fps, 4)
            lines.append({"kind": "frame", "frame": frame, "time": time, "middles": middles})
            yield picture

    write_clip(path, pictures(), args.fps, size)
    clip = {"kind": "clip", "frames": count, "fps": args.fps, "seconds": seconds, "people": len(actors)}
    events = [line for person, actor in enumerate(actors) for line in actor.course.truth(person)]
    write_truth(path.with_suffix(".jsonl"), [clip, *events, *lines])


def crossing(head: HeadModel, out: Path, seed: int, number: int, args: argparse.Namespace) -> None:
    """Two heads that walk past each other."""
    seconds, side, room = 6.0, 220, 640 - 220
    actors = [Actor(head, seed, 100 + 2 * number + k, seconds) for k in (0, 1)]

    def places(share: float) -> list[Place]:
        return [(share * room, 70), ((1 - share) * room, 82)]

    several(actors, out / f"crossing_{number:02d}.webm", places, side, args, seconds)


def group(head: HeadModel, out: Path, seed: int, number: int, args: argparse.Namespace) -> None:
    """Three heads side by side that sway a little, each in its own time."""
    actors = [Actor(head, seed, 200 + 3 * number + k, args.seconds) for k in range(3)]

    def places(share: float) -> list[Place]:
        time = share * args.seconds
        return [
            (213 * k + 2 + 8 * np.sin(2 * np.pi * time / (5 + k)), 60 + 15 * k + 5 * np.sin(time / (1 + k)))
            for k in range(3)
        ]

    several(actors, out / f"group_{number:02d}.webm", places, 210, args, args.seconds)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--heads", type=int, default=0, help="clips of one head")
    parser.add_argument("--crossings", type=int, default=0, help="clips of two heads that cross")
    parser.add_argument("--groups", type=int, default=0, help="clips of three heads side by side")
    parser.add_argument("--first", type=int, default=0, help="number of the first clip")
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--size", type=int, default=320, help="pixels of a clip of one head")
    parser.add_argument("--seed", type=int, default=21)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    head = load_head()
    kinds = (("head", args.heads, single), ("crossing", args.crossings, crossing),
             ("group", args.groups, group))  # fmt: skip
    for kind, count, write in kinds:
        for number in range(args.first, args.first + count):
            write(head, args.out, args.seed, number, args)
            print(f"{args.out}/{kind}_{number:02d}.webm", flush=True)


if __name__ == "__main__":
    main()
