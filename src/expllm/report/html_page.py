"""A self-contained HTML page of many analyses, written incrementally.

The counts are known at the end only, so they stand there; the style sheet moves them to the top.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from PIL import Image

from expllm.report import mesh, rows
from expllm.report.face_cards import face_card
from expllm.report.html_shell import foot, jpeg_uri, page_head, render

if TYPE_CHECKING:
    from markupsafe import Markup

    from expllm.core.records import Box, FaceAnalysis
    from expllm.files.images import Picture

LONGEST_SIDE: Final = 640  # of an embedded picture, pixels
_MESH: Final = "Lines of the face mesh: MediaPipe (Apache-2.0)."
_STATUS_WORDS: Final = {
    "ok": "faces measured", "too_small": "too small", "no_landmarks": "without landmarks",
    "no_face": "without a face", "error": "not readable",
}  # fmt: skip


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
        self._file.write(page_head(self._title, render("key.html")))
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
        name = rows.name_text(analyses[0]) if analyses else picture.name if picture else "nothing"
        self._file.write(
            render(
                "item.html", number=self._items, name=name, cards=map(face_card, analyses),
                picture=_ShownPicture(picture, analyses, name) if picture else None,
            )
        )  # fmt: skip

    def _summary(self) -> "Markup":
        counts = self._statuses
        facts = [(counts[s], words) for s, words in _STATUS_WORDS.items() if counts[s] or s == "ok"]
        return render("summary.html", items=self._items, facts=facts, labels=self._labels)


class _ShownPicture:
    """A picture as the page shows it: embedded, with its faces drawn in pixels of what is embedded.

    Attributes:
        width, height: Of the embedded picture.
        full_size: Width and height of the original.
        address: The picture itself.
        alt: Its name, and what is marked in it.
        drawings: One for each face.
        has_mesh: Whether a face has a mesh that can be switched off.
    """

    def __init__(self, picture: "Picture", analyses: "Sequence[FaceAnalysis]", name: str) -> None:
        photo = Image.fromarray(picture.pixels)
        photo.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        self.width, self.height = photo.size
        self.full_size = picture.full_size
        self.address = jpeg_uri(photo)
        faces = "; ".join(f"{rows.face_text(a)}: {_read_as(a)}" for a in analyses if a.box)
        self.alt = f"{name} ({faces or 'no face marked'})"
        scale = (picture.full_size[0] / self.width, picture.full_size[1] / self.height)
        self.drawings = [_drawing(analysis, scale, max(photo.size)) for analysis in analyses]
        self.has_mesh = any(analysis.landmarks for analysis in analyses)


def _read_as(analysis: "FaceAnalysis") -> str:
    known = analysis.status == "ok" or analysis.explained
    return rows.label_text(analysis) if known else analysis.status.replace("_", " ")


@dataclass(frozen=True)
class _Drawing:
    """Mesh, box and number of one face, in pixels of the embedded picture.

    Attributes:
        mesh: (group, path) of its lines.
        pen: Width of these lines.
        box: Where the face is; None where nobody knows.
        status: Of its analysis.
        number: What stands on the plate.
        size: Height of its letters.
        left, top, plate: The plate's upper left corner and its width.
    """

    mesh: Sequence[tuple[str, str]]
    pen: float
    box: "Box | None"
    status: str
    number: str
    size: float
    left: float = 0.0
    top: float = 0.0
    plate: float = 0.0


def _drawing(analysis: "FaceAnalysis", scale: tuple[float, float], longest: int) -> _Drawing:
    lines, pen = [], 0.0
    if analysis.landmarks:
        groups: tuple[mesh.Group, ...] = ("middle", "right", "left")
        lines = [
            (group, "".join(map(_path, mesh.lines(analysis.landmarks, group, scale)))) for group in groups
        ]
        xs = [point[0] / scale[0] for point in analysis.landmarks]
        # In proportion to the face: small ones are not to vanish under their mesh.
        pen = min(3.0, max(longest / 900, (max(xs) - min(xs)) / 85))
    number, size = "?" if analysis.face_id is None else str(analysis.face_id), longest / 26
    box = analysis.box
    if box is None:
        return _Drawing(lines, pen, None, analysis.status, number, size)
    x, y, width, height = box.x / scale[0], box.y / scale[1], box.width / scale[0], box.height / scale[1]
    return _Drawing(
        lines, pen, type(box)(x=x, y=y, width=width, height=height), analysis.status, number, size,
        left=max(0.0, x), top=max(0.0, y - 1.3 * size), plate=size * (0.7 + 0.6 * len(number)),
    )  # fmt: skip


def _path(line: mesh.Line) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in line)
