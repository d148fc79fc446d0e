"""A video that nobody vouches for: frames with the times at which they are shown, and what cannot be decoded.

Times come from the file's presentation timestamps, never from a frame rate. Decoding is sequential and on one
thread, so that the same file gives the same frames always, damaged or not. FFmpeg opens what a playlist
names, also over the network: formats and protocols are therefore listed here, and a file is given without
its name.
"""

import io
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expllm.core.closing import Closing
from expllm.core.errors import UsageError, VideoError, one_line
from expllm.core.packages import require
from expllm.video.damage import Damage
from expllm.video.gaps import Gap, GapFinder
from expllm.video.timecode import clock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FORMATS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf,mxf,gif"
"""Containers that FFmpeg may try: none of them names other files."""

SUFFIXES: Final = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .mts .m2ts .ogv .flv .wmv .asf .3gp .3g2 .mxf".split()
)
"""Names of files that are taken for videos in a folder."""

_OWN_CLOCK: Final = frozenset({"mpegts", "mpeg"})
"""Containers whose clock starts anywhere: their times are counted from the first one, as players do."""

_NO_FRAME_A_PACKET: Final = frozenset({"vp8", "gif"})
"""Codecs of which a sound packet may hold no frame of its own."""

_PLAYLISTS: Final = (b"#EXTM3U", b"ffconcat", b"<MPD", b"[playlist]", b"<smil", b"<asx")
_PICTURES: Final = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*")


@dataclass(frozen=True)
class VideoLimits:
    """How much a video may cost: bytes, pixels a side, hours, frames a second, seconds without a frame."""

    max_bytes: int = 4 * 2**30
    max_side: int = 8192
    max_hours: float = 12.0
    max_fps: float = 240.0
    patience_s: float = 30.0


_LIMITS: Final = VideoLimits()


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are looked at.

    Attributes:
        fps: At most so many a second: of each slot of 1 / fps seconds the first frame.
        every: Every so many-th frame of the file.
        start: From this time on, in seconds.
        stop: Before this time; None: to the end.

    Raises:
        UsageError: a number makes no sense, or both `fps` and `every` are given.
    """

    fps: float | None = None
    every: int = 1
    start: float = 0.0
    stop: float | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and (self.fps <= 0 or self.every != 1):
            raise UsageError("--fps must be above 0, and cannot be combined with --every")
        if self.every < 1:
            raise UsageError(f"--every is {self.every}: it must be at least 1")
        if self.stop is not None and self.stop <= self.start:
            raise UsageError(f"--to ({self.stop:g} s) must be later than --from ({self.start:g} s)")

    def holds(self, seconds: float) -> bool:
        """Whether a time is in the part that is looked at."""
        return seconds >= self.start and (self.stop is None or seconds < self.stop)

    def picker(self) -> "_Picker":
        """What chooses among frames that come one after the other."""
        return _Picker(self)


class _Picker:
    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._slot = -1

    def wants(self, number: int, seconds: float) -> bool:
        if seconds < self._sampling.start:
            return False
        if self._sampling.fps is None:
            return number % self._sampling.every == 0
        # A millisecond of grace: times are rounded in many files.
        slot = int((seconds - self._sampling.start + 1e-3) * self._sampling.fps)
        wanted = slot > self._slot
        self._slot = max(slot, self._slot)
        return wanted


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame.

    Attributes:
        number: Which frame of the file, from 0; undecodable ones do not count.
        time: When it is shown, in seconds.
        in_order: It is later than the frame before; False: the file's clock stands or runs backwards.
        wanted: It is one of those that are looked at; False: it is between two of them.
    """

    number: int
    time: float
    in_order: bool
    _decoded: Any = field(repr=False)
    _aspect: Fraction | None = field(default=None, repr=False)
    wanted: bool = True

    def pixels(self) -> "NDArray[np.uint8]":
        """[H, W, 3] uint8 RGB, upright, with square pixels, contiguous."""
        import numpy as np

        decoded = self._decoded
        rgb = decoded.to_ndarray(format="rgb24", **_squared(decoded, self._aspect))
        turns = round(decoded.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(rgb, turns) if turns else rgb)


def _squared(decoded: Any, aspect: Fraction | None) -> dict[str, int]:
    if not aspect or aspect == 1:
        return {}
    return {"width": max(2, round(decoded.width * aspect)), "height": decoded.height}


@dataclass(frozen=True)
class ClipInfo:
    """What a file says of its video.

    Attributes:
        name: How messages and tables call it.
        container, codec: FFmpeg's names.
        width, height: Of the frames as they are stored: not turned upright yet.
        fps: Mean frame rate that the file claims; None where it does not. Never used for times.
        duration: Seconds that the file claims; None where it does not.
        frames: Frames that the file claims; 0 where it does not.
    """

    name: str
    container: str
    codec: str
    width: int
    height: int
    fps: float | None
    duration: float | None
    frames: int


class Clip(Closing):
    """One video, opened. Close it (or use `with`); `frames` may be called once.

    Args:
        source: A path, or the bytes of a file.
        name: How to call it; the path, or `<bytes>` when None.
        stream: Which of its video streams, from 0; pictures of covers do not count.

    Raises:
        VideoError: it is not a video, cannot be read, or is larger than the limits allow.
        MissingDependency: PyAV is not installed.
    """

    def __init__(
        self, source: str | os.PathLike[str] | bytes, *, name: str | None = None, stream: int = 0,
        limits: VideoLimits = _LIMITS,
    ) -> None:  # fmt: skip
        require("av")
        self.name = one_line(name or ("<bytes>" if isinstance(source, bytes) else os.fspath(source)))
        self.damage: list[Damage] = []
        self._limits = limits
        self._size = 0
        self._part = Sampling()
        self._first_fault = ""
        self._file = self._opened(source)
        try:
            self._container = self._demuxer()
            self._stream = self._chosen(stream)
            self.info = self._described()
            interval = 1 / self.info.fps if self.info.fps else None
            self._gaps = GapFinder(self.info.container, self._size, interval)
        except BaseException:
            self.close()
            raise

    def frames(self, sampling: Sampling | None = None, *, between: bool = False) -> Iterator[Frame]:
        """The wanted frames in the order in which they are shown.

        Args:
            sampling: Which are wanted.
            between: Those between them come, too, from the start of the part on.

        `damage` has grown by what could not be decoded when a later frame comes out, and is whole at the
        end. It names what is in the wanted part only.

        Raises:
            VideoError: not one frame can be decoded, the decoder stands still, or the file claims too many
                frames a second to look at each of them.
        """
        self._part = sampling or Sampling()
        self._check_rate()
        picker, stop = self._part.picker(), self._part.stop
        number, before = 0, float("-inf")
        for decoded in self._decoded_frames():
            stamp = decoded.pts if decoded.pts is not None else decoded.dts
            if stamp is None:
                self._note(None, f"frame {number} has no time")
                continue
            seconds = self._seconds(stamp)
            self._check_length(seconds)
            self._note_missing(self._gaps.before(seconds))
            if stop is not None and seconds >= stop:
                break
            wanted = picker.wants(number, seconds)
            if wanted or (between and self._part.holds(seconds)):
                aspect = self._stream.sample_aspect_ratio
                yield Frame(number, seconds, seconds > before, decoded, aspect, wanted)
            number, before = number + 1, max(before, seconds)
        else:
            ends = [end for end in (stop, self.info.duration) if end is not None]
            self._note_missing(self._gaps.at_end(min(ends, default=None)))
        if number == 0 and stop is None:
            raise VideoError(f"{self.name}: not one frame can be decoded{self._why_none()}")

    def close(self) -> None:
        """Closes the file."""
        container = getattr(self, "_container", None)
        if container is not None:
            container.close()
        self._file.close()

    def _opened(self, source: str | os.PathLike[str] | bytes) -> "_Unnamed":
        if isinstance(source, bytes):
            file: Any = io.BytesIO(source)
            size = len(source)
        else:
            path = Path(source)
            try:
                if not path.is_file():
                    raise VideoError(f"{self.name}: {_no_file(path, os.fspath(source))}")
                size = path.stat().st_size
                file = path.open("rb")
            except OSError as error:
                raise VideoError(f"{self.name}: cannot be opened ({error.strerror})") from None
        try:
            self._check_head(file.read(4096), size)
            self._size = size
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return _Unnamed(file)

    def _check_head(self, head: bytes, size: int) -> None:
        if size == 0:
            raise VideoError(f"{self.name}: the file is empty")
        if size > self._limits.max_bytes:
            raise VideoError(
                f"{self.name}: {size / 2**30:.1f} GiB are more than {self._limits.max_bytes / 2**30:.1f}: "
                "cut it, or make it smaller"
            )
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if text[:5] == b"<?xml":
            text = text[text.find(b"<", 1) :]
        if text.startswith(_PLAYLISTS):
            raise VideoError(f"{self.name}: is a playlist, which names other files: give those themselves")
        if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
            raise VideoError(f"{self.name}: is a picture, not a video: use 'expllm analyze'")

    def _demuxer(self) -> Any:
        import av

        options = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
        try:
            return av.open(self._file, options=options, metadata_errors="ignore")
        except (av.FFmpegError, ValueError, MemoryError, OverflowError) as error:
            raise VideoError(
                f"{self.name}: is not a video of a known format ({_reason(error)}); convert it to MP4 or WebM"
            ) from None

    def _chosen(self, wanted: int) -> Any:
        from av.stream import Disposition

        streams = [one for one in self._container.streams.video
                   if not one.disposition & Disposition.attached_pic]  # fmt: skip
        if not streams:
            held = sorted({one.type or "unknown" for one in self._container.streams})
            raise VideoError(f"{self.name}: holds no video (streams: {', '.join(held) or 'none'})")
        if wanted >= len(streams):
            raise VideoError(f"{self.name}: has {len(streams)} video streams: there is no --stream {wanted}")
        chosen = streams[wanted]
        if chosen.codec_context is None:
            raise VideoError(f"{self.name}: its video codec is unknown; convert it to MP4 or WebM")
        chosen.thread_count = 1  # several threads report damage later, and elsewhere
        return chosen

    def _described(self) -> ClipInfo:
        context, stream = self._stream.codec_context, self._stream
        width, height = context.width, context.height
        if max(width, height) > self._limits.max_side:
            raise VideoError(
                f"{self.name}: frames of {width} x {height} pixels are larger than {self._limits.max_side}"
            )
        duration = None if stream.duration is None else float(stream.duration * stream.time_base)
        if duration is None and self._container.duration is not None:
            duration = self._container.duration / 1e6
        if duration is not None:
            self._check_length(duration)
        rate = stream.average_rate
        return ClipInfo(
            self.name, self._container.format.name, context.name, width, height,
            float(rate) if rate else None, duration, stream.frames,
        )  # fmt: skip

    def _check_rate(self) -> None:
        rate, most = self.info.fps or 0.0, self._limits.max_fps
        if rate / self._part.every > most and self._part.fps is None:
            raise VideoError(
                f"{self.name}: claims {rate:,.0f} frames a second, more than {most:g}: "
                "use --fps to look at fewer"
            )

    def _check_length(self, seconds: float) -> None:
        if seconds > 3600 * self._limits.max_hours:
            raise VideoError(
                f"{self.name}: is longer than {self._limits.max_hours:g} hours: cut it into parts"
            )

    def _seconds(self, stamp: int, base: Fraction | None = None) -> float:
        """A timestamp of the stream, or of one with another time base, in seconds."""
        seconds = stamp * (base or self._stream.time_base)
        if self._container.format.name in _OWN_CLOCK and self._container.start_time is not None:
            seconds -= Fraction(self._container.start_time, 1_000_000)
        return float(seconds)

    def _decoded_frames(self) -> Iterator[Any]:
        """Frames of all packets; what fails is noted in `damage`, with the time of its packet."""
        import av

        waiting: dict[int, None] = {}  # timestamps of packets that no frame has come of yet
        owed = strange = shown = 0  # packets less frames; frames with the time of no packet; all frames
        strict = self._stream.codec_context.name not in _NO_FRAME_A_PACKET
        lazy = time.thread_time()
        packets = self._packets()
        for packet in packets:
            whole = packet.size > 8 and packet.pts is not None and not packet.is_discard
            if strict and whole:
                waiting[packet.pts] = None
                owed += 1
            try:
                frames = packet.decode()
            except av.EOFError:
                frames = []
            except (av.FFmpegError, ValueError) as error:
                owed -= packet.pts in waiting
                waiting.pop(packet.pts, None)
                self._note(packet.pts, _reason(error))
                frames = []
            for frame in frames:
                lazy = time.thread_time()
                strange += frame.pts not in waiting
                waiting.pop(frame.pts, None)
                owed, shown = owed - 1, shown + 1
                if frame.is_corrupt:
                    self._note(frame.pts, "decoded with faults")
                yield frame
                lazy = time.thread_time()
            if time.thread_time() - lazy > self._limits.patience_s:
                raise VideoError(
                    f"{self.name}: no frame came in {self._limits.patience_s:g} s of processor time"
                )
        # A damaged packet may give two frames, and hide that another one gave none.
        doubled = bool(self._first_fault) and 10 * strange <= shown and 20 * len(waiting) <= shown
        if strict and (owed > 0 or doubled):
            self._note_lost(sorted(waiting), max(owed, len(waiting)) if doubled else owed)

    def _packets(self) -> Iterator[Any]:
        """Packets up to where the file breaks off; the last one flushes the decoder."""
        import av

        packets = self._container.demux()
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, ValueError) as error:
                self._note(None, f"the file breaks off ({_reason(error)})")
                yield av.Packet()
                return
            ours = packet.stream is self._stream or packet.stream is None
            self._gaps.packet(packet, self._time_of(packet), ours=ours)
            if ours:
                yield packet

    def _time_of(self, packet: Any) -> float | None:
        if packet.pts is None or packet.time_base is None:
            return None
        return self._seconds(packet.pts, packet.time_base)

    def _note(self, stamp: int | None, reason: str) -> None:
        seconds = None if stamp is None else self._seconds(stamp)
        self._first_fault = self._first_fault or reason
        if seconds is not None:
            self._gaps.fault(seconds)
        if seconds is None or self._part.holds(seconds):
            self.damage.append(Damage(seconds, reason))

    def _note_missing(self, gaps: Iterator[Gap]) -> None:
        """Notes what of the gaps is in the part that is looked at."""
        for gap in gaps:
            stop = gap.end if self._part.stop is None else min(gap.end, self._part.stop)
            start = max(gap.start, self._part.start)
            if start >= stop:
                continue
            reason = f"no packets between {clock(start)} and {clock(stop)}"
            if gap.at_end:
                reason = f"the file claims {clock(gap.end)}, nothing comes after {clock(gap.start)}"
            self.damage.append(Damage(start, reason, stop))

    def _note_lost(self, stamps: list[int], owed: int) -> None:
        """Packets that no frame came of; without their times where packets and frames count differently."""
        if len(stamps) == owed:
            for stamp in stamps:
                self._note(stamp, "no frame came of its packet")
        elif not stamps or any(self._part.holds(self._seconds(stamp)) for stamp in stamps):
            self._note(None, f"{owed} packets gave no frame")

    def _why_none(self) -> str:
        if self._first_fault:
            return f" ({self._first_fault}): it may be encrypted or cut off"
        return ": it may be encrypted or cut off"


class _Unnamed:
    """A file without its name: FFmpeg would guess a format from it."""

    def __init__(self, file: Any) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
        self._file = file

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


def _no_file(path: Path, given: str) -> str:
    if "://" in given:
        return "is an address: download the file first"
    if path.is_dir():
        return "is a folder, not a video"
    return "is not a file" if path.exists() else "there is no such file"


def _reason(error: BaseException) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return one_line(str(words).splitlines()[0])
