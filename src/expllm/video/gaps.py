"""Frames that vanish without an error: packets that a demuxer passed over, and files that end too early.

A demuxer that loses its way looks for the next packet that it understands, and says so at most in FFmpeg's
log, which belongs to the whole process. What it passed over shows in the file itself: in Matroska and WebM
packets are close to each other, so that bytes which belong to none are a hole. A long time between two frames
alone says nothing: rates vary.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from av import Packet

_CLOSE_PACKED: Final = "matroska"
_HEADS: Final = 64
"""Bytes between two packets: heads of blocks and clusters take 20."""

_TAIL, _ENTRY = 2048, 32
"""Bytes behind the last packet that indexes and tags may take, and those of an index for each key frame."""

_BESIDE_A_HOLE: Final = 1.9
"""Median intervals between frames from which something is missing where bytes are passed over."""

_INTERVALS, _SECONDS = 5.0, 0.3
"""Both together from which something is missing beside a packet that cannot be decoded."""

_EARLY: Final = 1.0
"""Seconds, and `_INTERVALS`, that a file may claim beyond its last frame."""


@dataclass(frozen=True)
class Gap:
    """From when to when nothing comes, in seconds.

    Attributes:
        at_end: Nothing comes any more.
    """

    start: float
    end: float
    at_end: bool = False


class GapFinder:
    """Watches packets, faults and frames of one video stream go by.

    Args:
        container: FFmpeg's name of the format.
        size: Bytes of the file.
        interval: Seconds between frames as the file claims; None where it does not.
    """

    def __init__(self, container: str, size: int, interval: float | None) -> None:
        self._packed, self._size = container.startswith(_CLOSE_PACKED), size
        self._steps: deque[float] = deque([interval or 0.04], 101)
        self._reached: float | None = None
        self._shown: float | None = None
        self._latest: deque[float] = deque(maxlen=16)  # a decoder puts fewer frames than these in order
        self._holes: list[tuple[float, float]] = []
        self._faults: list[float] = []
        self._is_open, self._end, self._keys = False, 0, 0
        self._elsewhere = 0.0

    def packet(self, packet: "Packet[Any]", seconds: float | None, *, ours: bool) -> None:
        """The next packet of the file.

        Args:
            packet: Of any stream.
            seconds: When it is shown.
            ours: It belongs to the stream that is decoded.
        """
        if packet.size and packet.pos is not None and packet.pos >= 0:
            self._is_open |= self._packed and bool(self._end) and packet.pos - self._end > _HEADS
            self._end = packet.pos + packet.size
            self._keys += packet.is_keyframe
        if seconds is None:
            return
        if not ours:
            self._elsewhere = max(self._elsewhere, seconds)
            return
        if self._is_open or (packet.is_corrupt and packet.size):
            before = seconds if self._reached is None else self._reached
            self._holes.append((min(before, seconds, self._shown or 0.0), max(before, seconds)))
        self._is_open, self._reached = False, seconds

    def fault(self, seconds: float) -> None:
        """Something at this time could not be decoded, or not well."""
        self._faults.append(seconds)

    def before(self, seconds: float) -> Iterator[Gap]:
        """What is missing before the next frame, which is shown at this time."""
        last = self._shown
        if last is None:
            last = 0.0 if self._holes else seconds
        if seconds > last:
            yield from self._between(last, seconds)
            if self._shown is not None:
                self._steps.append(seconds - last)
        self._faults = [one for one in self._faults if one > seconds]
        self._holes = [hole for hole in self._holes if hole[1] > seconds]
        self._shown = max(seconds, self._shown or 0.0)
        self._latest.append(seconds)

    def at_end(self, claimed: float | None) -> Iterator[Gap]:
        """What is missing behind the last frame.

        Args:
            claimed: Seconds at which the video or the part that is looked at ends; None if nobody says.
        """
        if claimed is None or self._shown is None:
            return
        lost = claimed - self._shown
        tail = self._packed and self._size - self._end > _TAIL + _ENTRY * self._keys
        if self._faults or self._is_open or self._holes or tail:
            least = _INTERVALS * self._interval
        else:
            least = max(_EARLY, _INTERVALS * self._interval)
            if self._elsewhere >= claimed - least:  # the sound goes on: the pictures were meant to end here
                return
        if lost > least:
            for start, end in pairwise(self._latest):  # their packets stood behind the end
                if end - start > _BESIDE_A_HOLE * self._interval:
                    yield Gap(start, end)
            yield Gap(self._shown, claimed, at_end=True)

    @property
    def _interval(self) -> float:
        return median(self._steps)

    def _between(self, last: float, seconds: float) -> Iterator[Gap]:
        """Gaps between two frames: what is between faults, of which each is named by itself."""
        faults = sorted(one for one in self._faults if last < one <= seconds)
        holes = [hole for hole in self._holes if hole[0] < seconds and hole[1] > last]
        if not faults and not holes:
            return
        least = max(_INTERVALS * self._interval, _SECONDS)
        if holes:
            least = _BESIDE_A_HOLE * self._interval
        points = [last, *(one for one in faults if one < seconds), seconds]
        for start, end in pairwise(points):
            if end - start > least:
                yield Gap(start, end)
