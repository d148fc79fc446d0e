"""Free text to claims about movements."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expllm.core.vocabulary import Side
from expllm.grounding import cues
from expllm.grounding.claims import Claim, DegreeWord, Unread
from expllm.grounding.clauses import Motion, attach, clauses, is_act, meaning, motions
from expllm.grounding.combining import combined
from expllm.grounding.meanings import ACTS
from expllm.grounding.movements import MOUTH
from expllm.grounding.paraphrases import Restated, restated
from expllm.grounding.places import add_halves
from expllm.grounding.questions import Heard, heard, undone
from expllm.grounding.scopes import mark
from expllm.grounding.sides import ClaimDraft, add_numbers, add_sides
from expllm.grounding.tags import Item, headed, tagged

if TYPE_CHECKING:
    from expllm.core.records import CoT

_LEADING: Final = frozenset("degree filler side both".split())


@dataclass(frozen=True)
class TextReading:
    """What was read out of a text.

    Attributes:
        claims: Statements about movements, in the order of the text.
        unread: Sentences about the face that no claim was read from, in the order of the text.
        sentences: Sentences about the face: those with a claim, and those that are unread.
    """

    claims: tuple[Claim, ...]
    unread: tuple[Unread, ...]
    sentences: int


def read_claims(text: "str | CoT") -> tuple[Claim, ...]:
    """The claims of a text about movements of the face, in the order of the text; see `read_text`."""
    return read_text(text).claims


def read_text(text: "str | CoT") -> TextReading:
    """The claims of a text about movements of the face, and the sentences about it that could not be read.

    Statements about faces in general, suppositions and comparisons ("typically part of a smile", "rather
    than closed") are no claims. The first 50,000 characters are read. No text raises.

    Args:
        text: Plain text, with or without the three headings, or a `CoT` (offsets refer to its `text`).
    """
    whole = text if isinstance(text, str) else text.text
    claims: dict[tuple[object, ...], Claim] = {}
    unread: list[Unread] = []
    count = 0
    told: frozenset[str] = frozenset()
    for part, start, end in headed(whole):
        for said in heard(whole, start, end):
            found, free = _read(said, whole, part, told)
            for claim in found:
                claims.setdefault(
                    (claim.start, claim.end, claim.units, claim.side, claim.value, claim.outside), claim
                )
            if not found and free.speaks:
                first, last = said.tokens[0].start, said.tokens[-1].end
                unread.append(Unread(first, last, whole[first:last], part))
            count += bool(found) or free.speaks
            told |= _told(found)
    ordered = tuple(sorted(claims.values(), key=lambda claim: (claim.start, claim.end)))
    return TextReading(ordered, tuple(unread), count)


def _read(said: Heard, text: str, part: str, told: frozenset[str]) -> tuple[list[Claim], Restated]:
    """The claims of what is read together, read twice, and what the free reading makes of it."""
    free = restated(text, said.tokens, part, told)
    items = tagged(said.tokens)
    for item in items:
        if item.start in free.idle and item.kind in ("degree", "side"):
            item.kind, item.value = "filler", None  # "*very* quickly"
    exact = [_claim(draft, items, text, part) for draft in _read_sentence(mark(items))]
    found = [claim for claim in combined(exact, free) if claim.end > said.since]
    if not found and said.fallback:
        return _read(Heard(list(said.fallback)), text, part, told)
    return (undone(found, text, said.denied) if said.denied else found), free


def _told(claims: list[Claim]) -> frozenset[str]:
    """The actions that claims affirm."""
    return frozenset(action for claim in claims if not claim.negated for action in claim.units)


def _read_sentence(items: list[Item]) -> list[ClaimDraft]:
    drafts: list[ClaimDraft] = []
    carried: list[int] = []
    for start, end in clauses(items):
        found = motions(items, start, end)
        attach(items, start, end, found, carried)
        drafts += _of_motions(items, start, end, found)
        drafts += _of_acts(items, start, end, found)
        carried = (
            next((m.parts for m in reversed(found) if m.parts), [])
            or [i for i in range(start, end) if items[i].kind == "part"][-1:]
        )
    drafts.sort(key=lambda draft: (draft.first, draft.last))
    add_sides(items, drafts)
    add_numbers(items, drafts)
    add_halves(items, drafts)
    return [draft for draft in drafts if not items[draft.head].supposed]


def _of_motions(items: list[Item], start: int, end: int, found: list[Motion]) -> Iterator[ClaimDraft]:
    for motion in found:
        if motion.kind == "generic" and items[motion.first].negated and _qualified(items, motion.first):
            continue
        for part in motion.parts:
            if (
                motion.kind == "open"
                and items[part].value in ("eyes", "lids")
                and _half(items, start, motion)
            ):
                continue  # "slightly open eyes" are open and closed
            yield _draft(items, start, end, motion, part)


def _half(items: list[Item], start: int, motion: Motion) -> bool:
    i = _degree_before(items, start, motion.first)
    return i is not None and items[i].value in (DegreeWord.MINIMAL, DegreeWord.SLIGHT, DegreeWord.MODERATE)


def _qualified(items: list[Item], i: int) -> bool:
    """ "no *other* movement", "*positive* lip movement": not activity as such."""
    return any(item.word in cues.QUALIFIERS for item in items[max(0, i - 4) : i])


def _draft(items: list[Item], start: int, end: int, motion: Motion, part: int) -> ClaimDraft:
    first, last = min(motion.first, part), max(motion.last, part)
    if motion.how == "carried":
        first = motion.first
    draft = ClaimDraft(
        first=first,
        last=last,
        head=motion.first,
        part=str(items[part].value),
        kind=motion.kind,
        units=meaning(items[part], motion.kind),
        negated=items[motion.first].negated or (items[part].negated and motion.how != "of"),
    )
    _add_degree(items, start, end, motion, part, draft)
    _add_side(items, start, motion, part, draft)
    return draft


def _add_degree(
    items: list[Item], start: int, end: int, motion: Motion, part: int, draft: ClaimDraft
) -> None:
    """The word of degree before the movement, right after it, or before the part that it ends."""
    inside = [i for i in range(motion.first, motion.last) if items[i].kind == "degree"]
    before = _degree_before(items, start, motion.first)
    after = _degree_after(items, end, motion.last + 1)
    noun = _degree_before(items, start, part) if part < motion.first else None
    if motion.how == "of" and items[motion.first - 1].kind == "part":
        noun = _degree_before(items, start, motion.first - 1)  # "slight eye closure in both eyes"
    if motion.how == "after" and noun is not None and any(
        items[i].kind == "copula" for i in range(part, motion.first)
    ):  # fmt: skip
        noun = None
    for i in (before, *reversed(inside), after, noun):
        if i is not None:
            draft.degree = DegreeWord(str(items[i].value))
            draft.first, draft.last = min(draft.first, i), max(draft.last, i)
            return


def _degree_after(items: list[Item], end: int, i: int) -> int | None:
    """ "raised *slightly*", "the movement is *minimal*"."""
    if i < end and items[i].kind == "degree":
        after = items[i + 1] if i + 1 < end else None
        if after is not None and items[i].word == "very" and after.kind == "degree":
            return i + 1  # "*very* slightly"
        return None if after is not None and after.word in cues.COMPARED else i
    while i < end and (
        items[i].word in ("is", "are", "was", "were", "remains", "remain", "at", "a") or items[i].word == "to"
    ):
        i += 1
    if i >= end or items[i].kind != "degree":
        return None
    ends = (
        i + 1 >= end
        or items[i + 1].kind in ("comma", "open", "link", "number")
        or items[i + 1].word in cues.AMOUNT_NOUNS
    )
    return i if ends else None


def _degree_before(items: list[Item], start: int, i: int) -> int | None:
    """The nearest word of degree that stands directly before item `i`, small words aside."""
    for j in range(i - 1, max(start, i - 6) - 1, -1):
        if items[j].kind == "degree":
            return j
        if items[j].kind not in ("filler", "side", "both") and items[j].word not in cues.AMOUNT_NOUNS:
            return None
    return None


def _add_side(items: list[Item], start: int, motion: Motion, part: int, draft: ClaimDraft) -> None:
    seen = _sides_before(items, start, part)
    if motion.how != "carried":
        seen += _sides_before(items, start, motion.first)
    if items[motion.first].word in cues.SIDES:
        draft.side = cues.SIDES[items[motion.first].word]
    compared = any(item.word == "more" for item in items[max(start, motion.first - 3) : motion.first])
    if draft.kind == "slide":
        seen += _direction(items, motion, part)
    sides = {Side(str(items[j].value)) for j in seen if items[j].kind == "side"}
    if any(items[j].kind == "both" and not _pairs_parts(items, j) for j in seen) or len(sides) == 2:
        draft.both = True
    elif sides:
        draft.side = next(iter(sides))
        draft.both = compared and draft.kind != "slide"
    draft.used.update(seen)
    if seen:
        draft.first, draft.last = min(draft.first, *seen), max(draft.last, *seen)


def _sides_before(items: list[Item], start: int, anchor: int) -> list[int]:
    """ "the *left* brow", "the *left* and *right* brows", "*both* brows"."""
    seen: list[int] = []
    for j in range(anchor - 1, max(start, anchor - 6) - 1, -1):
        if items[j].kind in ("side", "both"):
            if seen and {item.word for item in items[max(0, j - 2) : j]} & {"to", "on"}:
                break  # "shifted to the right, and the left brow is raised"
            seen.append(j)
        elif items[j].kind == "link" and any(k in seen for k in (j + 1, j + 2)):
            continue
        elif items[j].kind not in ("filler", "degree"):
            break
    return seen


def _direction(items: list[Item], motion: Motion, part: int) -> list[int]:
    """Where a jaw slides to: "shifts slightly to the *left*"."""
    for j in range(motion.first, min(max(motion.last, part) + 5, len(items))):
        if items[j].kind == "side":
            return [j]
        if j > max(motion.last, part) and items[j].kind in ("comma", "link", "break", "meaning", "part"):
            break
    return []


def _pairs_parts(items: list[Item], both: int) -> bool:
    """ "both the brows and the lids", "both lowering and raising": two things, not two sides."""
    rest = items[both + 1 : both + 7]
    kinds = [item.kind for item in rest]
    if "link" not in kinds:
        return False
    link = kinds.index("link")
    sided = any(item.kind == "side" for item in rest[:link])
    return not sided and kinds[:link].count("part") + kinds[:link].count("motion") > 0 and (
        "part" in kinds[link + 1 : link + 3] or "motion" in kinds[link + 1 : link + 3]
    )  # fmt: skip


def _of_acts(items: list[Item], start: int, end: int, found: list[Motion]) -> Iterator[ClaimDraft]:
    lone = {m.first for m in found if is_act(items, m)}
    for i in range(start, end):
        item = items[i]
        if item.kind != "act" and i not in lone:
            continue
        degree = _degree_before(items, start, i)
        if degree is None:
            degree = _degree_after(items, end, i + 1)
        word = None if degree is None else DegreeWord(str(items[degree].value))
        if item.negated and any(near.word in cues.GENUINE for near in items[max(start, i - 3) : i]):
            word = DegreeWord.MARKED  # "without a genuine smile" leaves room for another one
        side = _side_after(items, end, i)
        yield ClaimDraft(
            first=i if degree is None else min(degree, i),
            last=max(i, side or i, i if degree is None else degree),
            head=i,
            part="act",
            kind=item.word,
            units=ACTS[item.word],
            side=None if side is None else Side(str(items[side].value)),
            used=set() if side is None else {side},
            negated=item.negated,
            degree=word,
        )


def _side_after(items: list[Item], end: int, i: int) -> int | None:
    """ "a smile is present *on the left* lip corner"."""
    for j in range(i + 1, min(i + 7, end)):
        if items[j].kind == "side" and items[j - 2].kind == "preposition":
            return j
        if items[j].kind not in ("copula", "filler", "preposition") and items[j].word not in cues.SEEN:
            return None
    return None


def _claim(draft: ClaimDraft, items: list[Item], text: str, part: str) -> Claim:
    units, outside, negated = draft.units, None, draft.negated
    if draft.kind in ("still", "relaxed"):
        negated = not negated
        draft.degree = DegreeWord.MODERATE if draft.kind == "relaxed" else None
    elif units and units[0].startswith("not "):
        # "open eyes": not closed, or raised lids; "the eyes are not open": closed.
        negated = not negated
        units = (units[0].removeprefix("not "),)
        draft.degree = draft.degree or (DegreeWord.MODERATE if negated else None)
    if "*mouth" in units:
        units = MOUTH
    beyond = [unit for unit in units if unit.startswith("outside:")]
    if beyond:
        outside = beyond[0].removeprefix("outside:")
    start, end = items[draft.first].start, items[draft.last].end
    return Claim(
        start=start,
        end=end,
        text=text[start:end],
        part=part,
        units=tuple(unit for unit in units if not unit.startswith(("outside:", "not "))),
        side=draft.side,
        both=draft.both,
        degree=draft.degree,
        value=draft.value,
        negated=negated,
        outside=outside,
        vague=draft.kind in ("generic", "relaxed", "still"),
        half=draft.half,
    )
