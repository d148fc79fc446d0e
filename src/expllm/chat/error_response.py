"""What a server says went wrong: code, message and parameter, wherever its dialect puts them."""

import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from expllm.chat.retries import wait_in_message

_DEEPEST: Final = 8
"""Levels of an error that are looked into; real ones have up to six."""
_MOST_TEXTS: Final = 8
_LONGEST_TEXT: Final = 2000
_LAST_WORD: Final = re.compile(r"\s\S*\Z")
_CODES: Final = (
    *("code", "type", "status", "statuscode", "errorcode", "errortype", "errcode", "errno"),
    *("reason", "quotaid", "blockreason"),
)
_TEXTS: Final = (
    *("message", "msg", "detail", "details", "error", "errors"),
    *("errordescription", "errormsg", "errmsg", "errormessage", "statusmsg", "raw"),
)
_WITHIN: Final = ("innererror", "metadata", "baseresp", "violations", "reasons")
"""Members that hold more of the same, besides those of `_TEXTS`."""
_WRAPPERS: Final = ("response", "result", "data", "output", "body")
"""Members in which some servers put all that they have to say, good or bad.

All these names are compared in lower case, without underscores: there are `error_msg` and `ErrorMsg`.
"""
_WAITS: Final = ("retryafter", "retryafterseconds", "estimatedtime")
"""Members with the seconds until another attempt; the last is Hugging Face's, while it loads a model."""

_STATUS_BY_WORD: Final = {
    429: ("rate_limit", "rate limit", "too_many_requests", "too many requests", "resource_exhausted",
          "throttl", "request limit", "requestlimit", "qps", "频繁", "限流"),
    503: ("overloaded", "unavailable", "busy", "繁忙"),
    500: ("server_error", "internal"),
    408: ("timeout", "timed out"),
    400: ("invalid_request", "bad_request", "badrequest", "invalid_argument", "invalid_parameter",
          "validation"),
}  # fmt: skip
"""HTTP status -> what says the same where no number does, passing ones first."""
_LOADING: Final = re.compile(r"\b(?:currently|still|is|being) (?:being )?(?:load|warm)(?:ed|ing)\b")
_TOO_MANY: Final = re.compile(r"\brate limit|too many (?:concurrent )?requests|throttled|限流|频繁")
PASSING: Final = (408, 409, 424, 425, 429)
"""Statuses below 500 that another attempt may not meet."""


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error as the server reported it.

    Attributes:
        status: Of HTTP; under status 200 what the error itself says, 0 where it says nothing.
        codes: Its codes and types, from the outside in.
        text: Its messages, from the outside in.
        parameter: The parameter of the request that it names.
        wait: Seconds after which it allows another attempt.
    """

    status: int
    codes: tuple[str, ...]
    text: str
    parameter: str = ""
    wait: float | None = None

    @property
    def words(self) -> str:
        """Codes and text, as `error_kinds.kind_of` reads them."""
        return " ".join([*(f"code={code}" for code in self.codes), self.text])

    @property
    def passing(self) -> bool:
        """Another attempt may not meet it."""
        return self.status in PASSING or self.status >= 500


def read_error(data: Any, status: int, plain: str = "") -> ErrorResponse:
    """Reads the error in a reply.

    Args:
        data: The body as JSON values; None where it is no JSON.
        status: Of HTTP.
        plain: The body as text, which is quoted where it is no JSON.
    """
    found = list(_parts(data, 0))
    codes = tuple(dict.fromkeys(value for kind, value in found if kind == "code"))
    texts = list(dict.fromkeys(value for kind, value in found if kind == "text"))[:_MOST_TEXTS]
    text = ": ".join(texts) if texts else _page_text(plain) if data is None else ""
    parameter = next((value for kind, value in found if kind == "parameter"), "")
    wait = next((value for kind, value in found if kind == "wait"), text)
    return ErrorResponse(_status(status, codes, text), codes, text, parameter, wait_in_message(wait))


def error_within(data: Any) -> Any:
    """The error of a reply that came with a status of success; None where it has none."""
    if isinstance(data, list):
        return _first(data[:3])
    return _error_of(data) if isinstance(data, dict) else None


def _first(values: Iterable[Any]) -> Any:
    return next((found for value in values if (found := error_within(value)) is not None), None)


def _error_of(data: dict[str, Any]) -> Any:
    members = _by_plain_name(data)
    if _told(members.get("error")):
        return {name: members[name] for name in ("error", "code", "type") if name in members}
    base, choices = data.get("base_resp"), members.get("choices")
    if isinstance(base, dict) and base.get("status_code"):
        return {"base_resp": base}
    if isinstance(choices, list) and choices:
        first = choices[0]
        return {"error": first["error"]} if isinstance(first, dict) and _told(first.get("error")) else None
    if _told({name: members.get(name) for name in _TOLD} | _message_of(members)):
        return data
    return _first(inner for name in _WRAPPERS if isinstance(inner := members.get(name), dict))


_TOLD: Final = ("detail", "msg", "errors", "errormsg", "errmsg", "errormessage")


def _message_of(members: dict[str, Any]) -> dict[str, Any]:
    """The member `message`, unless it is a turn of a conversation."""
    message = members.get("message")
    turn = isinstance(message, dict) and ("role" in message or "content" in message)
    return {} if turn else {"message": message}


def _by_plain_name(value: dict[str, Any]) -> dict[str, Any]:
    """Members by their names in lower case, without underscores; of two alike, the first."""
    plain: dict[str, Any] = {}
    for name, member in value.items():
        plain.setdefault(name.replace("_", "").casefold(), member)
    return plain


def _told(value: Any, depth: int = 0) -> bool:
    """Whether a member says anything: some gateways always send one, with nothing in it."""
    if isinstance(value, dict) and depth < _DEEPEST:
        return any(_told(item, depth + 1) for item in value.values())
    return bool(value)


def _parts(value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """Everything that an error says, outer things first, as pairs of what it is and its text."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        inner = _parsed(value)
        yield from [("text", _begun(value.strip()))] if inner is None else _parts(inner, depth + 1)
    elif isinstance(value, list):
        for item in value[:_MOST_TEXTS]:
            yield from _parts(item, depth + 1)
    elif isinstance(value, dict):
        yield from _members(value, depth)


def _members(value: dict[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    value = _by_plain_name(value)
    for name in _CODES:
        found = value.get(name)
        if isinstance(found, str | int) and not isinstance(found, bool) and found != "":
            yield "code", str(found)[:100]
    for name in ("param", "parameter"):
        if isinstance(value.get(name), str) and value[name]:
            yield "parameter", value[name]
    if isinstance(value.get("retrydelay"), str):
        yield "wait", f"retry in {value['retrydelay']}"
    for name in _WAITS:
        if isinstance(value.get(name), int | float):
            yield "wait", f"retry in {value[name]}s"
    place = value.get("loc")  # FastAPI: where in the request a value is wrong
    if isinstance(place, list) and isinstance(value.get("msg"), str):
        yield "parameter", str(place[-1]) if place else ""
        yield "text", f"{'.'.join(map(str, place))}: {value['msg']}"
        return
    for name in (*_TEXTS, *_WITHIN):
        if name in value:
            yield from _parts(value[name], depth + 1)
    for name in _WRAPPERS:
        if isinstance(value.get(name), dict):
            yield from _parts(value[name], depth + 1)


def _parsed(text: str) -> Any:
    """A text that is JSON itself, as gateways quote the server behind them; None for any other."""
    start = text.lstrip()[:1]
    if start not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _status(status: int, codes: tuple[str, ...], text: str) -> int:
    """A status of HTTP that says what the codes say: some servers send 200, or 400 where 429 is meant."""
    numbers = [int(code) for code in codes if len(code) == 3 and code.isascii() and code.isdigit()]
    named = _named_status(" ".join(codes))
    if not 200 <= status < 300:
        said = text.casefold()
        if status in (400, 403) and (429 in numbers or named == 429 or _TOO_MANY.search(said)):
            return 429
        return 503 if 400 <= status < 500 and _LOADING.search(said) else status
    return next((number for number in numbers if 400 <= number < 600), 0) or named or _named_status(text)


def _named_status(words: str) -> int:
    words = words.casefold()
    return next((number for number, names in _STATUS_BY_WORD.items() if any(n in words for n in names)), 0)


_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_HIDDEN: Final = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")
_LONGEST_PAGE: Final = 20_000


def _page_text(body: str) -> str:
    """What a body that is no JSON says: the title of a page, else its words."""
    body = body if len(body) <= _LONGEST_PAGE else body[:_LONGEST_PAGE].rpartition(" ")[0]
    title = _TITLE.search(body)
    text = title[1] if title and title[1].strip() else _TAG.sub(" ", _HIDDEN.sub(" ", body))
    return _begun(" ".join(html.unescape(text).split()))


def _begun(text: str) -> str:
    """The beginning of a long text, cut at a blank: half a key would not be recognised as one."""
    if len(text) <= _LONGEST_TEXT:
        return text
    begun = text[:_LONGEST_TEXT]
    last = _LAST_WORD.search(begun)
    return begun[: last.start()] if last else begun  # of one long word, only the beginning is ever shown
