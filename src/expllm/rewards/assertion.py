"""Whether a text stands by what it claims: asserted, hedged, asked, or put into the mouth of somebody else.

The audit checks what is claimed and not how surely. A reward has to look at that too: whoever may earn by
"the jaw may drop", or costs nothing by "some might say that the nose is wrinkled", says both of every face.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

from expllm.grounding.amounts import AMOUNTS
from expllm.grounding.claims import DegreeWord
from expllm.grounding.outline import split


class Stance(StrEnum):
    """How a text stands by a claim."""

    ASSERTED = "asserted"
    HEDGED = "hedged"
    ASKED = "asked"


_BREAK: Final = re.compile(
    r"[,;:()\u2014]|\b(?:and|but|which|because|since|as|while|whereas|although|though|with|given|by|so)\b",
    re.IGNORECASE,
)
"""Where a hedge stops hedging: "this may be joy, *as* the lip corners are raised"."""
_HEDGE: Final = re.compile(
    r"\b(?:may|might|could|perhaps|maybe|possibly|probably|presumably|conceivably|arguably|supposedly|allegedly|"
    r"apparently|seemingly|potentially|seems?|seemed|appears? to|appeared to|likely|possible|conceivable|"
    r"plausible|i (?:think|guess|suppose|believe))\b",
    re.IGNORECASE,
)
_BEHIND: Final = re.compile(
    r"^[\s,(\u2014-]*(?:perhaps|maybe|possibly|probably|presumably|arguably|supposedly|apparently|"
    r"i (?:think|guess|suppose|believe)|(?:or )?so it (?:seems|appears)|it (?:seems|appears)|it may be|"
    r"or (?:may|might) not(?: be)?)\W*$",
    re.IGNORECASE,
)
_WHO: Final = (
    "some|one|many|most|others?|people|observers?|viewers?|experts?|critics?|anyone|anybody|someone|somebody|everyone|"
    "you|it|we|i|they|a (?:viewer|critic|stranger|reader|person|friend|passer-?by|careful eye|closer look)|"
    "an (?:observer|onlooker|expert|eye)|the (?:viewer|observer|reader|legend|story|rumou?r)"
)
_SAYS: Final = (
    "says?|said|argued?|argues|claim(?:s|ed)?|think|thinks|thought|believed?|believes|imagined?|imagines|supposed?|"
    "supposes|suggest(?:s|ed)?|maintain(?:s|ed)?|hold|holds|held|swear|swears|sworn|guess|guessed|assumed?|assumes|"
    "contend(?:s|ed)?|insist(?:s|ed)?|feel|feels|felt|concluded?|concludes|report(?:s|ed)?|rumou?red|alleged|"
    "alleges|has it|wonder(?:s|ed)?|suspect(?:s|ed)?|expect(?:s|ed)?|objected|objects?|call|hazard|venture|"
    "speculated?|point out|possible|conceivable|plausible|likely|as if|as though"
)
_FRAME: Final = re.compile(
    rf"\b(?:{_WHO})\b(?:\s+[a-z']+){{0,4}}?\s+(?:{_SAYS})\b\s*,?\s*(?:(?:that|if|whether|how)\s+)?",
    re.IGNORECASE,
)
""" "*Some might say that* the nose is wrinkled": the audit passes over what somebody else may have said."""
_WORD: Final = re.compile(r"[\w']+(?:-[\w']+)*")
_CLOSING: Final = " \n*_\"')\u201d\u2019"
"""What may stand behind the mark that ends a sentence."""
_LONGEST: Final = max(phrase.count(" ") for phrase in AMOUNTS) + 1
_JOINING: Final = frozenset(
    "and or to even if not perhaps maybe yet but rather also then very at once as well".split()
)
"""Words between two degrees of one heap."""


def stance(text: str, start: int, end: int) -> Stance:
    """How a text stands by the claim that it makes from `start` to `end`.

    >>> stance("Perhaps the brows are raised.", 12, 28), stance("Are the brows raised?", 8, 20)
    (<Stance.HEDGED: 'hedged'>, <Stance.ASKED: 'asked'>)
    """
    first, last = _sentence(text, start, end)
    if text[first:last].rstrip(_CLOSING).endswith("?"):
        return Stance.ASKED
    before = [*_BREAK.split(text[first:start])][-1]
    if _HEDGE.search(before) or _HEDGE.search(text[start:end]) or _BEHIND.match(text[end:last]):
        return Stance.HEDGED
    return Stance.ASSERTED


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the sentence around some characters begins and ends."""
    first = 0
    for sentence in _sentences(text):
        last = first + len(sentence)
        if last > start:
            return first, max(last, end)
        first = last
    return 0, len(text)


@lru_cache(maxsize=16)
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(split(text))


def reported(text: str) -> Iterator[tuple[int, int]]:
    """Where clauses stand that somebody else is made to say; those of one sentence end with it.

    >>> text = "Some might say that the nose is wrinkled."
    >>> [text[first:last] for first, last in reported(text)]
    ['the nose is wrinkled.']
    """
    first = 0
    for sentence in _sentences(text):
        if frame := _FRAME.search(sentence):
            yield first + frame.end(), first + len(sentence)
        first += len(sentence)


def asked_words(text: str) -> Iterator[tuple[int, int]]:
    """Where the words of questions stand, without the marks that end them: the audit passes over them.

    >>> text = "The jaw drops. Are the brows raised?"
    >>> [text[first:last] for first, last in asked_words(text)]
    ['Are the brows raised']
    """
    first = 0
    for sentence in _sentences(text):
        words = sentence.rstrip(_CLOSING)
        if words.endswith("?"):
            yield first + len(words) - len(words.lstrip()), first + len(words.rstrip("?!"))
        first += len(sentence)


def stacked_degrees(claimed: str) -> tuple[DegreeWord, ...]:
    """Different degrees that stand in one heap: "slightly, moderately, strongly raised".

    Returns:
        Two or more, in the order of the words; none where a claim tells one degree.
    """
    words = [word.casefold() for word in _WORD.findall(claimed)]
    heap: list[DegreeWord] = []
    at = 0
    while at < len(words):
        length, degree = _amount(words, at)
        if degree is not None:
            heap.append(degree)
        elif words[at] not in _JOINING:
            if len(set(heap)) > 1:
                break
            heap = []
        at += length
    found = tuple(dict.fromkeys(heap))
    return found if len(found) > 1 else ()


def _amount(words: Sequence[str], at: int) -> tuple[int, DegreeWord | None]:
    """The longest phrase of an amount from here on: its words and degree; 1 and None for no amount."""
    for length in range(min(_LONGEST, len(words) - at), 0, -1):
        if degree := AMOUNTS.get(" ".join(words[at : at + length])):
            return length, degree
    return 1, None
