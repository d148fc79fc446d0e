"""A self-contained HTML page of many analyses, written incrementally.

The counts are known at the end only, so they stand there; the style sheet moves them to the top.
"""

from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from PIL import Image

from expllm.report import mesh, rows
from expllm.report.audit_html import LEGEND
from expllm.report.face_cards import face_card
from expllm.report.html_shell import foot, html_text, jpeg_uri, page_head

if TYPE_CHECKING:
    from expllm.core.records import FaceAnalysis
    from expllm.files.images import Picture

LONGEST_SIDE: Final = 640  # of an embedded picture, pixels
_MESH: Final = "Lines of the face mesh: MediaPipe (Apache-2.0)."
_KEY: Final = """<p class="key">Sides are the subject\N{RIGHT SINGLE QUOTATION MARK}s own:
<span class="swatch right">their right</span> <span class="swatch left">their left</span>
<span class="swatch unknown">not measured</span>, which is not zero</p>"""
_MARKS: Final = f'<p class="key marks">Claims in the texts: {LEGEND}</p>'


class _TextFile(Protocol):
    def write(self, text: str, /) -> object: ...


class HtmlReport:
    """Writes a page of analyses; memory does not grow with the number of pictures.

    >>> import io
    >>> with HtmlReport(io.StringIO(), title="My pictures") as page:
    ...     page.add(None, [])

    Args:
        file: An open text file, UTF-8.
        title: The page's heading.
    """

    def __init__(self, file: _TextFile, *, title: str = "Facial expressions") -> None:
        self._file = file
        self._title = title
        self._items = 0
        self._statuses: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._file.write(page_head(self._title, _KEY + _MARKS))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An interrupted run leaves a page that can be read, and that says so.
        note = (
            ""
            if kind is None
            else '<p class="broken-off">The run was interrupted: this report is incomplete.</p>'
        )
        self._file.write(f"{note}</main>\n{self._summary()}{foot(_MESH)}")

    def add(self, picture: "Picture | None", analyses: "Sequence[FaceAnalysis]") -> None:
        """Writes one item: the picture, if there is one, and its analyses.

        Args:
            picture: Embedded with at most 640 px on its longer side; None where it could not be read.
            analyses: All analyses of this one picture or frame.
        """
        self._items += 1
        self._statuses.update(analysis.status for analysis in analyses)
        self._labels.update(rows.label_text(a) for a in analyses if a.expression or a.uncertain)
        name = html_text(rows.name_text(analyses[0]) if analyses else picture.name if picture else "nothing")
        number = self._items
        figure = _figure(picture, analyses, name, number) if picture else ""
        kind = "item" if picture else "item bare"
        cards = "".join(face_card(analysis) for analysis in analyses)
        self._file.write(
            f'<article class="{kind}" id="item-{number}" aria-labelledby="name-{number}">'
            f'<h2 id="name-{number}">{name}</h2>{figure}<div class="faces">\n{cards}</div></article>\n'
        )

    def _summary(self) -> str:
        facts = [f"<li><strong>{self._items}</strong> {'picture' if self._items == 1 else 'pictures'}</li>"]
        words = {
            "ok": "faces measured", "too_small": "too small", "no_landmarks": "without landmarks",
            "no_face": "without a face", "error": "not readable",
        }  # fmt: skip
        for status, meaning in words.items():
            if self._statuses[status] or status == "ok":
                facts.append(f"<li><strong>{self._statuses[status]}</strong> {meaning}</li>")
        total = max(1, self._labels.total())
        labels = "".join(
            f'<tr><th scope="row">{html_text(label)}</th><td><span class="bar" '
            f'style="--v:{count / total:.4g}"></span></td><td class="value">{count}</td></tr>'
            for label, count in self._labels.most_common()
        )
        table = f"<table><caption>Faces by most probable label</caption>{labels}</table>" if labels else ""
        return f'<section class="summary" aria-label="Summary"><ul>{"".join(facts)}</ul>{table}</section>\n'


def _figure(picture: "Picture", analyses: "Sequence[FaceAnalysis]", name: str, number: int) -> str:
    photo = Image.fromarray(picture.pixels)
    photo.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    width, height = photo.size
    scale = (picture.full_size[0] / width, picture.full_size[1] / height)
    drawing = "".join(_drawing(analysis, scale, max(width, height)) for analysis in analyses)
    toggle = ""
    if any(analysis.landmarks for analysis in analyses):
        toggle = (
            f'<input type="checkbox" class="toggle" id="mesh-{number}" checked>'
            f'<label for="mesh-{number}">face mesh</label>'
        )
    return (
        f'<figure style="--w:{width};--h:{height}">{toggle}'
        f'<div class="frame"><img width="{width}" height="{height}" alt="{_alt(name, analyses)}"'
        f' src="{jpeg_uri(photo)}">'
        f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{drawing}</svg></div><figcaption>'
        f"{picture.full_size[0]} \N{MULTIPLICATION SIGN} {picture.full_size[1]} px</figcaption></figure>"
    )


def _alt(name: str, analyses: "Sequence[FaceAnalysis]") -> str:
    """Attribute text: the picture's name (already escaped) and what is marked in it."""
    faces = [f"{rows.face_text(a)}: {_read_as(a)}" for a in analyses if a.box]
    return f"{name} ({html_text('; '.join(faces))})" if faces else f"{name} (no face marked)"


def _read_as(analysis: "FaceAnalysis") -> str:
    known = analysis.status == "ok" or analysis.explained
    return rows.label_text(analysis) if known else analysis.status.replace("_", " ")


def _drawing(analysis: "FaceAnalysis", scale: tuple[float, float], longest: int) -> str:
    """SVG of one face in pixels of the embedded picture: mesh, box, number."""
    parts = []
    groups: tuple[mesh.Group, ...] = ("middle", "right", "left")
    for group in groups if analysis.landmarks else ():
        path = "".join(_path(line) for line in mesh.lines(analysis.landmarks or (), group, scale))
        parts.append(f'<path class="under" d="{path}"/><path class="{group}" d="{path}"/>')
    inside = ""
    if parts and analysis.landmarks:
        xs = [point[0] / scale[0] for point in analysis.landmarks]
        # In proportion to the face: small ones are not to vanish under their mesh.
        pen = min(3.0, max(longest / 900, (max(xs) - min(xs)) / 85))
        inside = f'<g class="mesh" style="--pen:{pen:.3f}px">{"".join(parts)}</g>'
    if analysis.box is None:
        return inside
    box = analysis.box
    x, y, width, height = box.x / scale[0], box.y / scale[1], box.width / scale[0], box.height / scale[1]
    size = longest / 26
    number = "?" if analysis.face_id is None else str(analysis.face_id)
    plate = size * (0.7 + 0.6 * len(number))
    left, top = max(0.0, x), max(0.0, y - 1.3 * size)
    rectangle = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return (
        f'{inside}<rect class="under" {rectangle}/><rect class="box {analysis.status}" {rectangle}/>'
        f'<rect class="plate" x="{left:.1f}" y="{top:.1f}" width="{plate:.1f}" height="{1.3 * size:.1f}"/>'
        f'<text x="{left + plate / 2:.1f}" y="{top + 0.98 * size:.1f}" font-size="{size:.1f}">{number}</text>'
    )


def _path(line: mesh.Line) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in line)
