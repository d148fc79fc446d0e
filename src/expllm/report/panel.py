"""The panel of one face beside a picture: label, probabilities, bars of the action units.

All lengths are multiples of the font size, so a panel looks the same at every size.
"""

from functools import cache
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFont

from expllm.report import rows

if TYPE_CHECKING:
    from expllm.core.records import FaceAnalysis

Colour = tuple[int, int, int]
_Band = tuple[float, float] | None
PAPER: Final[Colour] = (250, 249, 246)
INK: Final[Colour] = (28, 38, 50)
MUTED: Final[Colour] = (90, 102, 116)
TRACK: Final[Colour] = (231, 231, 226)
HATCH: Final[Colour] = (176, 180, 184)
RIGHT: Final[Colour] = (11, 114, 133)
LEFT: Final[Colour] = (176, 88, 0)
WHOLE_COLOUR: Final[Colour] = (73, 88, 110)

LEADING: Final = 1.5  # line height, in font sizes
_LINES: Final = 11 + len(rows.PAIRS) + len(rows.SIDELESS_UNITS)  # lines of a whole panel
_SENTENCE_LINES: Final = 7  # title and up to three lines of text
WIDTH: Final = 32  # width of a panel, in font sizes
_NAME: Final = 10.0  # width of the column of names
_VALUE: Final = 2.6  # width of a printed value


@cache
def font(size: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    """Pillow's own font at `size` pixels; it needs no font file."""
    return ImageFont.load_default(size)


def panel_height(analysis: "FaceAnalysis", size: int) -> int:
    """How high the panel becomes, in pixels: a sentence needs less than the bars."""
    lines = _LINES if rows.status_text(analysis) is None else _SENTENCE_LINES
    return round(lines * LEADING * size)


def draw_panel(analysis: "FaceAnalysis", size: int) -> Image.Image:
    """The panel of one face or input: RGB, 32 font sizes wide.

    Args:
        analysis: What to show. Without a measurement, a sentence says why.
        size: Font size in pixels.
    """
    sentence = rows.status_text(analysis)
    panel = _Panel(size, panel_height(analysis, size))
    if sentence is not None:
        panel.title(rows.face_text(analysis) if analysis.box else "", analysis.status.replace("_", " "))
        panel.paragraph(sentence)
        return panel.image
    probability = rows.label_probability(analysis)
    certainty = "" if probability is None else f"  {rows.percent_text(probability)}"
    panel.title(rows.face_text(analysis), rows.label_text(analysis) + certainty)
    for expression, value in rows.ranked_expressions(analysis)[:3]:
        panel.row(expression.value, value, rows.percent_text(value), INK)
    aus = rows.intensities(analysis)
    panel.heading("subject's right", "subject's left", RIGHT, LEFT)
    for action, right, left in rows.PAIRS:
        panel.pair(action, aus[right], aus[left], band(analysis, right), band(analysis, left))
    panel.heading("whole face", "", MUTED, MUTED)
    for name in rows.SIDELESS_UNITS:
        panel.row(name, aus[name], rows.intensity_text(aus[name]), WHOLE_COLOUR, band(analysis, name))
    return panel.image


def band(analysis: "FaceAnalysis", name: str) -> _Band:
    """How far off a reading may be, 0-1; None where that is not known."""
    reading = rows.reading_of(analysis, name)
    if reading is None or reading.low is None or reading.high is None:
        return None
    return reading.low, reading.high


class _Panel:
    """A sheet of lines, filled from the top."""

    def __init__(self, size: int, height: int) -> None:
        self.size = size
        self.image = Image.new("RGB", (WIDTH * size, height), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.y = 0.0

    def title(self, small: str, large: str) -> None:
        self.text(0, small, MUTED)
        self.y += LEADING * self.size
        self.text(0, large, INK, factor=1.5)
        self.y += 2 * LEADING * self.size

    def heading(self, left: str, right: str, left_colour: Colour, right_colour: Colour) -> None:
        self.y += 0.45 * LEADING * self.size
        middle = self.y + 1.2 * LEADING * self.size
        self.text(0, left, left_colour)
        self.text(WIDTH, right, right_colour, anchor="rm")
        self.draw.line((0, middle, self.image.width, middle), fill=TRACK, width=max(1, self.size // 12))
        self.y = middle + 0.2 * LEADING * self.size

    def row(self, name: str, value: float | None, text: str, colour: Colour, band: _Band = None) -> None:
        """A bar that grows from left to right; `value` is 0-1, or None if not measured."""
        self.text(0, name, INK)
        self.bar(_NAME, WIDTH - _VALUE, value, colour, band)
        if value is not None:
            self.text(WIDTH, text, INK, anchor="rm")
        self.y += LEADING * self.size

    def pair(
        self, action: str, right: float | None, left: float | None, right_band: _Band, left_band: _Band
    ) -> None:
        """Two bars that grow away from the name in the middle; the subject's right is at the left."""
        inner = (WIDTH - _NAME) / 2
        self.text(WIDTH / 2, action, INK, anchor="mm")
        self.bar(_VALUE, inner, right, RIGHT, right_band, backwards=True)
        self.bar(WIDTH - inner, WIDTH - _VALUE, left, LEFT, left_band)
        if right is not None:
            self.text(0, rows.intensity_text(right), INK)
        if left is not None:
            self.text(WIDTH, rows.intensity_text(left), INK, anchor="rm")
        self.y += LEADING * self.size

    def bar(
        self,
        start: float,
        end: float,
        value: float | None,
        colour: Colour,
        band: _Band = None,
        *,
        backwards: bool = False,
    ) -> None:
        """A track from `start` to `end` (font sizes) with a bar on it; hatched where not measured.

        A thin line shows how far off the value may be.
        """
        top, bottom = self.y + 0.4 * self.size, self.y + 1.1 * self.size
        x0, x1 = round(start * self.size), round(end * self.size)
        track = (x0, round(top), x1, round(bottom))
        if value is None:
            self.hatched(track)
            return
        self.draw.rectangle(track, fill=TRACK)
        length = round((x1 - x0) * value)
        if length:
            filled = (x1 - length, x1) if backwards else (x0, x0 + length)
            self.draw.rectangle((filled[0], track[1], filled[1], track[3]), fill=colour)
        if band is not None:
            ends = [x1 - round((x1 - x0) * end) if backwards else x0 + round((x1 - x0) * end) for end in band]
            middle = (track[1] + track[3]) // 2
            self.draw.line((min(ends), middle, max(ends), middle), fill=MUTED, width=max(1, self.size // 14))

    def hatched(self, track: tuple[int, int, int, int]) -> None:
        """Slanted lines and the words "not measured": never to be taken for a bar of length zero."""
        x0, y0, x1, y1 = track
        height, step = y1 - y0, max(5, self.size // 3)
        mask = Image.new("L", (x1 - x0, height))
        pen = ImageDraw.Draw(mask)
        for x in range(-height, x1 - x0, step):
            pen.line((x, height, x + height, 0), fill=255, width=max(1, self.size // 16))
        self.image.paste(HATCH, (x0, y0), mask)
        label = font(round(0.8 * self.size))
        middle, reach = (x0 + x1) / 2, label.getlength(rows.NOT_MEASURED) / 2 + 0.3 * self.size
        self.draw.rectangle((middle - reach, y0 - 1, middle + reach, y1 + 1), fill=PAPER)
        self.draw.text((middle, (y0 + y1) / 2), rows.NOT_MEASURED, fill=MUTED, font=label, anchor="mm")

    def text(self, x: float, text: str, colour: Colour, *, anchor: str = "lm", factor: float = 1.0) -> None:
        """One line at `x` font sizes, `factor` times as large; `anchor` is Pillow's."""
        where = (x * self.size, self.y + factor * LEADING * self.size / 2)
        self.draw.text(where, text, fill=colour, font=font(round(factor * self.size)), anchor=anchor)

    def paragraph(self, text: str) -> None:
        """Wrapped text, cut with an ellipsis after three lines."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and font(self.size).getlength(longer) > self.image.width:
                lines.append(word)
            else:
                lines[-1] = longer
        if len(lines) > 3:
            lines[2] += " ..."
        for line in lines[:3]:
            self.text(0, line, INK)
            self.y += LEADING * self.size
