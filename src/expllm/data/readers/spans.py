"""Places in files: where a caption and its picture stand, so that neither is kept in memory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from expllm.core.errors import RecordError

_CHUNK: Final = 2**20
"""Bytes of a JSON file that are read at once."""

LONGEST_OBJECT: Final = 2**24
"""Bytes of one object of a list; a longer one is no caption."""


class Span(NamedTuple):
    """Bytes of a file.

    Attributes:
        file: The file, by its place in a list of files.
        offset: Where they begin.
        size: How many they are.
    """

    file: int
    offset: int
    size: int


@dataclass(frozen=True)
class Found:
    """A caption and its picture, and where both stand.

    Attributes:
        id: Unique in the data set.
        text: The caption.
        text_at: The caption, or the JSON object that holds it.
        picture_at: The picture; in a folder of pictures only `file` counts, and the object names it.
        picture_size: Bytes of the picture, for the fingerprint.
        is_json: Whether a JSON object holds the caption.
    """

    id: str
    text: str
    text_at: Span
    picture_at: Span
    picture_size: int
    is_json: bool


@dataclass(frozen=True)
class Lost:
    """Something that is no caption with a picture: its place, and why."""

    where: str
    reason: str


def caption_text(record: bytes, *, is_json: bool) -> str:
    """The caption in the bytes of a text or of a JSON object; empty if there is none.

    Of a conversation it is the first answer: the question was drawn from a list and says nothing.

    Raises:
        ValueError: neither UTF-8 nor JSON.
    """
    if not is_json:
        return record.decode("utf-8-sig").strip()
    values = json.loads(record)
    return caption_of(values) if isinstance(values, dict) else ""


def caption_of(values: dict[str, Any]) -> str:
    """The caption of an object of LLaVA's `chat.json` or `metadata.json`, or of a WebDataset shard."""
    turns = values.get("conversations")
    if isinstance(turns, list):
        answers = [turn for turn in turns if isinstance(turn, dict) and turn.get("from") == "gpt"]
        text = answers[0].get("value") if answers else None
    else:
        text = values.get("caption")
    return text.strip() if isinstance(text, str) else ""


def json_spans(path: Path) -> Iterator[tuple[int, int, Any]]:
    """(offset, size, value) of each item of a JSON list, or of each line of JSON Lines, in bytes.

    The file is never held as a whole: LLaVA's list has 211 MB, and takes 1.5 GB once it is read.

    Raises:
        RecordError: not JSON, cut short, or not readable.
    """
    try:
        with open(path, "rb") as file:
            yield from _Scan(path, file).items()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from None


class _Scan:
    """A walk over the items of a list. Bytes are read as Latin-1, where a character is a byte."""

    BLANK: Final = " \t\r\n,"

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file
        self._text: str = file.read(_CHUNK).decode("latin-1")
        self._start = 0  # of `_text` in the file
        self._at = 3 if self._text.startswith("\xef\xbb\xbf") else 0
        self._decoder = json.JSONDecoder()

    def items(self) -> Iterator[tuple[int, int, Any]]:
        is_list = self._next() == "["
        self._at += is_list
        while (head := self._next()) and not (is_list and head == "]"):
            end = self._end_of_item()
            raw = self._text[self._at : end].encode("latin-1")
            try:
                value = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise self._broken(str(error)) from None
            yield self._start + self._at, len(raw), value
            self._at = end
        if is_list and not head:
            raise self._broken("the list has no end")

    def _next(self) -> str:
        """The next character that is no blank; empty at the end of the file."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in self.BLANK:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _end_of_item(self) -> int:
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if len(self._text) - self._at > LONGEST_OBJECT or not self._more():
                    raise self._broken(str(error)) from None
                continue
            if end < len(self._text) or not self._more():  # a number may go on in the next chunk
                return int(end)

    def _more(self) -> bool:
        chunk = self._file.read(_CHUNK)
        self._text = self._text[self._at :] + chunk.decode("latin-1")
        self._start += self._at
        self._at = 0
        return bool(chunk)

    def _broken(self, why: str) -> RecordError:
        where = f"{self._path}: at byte {self._start + self._at:,}"
        return RecordError(f"{where}: not JSON, or cut short ({why}); download it again")
