"""The half of the face that a movement is said to lie in, and whether it does."""

from collections.abc import Sequence
from typing import Final

from expllm.grounding.claims import Claim, Half
from expllm.grounding.sides import ClaimDraft
from expllm.grounding.tags import Item

UPPER_FACE: Final = frozenset({"eye close", "lid raise", "brow lower", "brow raise", "lid tightener"})
"""Actions of the upper half."""

_BETWEEN: Final = frozenset({"nose wrinkle", "cheeks puff", "cheek raiser"})
"""Actions that may be placed in either half."""


def add_halves(items: list[Item], drafts: list[ClaimDraft]) -> None:
    """Gives each claim the half of the face that its clause opens with, or that stands right behind it.

    "In the *lower* face, the jaw drops"; "lowered brows in the *upper* face". What one word tells gets none:
    "in the upper face, lowered brows suggest a *smile*" does not put the smile there.
    """
    behind = [_behind(items, draft.last) for draft in drafts]
    for draft, i in zip(drafts, behind, strict=True):
        if draft.part != "act":
            draft.half = _opening(items, draft.first, behind) if i is None else _half(items[i])


def misplaced(claim: Claim) -> bool:
    """Whether a claim puts its movement into the half of the face where it cannot be."""
    if claim.half is None or claim.negated:
        return False
    return not any(action in _BETWEEN or half_of(action) is claim.half for action in claim.units)


def half_of(action: str) -> Half:
    """The half of the face in which an action shows."""
    return Half.UPPER if action in UPPER_FACE else Half.LOWER


def _half(item: Item) -> Half | None:
    return item.value if isinstance(item.value, Half) else None


def _behind(items: list[Item], last: int) -> int | None:
    """Where the half stands that directly follows a claim."""
    i = last + 1
    if i >= len(items) or items[i].kind != "preposition":
        return None
    while i < len(items) and (items[i].kind == "preposition" or items[i].word == "the"):
        i += 1
    return i if i < len(items) and _half(items[i]) else None


def _opening(items: list[Item], first: int, taken: Sequence[int | None]) -> Half | None:
    """The half that is named before a claim, in the same clause and not behind another claim."""
    for i in range(first - 1, -1, -1):
        if items[i].kind == "break":
            return None
        if half := _half(items[i]):
            return None if i in taken else half
    return None
