"""Clauses that the audit reads alone must be read in one sentence as well: what is lost, and what appears.

    python scripts/grounding_composition.py tests/grounding/sentences/open tests/grounding/sentences/third
    python scripts/grounding_composition.py FOLDER ... --show 3 --seed 1    # and sentences that fail

Short annotated sentences without a mark are drawn in pairs about different actions and joined ("{a}, although
{b}."). The claims of the pair, but for their place, must be those of both alone: without annotation one sees
that a denial, a side or a degree has leaked from one clause into the next.
"""

import argparse
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from grounding_sentences import read_sentences

from expllm.grounding import Claim, read_claims

JOINED: Final = (
    "{a}; {b}.", "{a}, and {b}.", "{a} and {b}.", "{a}, but {b}.", "{a} but {b}.", "{a}, while {b}.",
    "{a} while {b}.", "{a}, whereas {b}.", "{a}, yet {b}.", "{a}, although {b}.", "{a} although {b}.",
    "While {b}, {a}.", "Although {b}, {a}.", "{a}, and at the same time {b}.", "{a}, and still {b}.",
    "{a}. {B}.", "{a}, so {b}.", "{a} as {b}.", "As {b}, {a}.", "{a} - {b}.", "{a}: {b}.",
    "It is clear that {a} and that {b}.", "{a} because {b}.", "{a}, which is why {b}.",
    "In this picture {a}, and {b}.", "{a} (and {b}).", "First {a}, then {b}.", "{a}, though {b}.",
    "{a}, with the result that {b}.", "Even though {b}, {a}.", "I see that {a}, and that {b}.",
    "{a}, I note, and {b}.",
)  # fmt: skip
WORDS: Final = 9
"""Words of a clause at most."""

_OPENS: Final = frozenset(
    "the a an both neither no nothing there her his its she he they it not each left right lips brows "
    "eyebrows eyes jaw chin cheeks mouth nose lower upper slight mild strong marked".split()
)
"""First words that a clause may begin with in the middle of a sentence."""

_MARKED: Final = re.compile(r"[,;:()—–?!-]| and | but | or |\. ")
_TAKES_UP: Final = re.compile(
    r"\b(?:other|too|also|one|it|they|them|same|former|latter|this|that|rest|else)\b"
)
Told = Counter[tuple[object, ...]]


def told(text: str) -> Told:
    """The claims of a text, but for their places."""
    return Counter(_told(claim) for claim in read_claims(text))


def _told(claim: Claim) -> tuple[object, ...]:
    return (claim.units, claim.negated, claim.side, claim.both, claim.only, claim.degree, claim.outside)


def clauses(folders: Iterable[Path]) -> list[str]:
    """Short annotated sentences that could be clauses, without their full stop, beginning in lower case."""
    found = []
    for folder in folders:
        for sentence in read_sentences(folder):
            text = sentence.text.strip()
            bare, first = text[:-1], text.split()[0].lower()
            plain = text.endswith(".") and not _MARKED.search(bare) and len(text.split()) <= WORDS
            if sentence.claims and plain and first in _OPENS and not _TAKES_UP.search(text.lower()):
                found.append(bare[0].lower() + bare[1:])
    return found


def leaks(some: list[str], frame: str, draw: random.Random, count: int) -> tuple[int, list[str]]:
    """How many pairs were joined, and those that were read otherwise than alone."""
    tried, bad = 0, []
    for _ in range(count):
        one, two = draw.sample(some, 2)
        first, second = told(f"{one}."), told(f"{two}.")
        if not first or not second or _actions(first) & _actions(second):
            continue
        text = frame.format(a=one, b=two, B=two[0].upper() + two[1:])
        text = text[0].upper() + text[1:]
        tried += 1
        if set(told(text)) != {*first, *second}:
            bad.append(text)
    return tried, bad


def _actions(claims: Told) -> set[str]:
    return {action for units, *_ in claims for action in units}  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=40, help="drawn for each way of joining")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="sentences that fail, of each way of joining")
    options = parser.parse_args()
    some, draw = clauses(options.folders), random.Random(options.seed)
    tried: dict[str, int] = {}
    bad: dict[str, list[str]] = defaultdict(list)
    for frame in JOINED:
        tried[frame], bad[frame] = leaks(some, frame, draw, options.pairs)
    for frame in sorted(JOINED, key=lambda frame: -len(bad[frame])):
        print(f"{frame} | {len(bad[frame])} of {tried[frame]}")
        for text in bad[frame][: options.show]:
            print(f"    {text}")
    count, of = sum(map(len, bad.values())), sum(tried.values())
    print(f"{len(some)} clauses; read otherwise: {count} of {of} ({100 * count / max(of, 1):.1f} %)")


if __name__ == "__main__":
    main()
