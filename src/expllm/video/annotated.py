"""The video once more, with boxes, names and bars drawn in; faces made unrecognisable on request.

VP9 in WebM, which every browser plays. Every frame keeps its time. A lean painter: 12 bars a face.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expllm.core.vocabulary import AU_BY_NAME, AUVector
from expllm.files.atomic import whole_file
from expllm.files.signals import raise_pending
from expllm.report.panel import INK, LEFT, PAPER, RIGHT, WHOLE_COLOUR, font
from expllm.video.analysis import VideoAnalysis, VideoRow
from expllm.video.clip import Clip, Frame
from expllm.video.events import BEGINS

if TYPE_CHECKING:
    from PIL import Image

BARS: Final = 12
"""Units that are drawn beside a face, the strongest."""

_PIECES: Final = 8
"""A face that is made unrecognisable consists of so many squares a side."""

AROUND: Final = 1.5
"""How much larger than its box a face is made unrecognisable: hair and chin, and where it moves meanwhile."""

KEPT: Final = 1.0
"""Seconds that the last place of a lost face stays covered."""

_TICKS: Final = 1000


def write_annotated(path: Path, clip: Clip, analysis: VideoAnalysis, *, blur: bool = False) -> None:
    """Writes the looked-at frames as a video, whole or not at all.

    Args:
        path: The file, `.webm`.
        clip: The video, opened anew.
        analysis: What was found in it.
        blur: Make faces unrecognisable. Faces that were never found stay as they are.

    Raises:
        VideoError: the video cannot be read any more.
        OutputError: the file cannot be written.
    """
    import av
    import numpy as np

    painter = _Painter(blur=blur)
    with whole_file(path, "wb") as file, av.open(file, "w", format="webm") as out:
        stream: Any = None
        last = -1
        for frame, rows in _together(clip.frames(analysis.options.sampling), analysis):
            raise_pending()
            picture = painter.painted(frame, rows)
            if stream is None:
                stream = _stream(out, picture.size)
            pixels = np.asarray(picture.resize((stream.width, stream.height)))
            drawn = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            last = max(last + 1, round(_TICKS * frame.time))
            drawn.pts, drawn.time_base = last, Fraction(1, _TICKS)
            out.mux(stream.encode(drawn))
        if stream is not None:
            out.mux(stream.encode(None))


def _stream(out: Any, size: tuple[int, int]) -> Any:
    """VP9 at the speed of a live stream; sides must be even."""
    options = {"deadline": "realtime", "cpu-used": "7", "crf": "32", "b": "0", "row-mt": "1"}
    stream = out.add_stream("libvpx-vp9", rate=30, options=options)
    stream.width, stream.height = (max(2, side - side % 2) for side in size)
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
    return stream


def _together(frames: Iterable[Frame], rows: Iterable[VideoRow]) -> Iterator[tuple[Frame, list[VideoRow]]]:
    """Each frame with its rows; both come in the same order."""
    by_frame = groupby(rows, key=lambda row: row.frame)
    number, held = next(by_frame, (None, iter(())))
    for frame in frames:
        if frame.number == number:
            yield frame, list(held)
            number, held = next(by_frame, (None, iter(())))
        else:
            yield frame, []


class _Painter:
    def __init__(self, *, blur: bool) -> None:
        self._blur = blur
        self._places: dict[str, tuple[float, tuple[float, float, float, float]]] = {}

    def painted(self, frame: Frame, rows: list[VideoRow]) -> "Image.Image":
        from PIL import Image, ImageDraw

        picture = Image.fromarray(frame.pixels())
        faces = [row for row in rows if row.box is not None]
        if self._blur:
            self._cover(picture, frame.time, faces)
        pen = ImageDraw.Draw(picture)
        for row in faces:
            _draw(pen, row, picture.size)
        return picture

    def _cover(self, picture: "Image.Image", time: float, rows: list[VideoRow]) -> None:
        """Covers every face, and for a while the place where one was lost."""
        for i, row in enumerate(rows):
            assert row.box is not None
            self._places[row.person or f"short {i}"] = (time, row.box)
        self._places = {name: held for name, held in self._places.items() if time - held[0] <= KEPT}
        for _, box in self._places.values():
            _pixelate(picture, box)


def _pixelate(picture: "Image.Image", box: tuple[float, float, float, float]) -> None:
    from PIL import Image

    grow_x, grow_y = box[2] * (AROUND - 1) / 2, box[3] * (AROUND - 1) / 2
    left, top = max(0, int(box[0] - grow_x)), max(0, int(box[1] - grow_y))
    right = min(picture.width, int(box[0] + box[2] + grow_x) + 1)
    bottom = min(picture.height, int(box[1] + box[3] + grow_y) + 1)
    if right - left < 2 or bottom - top < 2:
        return
    piece = picture.crop((left, top, right, bottom))
    small = piece.resize((_PIECES, _PIECES), Image.Resampling.BOX)
    picture.paste(small.resize(piece.size, Image.Resampling.NEAREST), (left, top))


def _draw(pen: Any, row: VideoRow, size: tuple[int, int]) -> None:
    """Box, name, and bars of what moves; beside the box where there is room."""
    assert row.box is not None
    x, y, width, height = row.box
    colour = WHOLE_COLOUR if row.reliable else (176, 60, 40)
    pen.rectangle((x, y, x + width, y + height), outline=colour, width=2)
    unit = max(9, min(16, size[1] // 40))
    text = font(unit)
    name = (row.person or "?") + ("" if row.reliable else f" ({row.unreliable_because})")
    pen.rectangle((x, y - unit - 4, x + pen.textlength(name, font=text) + 6, y), fill=colour)
    pen.text((x + 3, y - unit - 3), name, fill=PAPER, font=text)
    bars = _strongest(row.change)
    wide = 11 * unit
    left = x + width + 6 if x + width + 6 + wide <= size[0] else max(0, x - wide - 6)
    if bars:
        pen.rectangle((left, y, left + wide, y + (unit + 3) * len(bars) + 2), fill=PAPER)
    for i, (label, value) in enumerate(bars):
        top = y + (unit + 3) * i + 2
        side = AU_BY_NAME[label].side
        shade = WHOLE_COLOUR if side is None else LEFT if side == "left" else RIGHT
        pen.rectangle((left + 2, top, left + 2 + value * (wide - 4), top + unit), fill=shade)
        pen.text((left + 4, top - 1), label, fill=INK, font=font(max(8, unit - 3)))


def _strongest(change: AUVector | None) -> list[tuple[str, float]]:
    """At most `BARS` units that move, the strongest first."""
    moving = [
        (name, value) for name, value in (change or {}).items() if value is not None and value >= BEGINS / 2
    ]
    return sorted(moving, key=lambda pair: (-pair[1], pair[0]))[:BARS]
