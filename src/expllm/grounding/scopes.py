"""Which words of a sentence are denied, and which are only supposed."""

from typing import Final

from expllm.grounding import cues
from expllm.grounding.tags import Item

_CONTINUES: Final = frozenset("or nor such like including as e.g".split())
_INSERTED: Final = 14
"""Words of an insertion between subject and predicate, at most."""
_NEUTRAL: Final = frozenset("motion act part degree filler side both copula link preposition".split())


def mark(items: list[Item]) -> list[Item]:
    """Sets `negated` and `supposed` on the items of a sentence."""
    _mark_supposed(items)
    i = 0
    while i < len(items):
        if items[i].kind == "no":
            _mark_negation(items, i)
        elif items[i].word in cues.ABSENT and _ends(items, i + 1):
            _deny_before(items, i)
        i += 1
    return items


def _mark_supposed(items: list[Item]) -> None:
    supposed = False
    for i, item in enumerate(items):
        if item.kind in ("comma", "break", "colon", "open", "close"):
            supposed = False
        if item.kind == "hypothetical":
            supposed = True
        elif supposed and item.word in cues.DESCRIBES:
            supposed = False  # "the expression associated with fear *shows* ..."
        elif item.word == "and" and supposed and _word(items, i + 1) in ("the", "with"):
            supposed = False
        item.supposed = supposed


def _mark_negation(items: list[Item], i: int) -> None:
    nearby = [item.word for item in items[i + 1 : i + 4]]
    if any(word in cues.IMPACT for word in nearby):
        return
    denies_verb = items[i].word in cues.NOT_WORDS or items[i].word.endswith("n't")
    if denies_verb and next((w for w in nearby if w not in ("be", "been", "being", "as")), "") in cues.SEEN:
        _deny_before(items, i)
        return
    for j in range(i + 1, len(items)):
        item = items[j]
        if item.kind in ("break", "colon", "open", "close") or _comma_ends(items, j) or _and_ends(items, j):
            return
        if item.kind == "meaning" and not denies_verb and j > i + 1:
            return
        if (item.word == "with" and items[j - 1].kind != "hypothetical") or (
            denies_verb and not _goes_on(item)
        ):
            return
        item.negated = True


def _goes_on(item: Item) -> bool:
    return item.kind in _NEUTRAL or item.word in cues.SHOWING or item.kind == "meaning"


def _comma_ends(items: list[Item], j: int) -> bool:
    """A comma ends a denial unless a list goes on: "no raised brows, closed eyes or smile"."""
    if items[j].kind != "comma":
        return False
    if _word(items, j + 1) in _CONTINUES:
        return False
    for item in items[j + 1 : j + 12]:
        if item.word in ("or", "nor"):
            return False
        if item.kind in ("break", "meaning", "copula") or item.word in ("and", "with"):
            return True
    return True


def _and_ends(items: list[Item], j: int) -> bool:
    return items[j].word == "and" and _word(items, j + 1) in ("the", "a", "an", "with", "its", "is", "are")


def _deny_before(items: list[Item], i: int) -> None:
    """ "frowning is absent": denies back to the beginning of the clause."""
    for item in reversed(items[: _before_insertion(items, i)]):
        if item.kind in ("break", "meaning", "comma", "colon"):
            return
        item.negated = True


def _before_insertion(items: list[Item], i: int) -> int:
    """Where the subject of a predicate ends: "frowning, *which is common here*, is absent"."""
    end = i
    while end > 0 and items[end - 1].kind in ("copula", "hypothetical", "filler", "no"):
        end -= 1
    if end == i or end < 2 or items[end - 1].kind != "comma":
        return i
    commas = [j for j in range(max(1, end - 1 - _INSERTED), end - 1) if items[j].kind == "comma"]
    return commas[-1] if commas else i


def _ends(items: list[Item], i: int) -> bool:
    return i >= len(items) or items[i].kind in ("comma", "break", "meaning", "close", "link")


def _word(items: list[Item], i: int) -> str:
    return items[i].word if i < len(items) else ""
