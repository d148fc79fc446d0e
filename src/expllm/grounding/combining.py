"""The claims of the exact rules and those of the free reading, made one."""

import re
from dataclasses import replace
from typing import Final

from expllm.grounding import cues
from expllm.grounding.claims import Claim
from expllm.grounding.meanings import FACS_ONLY
from expllm.grounding.paraphrases import Restated


def combined(exact: list[Claim], free: Restated) -> list[Claim]:
    """The claims of a sentence, read twice.

    The rules know the language of explanations ("moderate eye closure suggests ..."), where they go first. In
    any other wording the free reading is right more often (docs/experiments.md): there it decides what is
    claimed, and the rules only word what both have read.
    """
    said = [one for one in exact if not any(a <= one.start and one.end <= b for a, b in free.general)]
    if free.interprets:
        kept = [_completed(claim, free.claims, said) for claim in said if not _undone(claim, free.claims)]
        stays = [one for one in exact if one not in said or not _misread(one, free.claims)]
        return [*kept, *(claim for claim in free.claims if _adds(claim, stays, kept))]
    kept = [
        _completed(_reworded(one, free.claims), free.claims, said)
        for one in said
        if _agreed(one, free.claims)
    ]
    return [*kept, *(claim for claim in free.claims if not any(_carries(one, claim) for one in kept))]


def _agreed(claim: Claim, free: list[Claim]) -> bool:
    """Whether the free reading has a claim of the rules as well, or says nothing of it that is clear."""
    same = _same(claim, free)
    if any(_contrary(claim, one) for one in same) or _of_another_part(claim, free):
        return False
    if claim.vague and not claim.negated and not same:
        return True
    if claim.side and claim.degree and any(claim.negated is one.negated for one in same):
        return True  # "strongly on the left and slightly on the right"
    if claim.negated and claim.side and any(one.only and one.side is claim.side.other for one in same):
        return True
    return any(_agree(claim, one) for one in same)


def _agree(claim: Claim, free: Claim) -> bool:
    """Whether two readings are of the same movement, and do not differ in what they say of its sides."""
    if _actions(claim) != _actions(free) or claim.negated is not free.negated:
        return False
    if free.side and (claim.side not in (None, free.side) or (claim.both and not free.both)):
        return False
    compares = free.both and free.side is not None
    return not (compares and claim.side is not None and not claim.both) and claim.vague is free.vague


def _contrary(claim: Claim, free: Claim) -> bool:
    """Whether the free reading has the other side moving more, or denies of one side only."""
    if free.negated is not claim.negated or not (free.start < claim.end and claim.start < free.end):
        return False
    compared = claim.both and claim.side and free.both and free.side is claim.side.other
    sideless = claim.negated and not claim.side and not claim.both and free.side
    return bool(compared or sideless)


def _reworded(claim: Claim, free: list[Claim]) -> Claim:
    """A claim with how much the free reading sees in the same words: it knows whole phrases, "a good way"."""
    same = [one for one in free if _agree(claim, one) and one.degree and claim.degree and claim.value is None]
    return replace(claim, degree=same[0].degree) if len(same) == 1 and not claim.negated else claim


def _carries(claim: Claim, free: Claim) -> bool:
    """Whether a claim says all that the free reading of it does."""
    return (
        _agree(claim, free)
        and free.side in (None, claim.side)
        and (claim.both or not free.both)
        and (claim.only or not free.only)
        and (claim.even is free.even or free.even is None)
        and (free.degree is None or claim.degree is not None)
    )


def _actions(claim: Claim) -> set[str]:
    return {*claim.units, *([claim.outside] if claim.outside else [])}


def _same(claim: Claim, others: list[Claim]) -> list[Claim]:
    mine = _actions(claim)
    return [other for other in others if mine & _actions(other)]


_WHERE: Final = re.compile(
    r"\b(?:towards?|under|beneath|above|over|below|around)(?: the| his| her| their| each)?"
    r" (?:eyes?|lids?|nose|mouth)\b"
)
_AIMED: Final = frozenset(
    ("lip corner stretch", "lip corner depressor", "dimpler", "upper lip suck", "lower lip suck")
)


def _subtle(claim: Claim) -> bool:
    """Whether it speaks only of what FEAFA lacks: of that the free reading knows more."""
    return FACS_ONLY.issuperset(claim.units)


def _misread(claim: Claim, free: list[Claim]) -> bool:
    return not _subtle(claim) and not _same(claim, free) and any(_read_closer(one, claim) for one in free)


def _read_closer(free: Claim, claim: Claim) -> bool:
    """Whether the free reading makes something else of the same words, and more of them.

    "Drawn straight out" is no pull, "its surface puckered" no pucker of the lips, "toward the eye" no lid.
    """
    if free.start >= claim.end or free.end <= claim.start or free.vague:
        return False
    if _WHERE.search(claim.text.lower()):
        return True
    if free.end < claim.end:
        return False
    aimed = claim.units == ("lip corner pull",) and _actions(free) <= _AIMED
    lipless = claim.units == ("lip pucker",) and "lip" not in claim.text.lower()
    return aimed or (lipless and free.units == ("chin raise",))


def _of_another_part(claim: Claim, free: list[Claim]) -> bool:
    """Of "brows that are drawn, eyes that are *narrowed*" the second is no brow."""
    over = [one for one in free if one.start < claim.end and claim.start < one.end and not one.vague]
    inside = any(one.start < claim.start and claim.end <= one.end for one in over)
    return inside and " " not in claim.text and not _same(claim, over)


def _undone(claim: Claim, free: list[Claim]) -> bool:
    """Whether the free reading sees a denial, or an exception to one, where the rules do not."""
    same = _same(claim, free)
    if claim.negated and claim.side and any(one.only and one.side is claim.side for one in same):
        return True  # "drawn out on the right, with no such stretch on the left"
    if _misread(claim, free) or _of_another_part(claim, free):
        return True
    if _subtle(claim) and not same:  # tensed lips are not pressed ones
        return any(_subtle(one) and one.start < claim.end and claim.start < one.end for one in free)
    if not same or claim.vague:
        return False
    near = [one for one in same if one.start < claim.end and claim.start < one.end]
    if claim.side and not claim.both and any(one.both and one.side and not one.negated for one in near):
        return not claim.negated  # "the left corner is lifted higher than the right": both are lifted
    return all(other.negated is not claim.negated and not other.vague for other in same)


def _completed(claim: Claim, free: list[Claim], exact: list[Claim]) -> Claim:
    """A claim with what only the free reading has seen: how much, on which side, and where more."""
    if claim.value is not None or claim.negated:
        return claim
    for other in _same(claim, free):
        if other.negated or other.vague or not (other.start < claim.end and claim.start < other.end):
            continue
        told = any(one.degree for one in _same(claim, exact))
        if claim.degree is None and other.degree is not None and not claim.vague and not told:
            claim = replace(claim, degree=other.degree)
        if other.even or (other.even is False and not claim.side):
            claim = replace(claim, side=None, both=True, even=other.even)
        sided = any(one.side for one in _same(claim, exact))
        if claim.side is None and not claim.both and not sided:
            claim = replace(claim, side=other.side, both=other.both, only=other.only)
        elif other.only and other.side is claim.side and not claim.both:
            claim = replace(claim, only=True)
    return claim


def _adds(claim: Claim, exact: list[Claim], kept: list[Claim]) -> bool:
    """Whether the free reading tells what the rules have not read, from words that they have not read."""
    if claim.negated:
        denied = {action for one in kept if one.negated for action in _actions(one)}
        beside = [one for one in kept if one.start <= claim.start < one.end]
        listed = ", and" in claim.text
        meant = listed or any(word in cues.MEANING for word in claim.text.lower().split())
        return (
            not meant
            and not _actions(claim) <= denied
            and all(one.negated for one in (*beside, *_same(claim, kept)))
        )
    same = _same(claim, kept)
    beside = [one for one in same if one.negated or (one.start < claim.end and claim.start < one.end)]
    if claim.both and claim.side and not any(one.side or one.negated for one in beside):
        return True  # "..., the left more so" is undone where the rules read the left alone
    if same:
        return False
    if _same(claim, exact):
        return True
    read = kept if _subtle(claim) else exact
    return not any(one.start < claim.end and claim.start < one.end for one in read)
