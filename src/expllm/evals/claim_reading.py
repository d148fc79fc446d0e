"""What a language model reads out of a text: the question, the schema of its reply, and claims tied to words.

A model may say what it likes; what counts is a claim whose words stand in the text. It is then checked by the
same rules as a claim that our own rules read.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from expllm.core.vocabulary import ACTION_UNITS, Side
from expllm.grounding import Claim, DegreeWord
from expllm.grounding.tags import headed

ACTION_NAMES: Final = tuple(dict.fromkeys(unit.action for unit in ACTION_UNITS))
_OTHER: Final = "other"
_LONGEST: Final = 50_000
"""Characters at the end of a reply in which the claims are looked for."""
READING_MAX_TOKENS: Final = 2000
"""Tokens that a reply may have, unless another limit is given: a text of 130 words makes about 12 claims."""

_BLANKS: Final = re.compile(r"\s+")
_SAME: Final = str.maketrans({"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{LEFT SINGLE QUOTATION MARK}": "'",
                              "\N{LEFT DOUBLE QUOTATION MARK}": '"', "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
                              "\N{NON-BREAKING HYPHEN}": "-", "\N{NO-BREAK SPACE}": " "})  # fmt: skip


def _known(action: str) -> str:
    if action not in (*ACTION_NAMES, _OTHER):
        raise ValueError(f"{action!r} is not an action of the vocabulary")
    return action


class QuotedClaim(BaseModel):
    """One entry of a reply.

    Attributes:
        quote: Words of the text.
        action: One of the vocabulary's 24 actions, or `other`.
        other: The name of another movement.
        side: Which side is said to move.
        more_on: The side that is said to move more than the other.
        only: The other side is said not to move; without `side`, one side is said to move, whichever.
        degree: How much.
        absent: The movement is said not to take place.
    """

    model_config = ConfigDict(extra="ignore")

    quote: Annotated[str, Field(min_length=1)]
    action: Annotated[str, AfterValidator(_known)]
    other: str | None = None
    side: Literal["left", "right", "both"] | None = None
    more_on: Literal["left", "right"] | None = None
    only: bool = False
    degree: DegreeWord | None = None
    absent: bool = False


@dataclass(frozen=True)
class ClaimReading:
    """What a model read out of a text.

    Attributes:
        claims: Those whose words stand in the text, in its order.
        misquoted: Entries whose words do not stand in the text: dropped.
        malformed: Entries that do not fit the schema: dropped.
    """

    claims: tuple[Claim, ...]
    misquoted: int
    malformed: int


def question(text: str) -> str:
    """What a model is asked about a text. What fills a gap is never read as a gap itself."""
    quoted = ", ".join(f'"{action}"' for action in ACTION_NAMES)
    degrees = ", ".join(f'"{word}"' for word in DegreeWord)
    return template().format_map({"actions": quoted, "degrees": degrees, "text": text.strip()})


def template() -> str:
    """The question with its gaps."""
    return files("expllm").joinpath("assets", "audit", "read_claims.md").read_text(encoding="utf-8").strip()


def question_hash() -> str:
    """SHA-256 of the question about an empty text: it changes with the question and with the vocabulary."""
    return hashlib.sha256(question("").encode()).hexdigest()


def read_reply(reply: str, text: str) -> ClaimReading | None:
    """The claims of a reply about `text`; None where it holds no JSON of the asked form."""
    entries = _entries(reply)
    if entries is None:
        return None
    found: list[Claim] = []
    misquoted = malformed = 0
    seen: dict[tuple[str, str], int] = {}
    for entry in entries:
        try:
            quoted = QuotedClaim.model_validate(entry)
        except ValidationError:
            malformed += 1
            continue
        place = _place(quoted, text, seen)
        if place is None:
            misquoted += 1
        else:
            found.append(_claim(quoted, text, *place))
    found.sort(key=lambda claim: (claim.start, claim.end))
    return ClaimReading(tuple(found), misquoted, malformed)


def _entries(reply: str) -> list[Any] | None:
    """The list of claims in the last JSON object of a reply that holds one."""
    decoder, last = json.JSONDecoder(), reply[-_LONGEST:]
    for match in reversed(list(re.finditer("{", last))):
        try:
            value, _ = decoder.raw_decode(last, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, Mapping) and isinstance(value.get("claims"), list):
            return list(value["claims"])
    return None


def _place(quoted: QuotedClaim, text: str, seen: dict[tuple[str, str], int]) -> tuple[int, int] | None:
    """Where a quotation stands, whatever its case, blanks and quotation marks; then its next place.

    Args:
        seen: Quotation and action -> the end of the place that was last found for them; written to.
    """
    words = quoted.quote.translate(_SAME).split()
    if not words:
        return None
    pattern = re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE)
    plain = text.translate(_SAME)  # character for character, so places stay
    key = (" ".join(words).casefold(), quoted.action)
    match = pattern.search(plain, seen.get(key, 0)) or pattern.search(plain)
    if match is None:
        return None
    seen[key] = match.end()
    return match.span()


def _claim(quoted: QuotedClaim, text: str, start: int, end: int) -> Claim:
    known = quoted.action != _OTHER
    named = None if known else _BLANKS.sub(" ", quoted.other or "a movement without a name").strip()
    side = quoted.more_on or (None if quoted.side == "both" else quoted.side)
    both = quoted.side == "both" or quoted.more_on is not None
    return Claim(
        start=start,
        end=end,
        text=text[start:end],
        part=next((part for part, first, last in headed(text) if first <= start < last), "text"),
        units=(quoted.action,) if known else (),
        side=None if side is None else Side(side),
        both=both,
        degree=quoted.degree,
        negated=quoted.absent,
        outside=named,
        only=quoted.only and not both,
    )
