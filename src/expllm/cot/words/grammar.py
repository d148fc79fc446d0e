"""How a wording becomes words: alternatives, number, gaps, lists. No wording stands here.

``<a|b>`` in a wording is one of these, ``[is|are]`` the form for one thing and for several, ``{name}`` a gap.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

_ALTERNATIVES: Final = re.compile(r"<([^<>]*)>")
_NUMBER: Final = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")


class Voice:
    """Picks wordings: the same seed and slot always give the same one, other slots do not change it."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def pick(self, slot: str, options: Sequence[str], turn: int = 0) -> str:
        """One of `options`, its alternatives chosen; the next `turn` of the same slot gives another one."""
        chosen = options[(self._number(slot) + turn) % len(options)]
        return self._expanded(f"{slot}/{turn}", chosen) if "<" in chosen else chosen

    def _expanded(self, slot: str, wording: str) -> str:
        """`wording` with one of each ``<a|b>``, the innermost first."""
        count = 0
        while match := _ALTERNATIVES.search(wording):
            # "[is|are]" holds a bar of its own.
            options = re.split(r"\|(?![^\[]*\])", match[1])
            chosen = options[self._number(f"{slot}<{count}") % len(options)]
            wording = wording[: match.start()] + chosen + wording[match.end() :]
            count += 1
        return wording

    def _number(self, slot: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self._seed}|{slot}".encode()).digest()[:8], "big")


def say(frame: str, plural: bool = False, **fields: str) -> str:
    """`frame` with its gaps and number filled in, without double spaces."""
    number = _NUMBER.sub(r"\2" if plural else r"\1", frame)
    return " ".join(number.format(**fields).split()).replace(" ,", ",").replace(" .", ".")


def join_items(items: Sequence[str]) -> str:
    """``"a"``, ``"a and b"``, ``"a, b and c"``; "as well as" where an item has an "and" of its own."""
    if len(items) < 2:
        return "".join(items)
    last = ", as well as " if any(re.search(r" and |,", item) for item in items) else " and "
    return ", ".join(items[:-1]) + last + items[-1]


def sentence(text: str) -> str:
    """`text` with a capital and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def with_article(noun: str) -> str:
    """`noun` after "a" or "an"."""
    vowel = noun[0] in "aeiou" and not noun.startswith("one")
    return f"{'an' if vowel else 'a'} {noun}"
