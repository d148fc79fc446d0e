"""What every data set is read into: samples, and rows that could not become one."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from expllm.core.records import AUs, Record, Rect, TimedUnit
from expllm.core.vocabulary import Expression


def without_surrogates(text: str) -> str:
    """Half characters (lone surrogates) spelled out: no file and no database can hold them as they are."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_Text = Annotated[str, AfterValidator(without_surrogates)]


class ImageRef(Record):
    """Where the bytes of a picture are: a file, or a cell of a Parquet file or a CSV of pixels.

    Attributes:
        path: The picture, or the table; absolute, so that it holds in another working directory.
        row: Row of the table, from 0; None for a file.
        column: Column of the table; None for a file.
    """

    path: str
    row: Annotated[int, Field(ge=0)] | None = None
    column: str | None = None


class MemberRef(ImageRef):
    """A picture inside another file, such as a member of a tar or zip file: no archive is opened to read it.

    Attributes:
        offset: Where its bytes begin in the file.
        size: How many they are.
        packed: Whether they are deflated, as in a zip file.
    """

    offset: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=0)]
    packed: bool = False


class Sample(Record):
    """One face of a data set. No picture is loaded: `image` only says where it is.

    Attributes:
        id: Unique and stable in its data set. It may be a file's name, so it is data: never part of a prompt.
        expression: The label; None where the data set gives none.
        aus: Action units that the data set carries.
        image: The picture; None where the data set is handed out without.
        box: Where the face is, if the data set says so: its picture may show other people too.
        split: `train`, `valid` or `test`.
        identity: Who is seen, for splitting by person.
        votes: Votes of the annotators, by the data set's own names.
        text: An explanation that the data set carries.
        au_source: Where `aus` come from; None without them.
        course: Which units moved when, where the face is one of a video; `aus` are their peaks then.
    """

    id: Annotated[str, Field(min_length=1)]
    expression: Expression | None = None
    aus: AUs | None = None
    image: ImageRef | None = None
    box: Rect | None = None
    split: _Text | None = None
    identity: _Text | None = None
    votes: dict[_Text, int] | None = None
    text: _Text | None = None
    au_source: _Text | None = None
    course: tuple[TimedUnit, ...] | None = None


@dataclass(frozen=True)
class DatasetRow:
    """One row or file of a data set: a sample, or the reason why it is none.

    Attributes:
        where: The place in the data set, for messages.
        sample: None if the row is skipped.
        reason: Why it is skipped.
        split: The split it belongs to, also if it is skipped.
        content: What tells the picture from another one without reading it, such as its size.
    """

    where: str
    sample: Sample | None = None
    reason: str = ""
    split: str | None = None
    content: str = ""

    @classmethod
    def of(cls, where: str, sample: Sample, content: str = "") -> "DatasetRow":
        return cls(where, sample, split=sample.split, content=content)
