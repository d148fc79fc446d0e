"""A picture with its boxes, face meshes and, beside it, one panel of measurements a face."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw

from expllm.report import mesh, panel
from expllm.report.panel import INK, PAPER, Colour

if TYPE_CHECKING:
    from expllm.core.records import Box, FaceAnalysis
    from expllm.files.images import Picture

MAX_PANELS: Final = 6
_SMALLEST_SIDE, _LARGEST_SIDE = 720, 1600  # display size of the picture's longer side, pixels
_SMALLEST_HEIGHT: Final = 640  # so that a panel with readable text fits beside it
_WHITE: Final[Colour] = (255, 255, 255)
_UNREAD: Final[Colour] = (205, 205, 205)
# On a photograph the panel's two side colours are too dark to be seen; these are the same hues, lit.
_LIT: Final[dict[mesh.Group, Colour]] = {
    "right": (94, 220, 236), "left": (255, 186, 84), "middle": _WHITE
}  # fmt: skip


def draw_overlay(picture: "Picture", analyses: "Sequence[FaceAnalysis]") -> Image.Image:
    """The picture with numbered boxes and face meshes, and a panel of measurements beside it.

    Small pictures are enlarged and large ones reduced, so that the text is readable. At most six faces
    get a panel, measured ones first; the others keep their box, and a line counts them.

    Args:
        picture: The picture; boxes and landmarks are in pixels of its full size.
        analyses: All analyses of this picture; a face's number is its `face_id`.

    Returns:
        An RGB image, to be saved as PNG.
    """
    photo = _displayed(picture)
    scale = (picture.full_size[0] / photo.width, picture.full_size[1] / photo.height)
    for analysis in analyses:
        if analysis.landmarks:
            _draw_mesh(photo, analysis.landmarks, scale)
    _draw_boxes(photo, analyses, scale)
    ordered = sorted(analyses, key=lambda a: a.status != "ok")
    return _beside(photo, ordered[:MAX_PANELS], max(0, len(ordered) - MAX_PANELS))


def _displayed(picture: "Picture") -> Image.Image:
    photo = Image.fromarray(picture.pixels)
    wanted = max(1.0, _SMALLEST_SIDE / max(photo.size), _SMALLEST_HEIGHT / photo.height)
    factor = min(wanted, _LARGEST_SIDE / max(photo.size))
    if factor == 1:
        return photo
    size = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
    return photo.resize(size, Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.LANCZOS)


def _draw_mesh(photo: Image.Image, landmarks: mesh.Points, scale: tuple[float, float]) -> None:
    """Draws on `photo`, only in the rectangle around the landmarks; Pillow's lines are made smooth."""
    xs = [point[0] / scale[0] for point in landmarks]
    ys = [point[1] / scale[1] for point in landmarks]
    area = (
        max(0, int(min(xs)) - 4), max(0, int(min(ys)) - 4),
        min(photo.width, int(max(xs)) + 5), min(photo.height, int(max(ys)) + 5),
    )  # fmt: skip
    if area[0] >= area[2] or area[1] >= area[3]:
        return
    width = min(6.0, max(0.5, (max(xs) - min(xs)) / 130))
    photo.paste(_WHITE, area, _line_mask(mesh.lines(landmarks, "mesh", scale), area, width * 0.45, 0.28))
    for group, colour in _LIT.items():
        lines = mesh.lines(landmarks, group, scale)
        # A dark line below keeps the bright one visible on light skin.
        photo.paste((20, 28, 36), area, _line_mask(lines, area, width * 2.2, 0.35))
        photo.paste(colour, area, _line_mask(lines, area, width * 1.2, 0.95))


def _line_mask(
    lines: list[mesh.Line], area: tuple[int, int, int, int], width: float, opacity: float
) -> Image.Image:
    """Opacity (0-255) of `lines` over `area` (left, top, right, bottom), drawn large and reduced."""
    size = (area[2] - area[0], area[3] - area[1])
    fine = 4 if max(size) < 500 else 2
    mask = Image.new("L", (size[0] * fine, size[1] * fine))
    draw = ImageDraw.Draw(mask)
    for line in lines:
        points = [((x - area[0]) * fine, (y - area[1]) * fine) for x, y in line]
        draw.line(points, fill=round(255 * opacity), width=max(1, round(width * fine)), joint="curve")
    return mask.resize(size, Image.Resampling.BOX)


def _draw_boxes(photo: Image.Image, analyses: "Sequence[FaceAnalysis]", scale: tuple[float, float]) -> None:
    draw = ImageDraw.Draw(photo)
    width = max(2, round(max(photo.size) / 420))
    size = max(14, round(max(photo.size) / 48))
    for analysis in analyses:
        if analysis.box is None:
            continue
        left, top, right, bottom = _corners(analysis.box, scale)
        colour = _WHITE if analysis.status == "ok" else _UNREAD
        for edge in range(-1, width + 1):  # a dark hair line on both sides of the box
            shade = INK if edge in (-1, width) else colour
            if right - edge > left + edge and bottom - edge > top + edge:
                draw.rectangle((left + edge, top + edge, right - edge, bottom - edge), outline=shade)
        number = "?" if analysis.face_id is None else str(analysis.face_id)
        _draw_tag(draw, number, (left, top), size, photo.size)


def _corners(box: "Box", scale: tuple[float, float]) -> tuple[int, int, int, int]:
    x, y, width, height = (box.x / scale[0], box.y / scale[1], box.width / scale[0], box.height / scale[1])
    return round(x), round(y), round(x + width), round(y + height)


def _draw_tag(
    draw: ImageDraw.ImageDraw, number: str, corner: tuple[int, int], size: int, limits: tuple[int, int]
) -> None:
    """The number on a plate on the box's upper edge, moved inside where it would leave the picture."""
    font = panel.font(size)
    width, height = round(font.getlength(number) + 0.8 * size), round(1.35 * size)
    x = min(max(corner[0], 0), max(0, limits[0] - width))
    y = min(max(corner[1] - height, 0), max(0, limits[1] - height))
    draw.rectangle((x, y, x + width, y + height), fill=INK, outline=_WHITE)
    draw.text((x + width / 2, y + height / 2), number, fill=_WHITE, font=font, anchor="mm")


def _beside(photo: Image.Image, analyses: "Sequence[FaceAnalysis]", more: int) -> Image.Image:
    """Panels in the number of columns that makes the text largest against the whole image."""
    if not analyses:
        return photo
    sheets = [_Sheet(photo.height, analyses, columns) for columns in range(1, len(analyses) + 1)]

    def readability(sheet: _Sheet) -> float:
        across, down = photo.width + sheet.width, max(photo.height, sheet.height)
        return sheet.size / max(across, 1.8 * down)  # a slide is about 1.8 times as wide as high

    sheet, gap = max(sheets, key=readability), 24
    foot = round(2.2 * sheet.size) if more else 0
    height = max(photo.height, sheet.height + foot) + 2 * gap
    canvas = Image.new("RGB", (photo.width + sheet.width + 3 * gap, height), PAPER)
    canvas.paste(photo, (gap, gap))
    sheet.draw(canvas, photo.width + 2 * gap, gap)
    if more:
        where = (photo.width + 2 * gap, gap + sheet.height + foot // 2)
        text = f"+ {more} more, without a panel here"
        ImageDraw.Draw(canvas).text(where, text, fill=INK, font=panel.font(sheet.size), anchor="lm")
    return canvas


class _Sheet:
    """Panels in rows of `columns`, measured first and drawn only if chosen; lengths in pixels."""

    def __init__(self, photo_height: int, analyses: "Sequence[FaceAnalysis]", columns: int) -> None:
        rows = -(-len(analyses) // columns)
        self.size = min(34, max(15, int(photo_height / (panel._LINES * panel.LEADING * rows))))
        self.gap = 2 * self.size
        self.stacks = [analyses[column::columns] for column in range(columns)]
        self.width = columns * (panel.WIDTH * self.size + self.gap) - self.gap
        self.height = max(self._stack_height(stack) for stack in self.stacks)

    def _stack_height(self, stack: "Sequence[FaceAnalysis]") -> int:
        heights = [panel.panel_height(analysis, self.size) for analysis in stack]
        return sum(heights) + self.gap * (len(heights) - 1)

    def draw(self, canvas: Image.Image, left: int, top: int) -> None:
        for stack in self.stacks:
            y = top
            for analysis in stack:
                drawn = panel.draw_panel(analysis, self.size)
                canvas.paste(drawn, (left, y))
                y += drawn.height + self.gap
            left += panel.WIDTH * self.size + self.gap
