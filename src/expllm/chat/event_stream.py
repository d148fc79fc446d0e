"""Replies that come as an event stream though none was asked for: put together into one completion."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from expllm.chat.other_protocols import other_protocol

_LINE: Final = re.compile(r"\r\n|\n|\r")
"""Of an event stream. `str.splitlines` also breaks at U+2028, which a text may hold."""
_FIELDS: Final = ("event:", "id:", "retry:")
_DONE: Final = "[DONE]"


def body_value(body: bytes) -> Any:
    """The JSON value of a body; of an event stream, the completion that its pieces make; else None.

    A stream that neither ends with `[DONE]` nor says why it ends was cut: None. Of a stream in another
    protocol, the first piece that shows it.
    """
    text = body.decode(json.detect_encoding(body), "replace").removeprefix("\ufeff")
    value = _json(text)
    if isinstance(value, str) and value.lstrip().startswith("{"):  # packed twice
        return _json(value)
    return _joined(text) if value is None else value


def _joined(text: str) -> Any:
    events = list(_events(text))
    pieces = [piece for event in events if isinstance(piece := _json(event), dict)]
    if failed := next((piece for piece in pieces if _failed(piece)), None):
        return failed
    if not any(piece.get("choices") for piece in pieces):
        return next((piece for piece in pieces if other_protocol(piece)), None)
    whole = _completion(pieces)
    ended = _DONE in events or whole["choices"][0]["finish_reason"] is not None
    return whole if ended else None


def _failed(piece: dict[str, Any]) -> bool:
    """Whether an event is an error: some servers put its members where those of a piece would stand."""
    if piece.get("error"):
        return True
    return "choices" not in piece and any(isinstance(piece.get(name), str) for name in ("message", "detail"))


def _json(event: str) -> Any:
    """Its value, line breaks within texts let pass; None where it is no JSON."""
    try:
        return json.loads(event, strict=False)
    except (ValueError, RecursionError):
        return None


def _events(text: str) -> Iterator[str]:
    """The data of each event; what stands between events without a field's name is taken for data, too."""
    data: list[str] = []
    bare: list[str] = []
    for line in [*_LINE.split(text), ""]:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith(":") or line.startswith(_FIELDS):
            continue
        elif line.strip():
            bare.append(line)
            continue
        if bare:
            yield from _bare(bare)
            bare = []
        if data and not line.strip():
            yield from _data(data)
            data = []
    if data:
        yield from _data(data)


def _data(lines: list[str]) -> Iterator[str]:
    """One event of several lines, or several events without the empty line between."""
    if len(lines) > 1 and _json("\n".join(lines)) is None:
        yield from lines
    else:
        yield "\n".join(lines)


def _bare(lines: list[str]) -> Iterator[str]:
    """A JSON value over several lines, or one a line."""
    yield from [whole] if _json(whole := "\n".join(lines)) is not None else lines


def _completion(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """A completion of the first choice of all pieces: texts added up, of all else the last value."""
    message: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    finish = None
    for piece in pieces:
        whole |= {name: value for name, value in piece.items() if name != "choices" and value is not None}
        choice = next(iter(_first_choices(piece)), {})
        finish = choice.get("finish_reason") or finish
        for part in (choice.get("message"), choice.get("delta"), {"content": choice.get("text")}):
            if isinstance(part, dict):
                _add(message, part)
    return whole | {"choices": [{"message": message, "finish_reason": finish}]}


def _first_choices(piece: dict[str, Any]) -> Iterator[dict[str, Any]]:
    choices = piece.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("index", 0) in (0, None):
            yield choice


def _add(message: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        before = message.get(name)
        texts = name != "role" and isinstance(before, str) and isinstance(value, str)
        if texts or (isinstance(before, list) and isinstance(value, list)):
            message[name] = before + value
        elif value is not None:
            message[name] = value
