"""Questions, which claim nothing by themselves, and what answers them: "A smile? No."."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from expllm.grounding.claims import Claim, DegreeWord
from expllm.grounding.lexicon import PART_OF_WORD
from expllm.grounding.meanings import ACTS
from expllm.grounding.tags import MAX_ITEMS, Item, told_and_asked

_BRIEF: Final = 3
"""Words of an answer that only says how much, or in what state: "Slightly."."""
_SIDED_BRIEF: Final = 6
"""The same of one that names a side: "The left one, slightly."."""
_HOW_MUCH: Final = 2
"""Words of "how far", behind which something is asked."""

_AUXILIARY: Final = r"(?:do|does|did|has|have|had|is|are|was|were|can|could|will|would)"
_WHO: Final = (
    r"(?:it|they|he|she|i|we|you|that|this|there|these|those|both|neither|one|the (?:left|right|other))"
)
_ASIDE: Final = (
    r"(?: (?:at all|here|really|today|so|either|anywhere|whatever|whatsoever|there|yet|once|now|of it|"
    r"of them|of that|in the least|in this (?:face|picture|image)|on either side|on both sides|to be seen|"
    r"(?:is |are |was |were |can be |could be )?(?:seen|visible|found|present|observed)))*"
)
_ENDS: Final = r"(?= [,;:—–-]|$)"
_NO: Final = re.compile(
    rf"(?:but |and |well , )?(?:no|never|none|nothing|hardly|scarcely|nowhere|not|by no means|far from it|"
    rf"not (?:a|the (?:least|slightest|faintest)) (?:bit|trace|hint|sign|whit)|no (?:sign|trace|hint)|"
    rf"nothing of the (?:kind|sort)|neither|{_WHO} (?:{_AUXILIARY} (?:not|none)|\w+n't)){_ASIDE}{_ENDS}"
)
_YES: Final = re.compile(
    rf"(?:yes|yes indeed|indeed|certainly|of course|without (?:a )?doubt|{_WHO} {_AUXILIARY}){_ASIDE}{_ENDS}"
)
_TAG: Final = re.compile(
    rf" , (?:(?:{_AUXILIARY}n't|{_AUXILIARY}) (?:it|they|he|she|there)|right|no|eh|correct)$"
)
_PRONOUNS: Final = frozenset("it they these those both neither".split())
_OTHER: Final = re.compile(
    r"(?:and |but |while |whereas |meanwhile , |meanwhile |, )?(?:(?:the|its) (?:other|opposite)(?: one|"
    r" side| (?:mouth |lip )?corner| eye| eyebrow| brow| lid| eyelid| cheek)?|its (?:fellow|counterpart|twin|"
    r"partner|neighbour|neighbor)) (?=(?:\w+ly )?(?:is|are|was|remains?|remained|stay(?:s|ed)?|keeps?|kept|"
    r"does|did|has|rests?|rested|holds?|held|follow(?:s|ed)?|rises?|rose|falls?|fell|shows?|showed|moves?|"
    r"moved|lies|sits|hangs)(?: |$))"
)
""" "The left brow rises. *The other* is at rest.": a sentence that goes on with the one before."""
_FIRM: Final = (DegreeWord.MARKED, DegreeWord.STRONG)


@dataclass(frozen=True)
class Heard:
    """The words of one or several sentences that are read together.

    Attributes:
        tokens: The words and marks.
        since: Only what is claimed behind this character is claimed; before it stands a question.
        denied: The end of the answer that denies what `tokens` ask; 0 where nothing is asked.
        fallback: A question with its answer, to be read where nothing is read out of `tokens`.
    """

    tokens: list[Item]
    since: int = 0
    denied: int = 0
    fallback: tuple[Item, ...] = ()


def heard(text: str, start: int, end: int) -> Iterator[Heard]:
    """What is said between two characters, without the questions that nothing answers.

    >>> [len(one.tokens) for one in heard("Is that a smile? The jaw drops. A frown? No.", 0, 44)]
    [3, 2]
    """
    question: list[Item] = []
    before: list[Item] = []
    for tokens, asked in _untagged(text, start, end):
        answers = list(_answered(question, tokens)) if question and not asked else []
        goes_on = not asked and _OTHER.match(_words(tokens)) and len(before) + len(tokens) < MAX_ITEMS
        if before and goes_on:
            before = [*before, Item("mark", ";", before[-1].end, before[-1].end), *tokens]
            continue
        if before:
            yield Heard(before)
        yield from answers
        question = tokens if asked else []
        before = [] if asked or answers else tokens
    if before:
        yield Heard(before)


def _untagged(text: str, start: int, end: int) -> Iterator[tuple[list[Item], bool]]:
    """Sentences, and whether they ask; "the brows rise, *don't they*?" does not."""
    for tokens, asked in told_and_asked(text, start, end):
        words = _words(tokens)
        tag = _TAG.search(words) if asked else None
        if tag:
            yield tokens[: words[: tag.start()].count(" ") + 1], False
        else:
            yield tokens, asked


def _words(tokens: list[Item]) -> str:
    return " ".join(token.word for token in tokens)


def _answered(question: list[Item], answer: list[Item]) -> Iterator[Heard]:
    """A question with what answers it; nothing where that is a sentence of its own."""
    words = _words(answer)
    if question[0].word == "how" and len(question) > _HOW_MUCH:
        question = question[_HOW_MUCH:]  # "*How far* does the jaw drop?"
    if question[0].word == "any" and question[1:]:
        question = question[1:]  # "*Any* smile? None."
    mark = Item("mark", "?", question[-1].end, question[-1].end + 1)
    if denial := _NO.match(words):
        used = denial[0].count(" ") + 1
        yield Heard(question, denied=answer[used - 1].end, fallback=(*question, mark, *answer[:used]))
        rest = answer[used:]
        if rest[1:]:
            yield Heard([*question, *rest], since=rest[0].start)
    elif consent := _YES.match(words):
        yield Heard([*question, *answer[consent[0].count(" ") + 1 :]])
    elif _brief(answer):
        comma = Item("mark", ",", mark.start, mark.end)  # "And the cheeks? At rest."
        yield Heard([*question, mark, *answer], fallback=(*question, comma, *answer))
    elif answer[0].word in _PRONOUNS:
        yield Heard([*question, mark, *answer], since=answer[0].start)


def _brief(answer: list[Item]) -> bool:
    words = {token.word for token in answer}
    few = len(answer) <= (_SIDED_BRIEF if words & {"left", "right"} else _BRIEF)
    return few and words.isdisjoint(PART_OF_WORD) and words.isdisjoint(ACTS)


def undone(claims: list[Claim], text: str, end: int) -> list[Claim]:
    """What is claimed by "no" to a question: the contrary of what it asks, with the answer in its words.

    A comparison that is denied says nothing: which side moves more, if one does, stays open.
    """
    return [
        replace(
            claim, negated=not claim.negated, value=None, end=end, text=text[claim.start : end],
            degree=DegreeWord.MARKED if claim.degree in _FIRM else None,
        )
        for claim in claims
        if not (claim.only or claim.even is not None or (claim.both and claim.side))
    ]  # fmt: skip
