"""What an error is about, by the words of all dialects."""

import re
from functools import cache
from typing import Final, Literal

from expllm.chat.dialects import DIALECTS, OTHER_DIALECT, Dialect

Kind = Literal["filtered", "context", "length", "credit", "model", "key", "pictures", "place"]
"""What an error is about: one request (the first three), or every request."""

_KINDS: Final[tuple[Kind, ...]] = (
    "pictures",
    "credit",
    "key",
    "filtered",
    "length",
    "context",
    "place",
    "model",
)
"""In the order in which they are looked for: a closed account broke a policy, and concerns every request."""


_OF_THE_MOMENT: Final = re.compile(
    r"per[ _-]?(?:second|minute|hour|day|month)|rate[ _-]?limit|too many requests|unavailable|timed?[ -]?out"
)
"""Beside a general word, these say that it is about more than one request: a limit, a filter that is down."""


def error_kind(words: str, dialect: Dialect = OTHER_DIALECT) -> Kind | None:
    """What an error's words are about; None where no row knows them.

    Args:
        words: Its codes as `code=...`, and its message.
        dialect: The server's own, which may call passing what others mean for good.
    """
    text = words.casefold()
    found = next((kind for kind in _KINDS if _pattern(kind).search(text)), None)
    if found == "credit" and dialect.throttled and _compiled(dialect.throttled).search(text):
        return None
    if found in ("filtered", "context") and _OF_THE_MOMENT.search(text) and not _specific(found).search(text):
        return None
    return found


@cache
def _pattern(kind: Kind) -> re.Pattern[str]:
    return _compiled(tuple(word for row in (*DIALECTS, OTHER_DIALECT) for word in getattr(row, kind)))


@cache
def _specific(kind: Kind) -> re.Pattern[str]:
    """What only one server says."""
    return _compiled(tuple(word for row in DIALECTS for word in getattr(row, kind)))


@cache
def _compiled(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_expression, words)))


def _expression(word: str) -> str:
    """A row's word as a regular expression; a number at its end must end there."""
    spelled = ".{0,120}?".join(re.escape(piece) for piece in word.split("*"))
    return spelled + (r"(?!\d)" if word[-1].isdigit() else "")
