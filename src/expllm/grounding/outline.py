"""Where the sentences of an explanation end, and which of its lines are headings."""

import re
from typing import Final

from expllm.core.records import CoT

_CLOSED: Final = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]*_]*$")
_MARKED: Final = re.compile(rf"({'|'.join(CoT.HEADINGS)})\s*(?:[*_]+\s*:?|:\s*[*_]*)", re.IGNORECASE)
_HEADING: Final = re.compile(rf"[\s#*_\d.]*{_MARKED.pattern}\s*", re.IGNORECASE)


def ends_here(before: str, after: str) -> bool:
    """Whether a sentence, or a heading, ends between two pieces of a text.

    Args:
        before: The text since the last end.
        after: What follows; empty at the end of the text.

    >>> ends_here("The brows are lowered.", " The lips"), ends_here("measured 0.", "25")
    (True, False)
    """
    if not before.strip():
        return False
    if not after or after[0] == "\n" or before[-1] == "\n":
        return True
    return after[0].isspace() and (bool(_CLOSED.search(before)) or heading(before) is not None)


def heading(line: str) -> str | None:
    """Which of the three headings a line is, as `CoT.HEADINGS` spells it; None for any other line.

    >>> heading("**Key observations:** ")
    'Key Observations'
    """
    found = _HEADING.fullmatch(line)
    return None if found is None else _spelled(found[1])


def last_part(text: str) -> tuple[str | None, str]:
    """The last heading of a text, and the text from there on; None and all of it where it has none.

    >>> last_part("**Key Observations:** A smile. **Conclusion:** In conclusion, joy.")
    ('Conclusion', 'Conclusion:** In conclusion, joy.')
    """
    found = [*_MARKED.finditer(text)]
    return (_spelled(found[-1][1]), text[found[-1].start() :]) if found else (None, text)


def _spelled(name: str) -> str:
    return next(one for one in CoT.HEADINGS if one.casefold() == name.casefold())


def split(text: str) -> list[str]:
    """The sentences and headings of a text, each with the white space before it: together they are the text.

    >>> split("**Conclusion:** Joy. It is clear.")
    ['**Conclusion:**', ' Joy.', ' It is clear.']
    """
    parts, start = [], 0
    for at in range(1, len(text)):
        if (text[at].isspace() or text[at - 1] == "\n") and ends_here(text[start:at], text[at]):
            parts.append(text[start:at])
            start = at
    return [*parts, text[start:]] if text[start:] else parts
