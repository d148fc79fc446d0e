"""Sides and numbers that stand apart from the movement they speak of."""

from dataclasses import dataclass, field, replace
from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding import cues
from expllm.grounding.claims import DegreeWord, Half
from expllm.grounding.meanings import MEANINGS
from expllm.grounding.tags import Item

_SIDED = frozenset("eyes lids brows corners lips mouth act".split())


_TOWARDS: Final = frozenset({"to", "toward", "towards"})


@dataclass(slots=True)
class ClaimDraft:
    """A claim while it is being read; indices count items of the sentence."""

    first: int
    last: int
    head: int
    part: str
    kind: str
    units: tuple[str, ...]
    negated: bool = False
    side: Side | None = None
    both: bool = False
    degree: DegreeWord | None = None
    value: float | None = None
    half: Half | None = None
    used: set[int] = field(default_factory=set)


def add_sides(items: list[Item], drafts: list[ClaimDraft]) -> None:
    """Reads the sides that no part follows: "more so on the right", "while the right is barely raised"."""
    used = {i for draft in drafts for i in draft.used}
    for i, item in enumerate(items):
        of = _spoken_of(items, drafts, i) if item.kind == "side" and i not in used else None
        if of is None or (_names_a_part(items, i) and not _again(items, of, i)):
            continue
        side = Side(str(item.value))
        value = _number_before(items, i) or _number_after(items, i)
        if value is not None:
            first, last = sorted((i, value[0]))
            number = replace(of, first=first, last=last, side=side, both=False, value=value[1], degree=None)
            drafts.append(number)
        elif (degree := _degree_on_side(items, i)) is not None:
            word = DegreeWord(str(items[degree].value))
            drafts.append(replace(of, first=degree, last=i, side=side, both=False, degree=word, value=None))
        elif (own := _own_movement(items, i)) is not None:
            drafts.append(_elliptic(items, of, i, own))
        elif (more := _comparison(items, of.last, i)) is not None:
            side = side if more else side.other
            first, last = min(of.first, i), max(of.last, i)
            drafts.append(replace(of, first=first, last=last, side=side, both=True, degree=None))
        elif of.side is None and not of.both and of.last < i <= of.last + 4 and _on(items, i):
            of.side, of.last = side, i


def _names_a_part(items: list[Item], i: int) -> bool:
    return any(item.kind == "part" for item in items[i + 1 : i + 3])


def _again(items: list[Item], of: ClaimDraft, i: int) -> bool:
    """The part that was named before, compared: "eye closure, particularly in the left *eye*"."""
    same = any(item.kind == "part" and item.value == of.part for item in items[i + 1 : i + 3])
    return same and any(item.word in ("particularly", "especially", "notably") for item in items[of.last : i])


def _on(items: list[Item], i: int) -> bool:
    return any(item.word in ("on", "at", "in", "to") for item in items[max(0, i - 2) : i])


def _spoken_of(items: list[Item], drafts: list[ClaimDraft], i: int) -> ClaimDraft | None:
    """The movement whose side is meant; none in "the jaw slides strongly *to the left*"."""
    before = [d for d in drafts if d.last < i]
    if before and before[-1].part == "jaw" and {one.word for one in items[max(0, i - 2) : i]} & _TOWARDS:
        return None
    sided = [d for d in before if d.part in _SIDED]
    return sided[-1] if sided else None


def _degree_on_side(items: list[Item], i: int) -> int | None:
    """ "*strongly* on the left and *slightly* on the right"."""
    j = i - 1
    while j >= 0 and (items[j].kind == "preposition" or items[j].word == "the"):
        j -= 1
    return j if j >= 0 and i - j >= 2 and items[j].kind == "degree" else None


def _own_movement(items: list[Item], i: int) -> int | None:
    """The movement that is told of a side alone: "while the right *is* barely *raised*"."""
    verb = False
    for j in range(i + 1, min(i + 9, len(items))):
        if (
            items[j].kind in ("comma", "break", "meaning", "part", "side", "number")
            or items[j].word in cues.MORE
        ):
            return None
        verb = verb or items[j].kind == "copula" or items[j].kind == "no"
        if items[j].kind == "motion" and verb:
            return j
    return None


def _elliptic(items: list[Item], of: ClaimDraft, i: int, motion: int) -> ClaimDraft:
    """A claim about the part that was named before, on another side, with a movement of its own."""
    kind = str(items[motion].value)
    idle = kind in ("still", "relaxed")
    same = idle or kind == "generic"
    degree = next((item for item in items[i + 1 : motion + 2] if item.kind == "degree"), None)
    return replace(
        of,
        first=i,
        last=motion,
        head=motion,
        kind=of.kind if same else kind,
        units=of.units if same else MEANINGS.get((of.part, kind), of.units),
        negated=items[motion].negated or idle,
        side=Side(str(items[i].value)),
        both=False,
        degree=DegreeWord(str(degree.value)) if degree else None,
        value=None,
    )


def _comparison(items: list[Item], said: int, i: int) -> bool | None:
    """True if this side is said to move more, False if less, None if nothing is compared.

    Words of the movement itself, up to item `said`, do not compare: "*notably* raised (left: ...)".
    """
    before = [item.word for item in items[max(said + 1, i - 5) : i] if item.kind != "motion"]
    after = []
    for item in items[i + 1 : i + 7]:
        if item.kind in ("meaning", "break", "comma"):
            break
        if item.kind != "motion":
            after.append(item.word)
    if "than" in before:
        return None
    if any(word in cues.LESS for word in (*before, *after)):
        return False
    if any(word in cues.MORE for word in before[-4:]) or any(
        word in ("more", "higher", "stronger", "greater") for word in after
    ):
        return True
    return None


def _number_before(items: list[Item], i: int) -> tuple[int, float] | None:
    """ "*0.51* on the left", "*0.57* (left)": where the number is, and what it says."""
    j = i - 1
    while j >= 0 and i - j <= 3 and (items[j].word in ("on", "for", "the") or items[j].kind == "open"):
        j -= 1
    if j < 0 or j == i - 1 or items[j].kind != "number" or items[j].value is None:
        return None
    return j, float(str(items[j].value))


def _number_after(items: list[Item], i: int) -> tuple[int, float] | None:
    for j in range(i + 1, min(len(items), i + 6)):
        item = items[j]
        if item.kind == "number":
            return (j, float(str(item.value))) if item.value is not None else None
        if item.kind == "side" or not (
            item.word in cues.NUMBER_LINKS
            or item.kind in ("colon", "open", "filler", "copula")
            or item.word == "side"
        ):
            return None
    return None


def add_numbers(items: list[Item], drafts: list[ClaimDraft]) -> None:
    """Gives a number that is quoted right after a movement to it."""
    read = {i for draft in drafts if draft.value is not None for i in range(draft.first, draft.last + 1)}
    for i, item in enumerate(items):
        if item.kind != "number" or item.value is None or i in read:
            continue
        near = [d for d in drafts if d.last < i and d.value is None]
        if near and _leads_to(items, near[-1].last, i) and not _one_of_several(items, i):
            near[-1].value, near[-1].last = float(str(item.value)), i


def _leads_to(items: list[Item], last: int, number: int) -> bool:
    return number - last <= 10 and all(
        items[j].word in cues.NUMBER_LINKS or items[j].kind in ("open", "comma", "colon", "filler", "degree")
        for j in range(last + 1, number)
    )


def _one_of_several(items: list[Item], i: int) -> bool:
    near = items[max(0, i - 4) : i] + items[i + 1 : i + 5]
    return any(item.kind == "number" for item in near)
