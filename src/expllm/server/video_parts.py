"""What is known of a video before it is done: one part for every stretch of ten seconds."""

from collections.abc import Callable
from math import isnan
from typing import Literal

from expllm.core.records import Record
from expllm.core.vocabulary import AU_NAMES
from expllm.video.damage import damage_lines
from expllm.video.stretch_store import Stretch, StretchesInMemory


class VideoPart(Record):
    """A stretch of a video as it was measured: before people are told apart, and before rest is taken off.

    Attributes:
        index: Which stretch, from 0.
        span: First and last time, in seconds.
        frames: That were looked at.
        seen: Frames with a face among them.
        peaks: The highest reading of each action unit, of whomever; null: not measured.
        damage: What could not be decoded.
    """

    object: Literal["video.part"] = "video.part"
    index: int
    span: tuple[float, float]
    frames: int
    seen: int
    peaks: dict[str, float | None]
    damage: tuple[str, ...]

    @classmethod
    def of(cls, name: str, stretch: Stretch) -> "VideoPart":
        """The part that a stretch is.

        Args:
            name: What the client called the video.
        """
        times = stretch.time.tolist()
        return cls(
            index=stretch.index, span=(round(min(times), 3), round(max(times), 3)), frames=len(times),
            seen=len(set(stretch.frame.tolist())), peaks=_peaks(stretch),
            damage=tuple(damage_lines(name, stretch.damage)),
        )  # fmt: skip


def _peaks(stretch: Stretch) -> dict[str, float | None]:
    columns = zip(AU_NAMES, stretch.units.T.tolist(), strict=True)
    measured = {name: [value for value in column if not isnan(value)] for name, column in columns}
    return {name: round(max(values), 3) if values else None for name, values in measured.items()}


class ToldStretches(StretchesInMemory):
    """Stretches in memory, each of which is told when it is first kept.

    Args:
        told: Is given the stretch; called on the thread that measures.
    """

    def __init__(self, told: Callable[[Stretch], object]) -> None:
        super().__init__()
        self._told = told

    def write(self, stretch: Stretch) -> None:
        if stretch.index not in self.done():
            self._told(stretch)
        super().write(stretch)
