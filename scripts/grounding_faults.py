"""Faults put into the action units of published explanations, and whether the audit notices.

These faults need no parser: plain patterns find a phrase in a text, and the units that it speaks of are
changed. The texts stay as they were published.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from expllm.core.vocabulary import AU_BY_NAME, AUVector, Expression
from expllm.grounding import Verdict, audit

PHRASES: Final = {
    "eye close": r"closed eyes|eye closure|closure of (?:both|the) eyes|eyes (?:are|appear) closed",
    "lid raise": r"(?:raised|elevated) (?:upper )?eyelids|eyelid elevation|elevation of (?:both|the) eyelids",
    "brow lower": r"(?:lowered|furrowed) (?:eye)?brows?|brow lowering|lowering of (?:both|the) (?:eye)?brows",
    "brow raise": r"(?:raised|elevated) (?:eye)?brows|brow elevation|elevation of (?:both|the) (?:eye)?brows",
    "jaw drop": r"jaw drop|dropped jaw|drop (?:of|in) the jaw",
    "jaw thrust": r"jaw thrust|thrust of the jaw",
    "lip corner pull": r"smile|upturned (?:lip|mouth) corners|corners of the (?:lips|mouth) are pulled up\w*",
    "lip corner stretch": r"lip corner stretch(?:ing)?|stretch(?:ing)? of the lip corners",
    "upper lip suck": r"upper lip suck(?:ing)?",
    "lower lip suck": r"lower lip suck(?:ing)?",
    "upper lip raise": r"(?:raised|elevated|lifted) upper lip|upper lip (?:raise|elevation|lift)|"
    r"elevation of the upper lip",
    "lower lip depress": r"depressed lower lip|lower lip depression|(?:depression|lowering) of the lower lip",
    "chin raise": r"chin raise|raised chin|chin elevation|elevated chin|elevation of the chin",
    "lip pucker": r"lip pucker(?:ing)?|puckered lips",
    "cheeks puff": r"cheek puff(?:ing)?|puffed cheeks",
    "nose wrinkle": r"nose wrinkl(?:e|ing)|wrinkled nose|wrinkling of the nose",
}
"""Action -> plain phrases for it."""

PAIRS: Final = {
    "brow": ("brow lower", "brow raise"),
    "eyebrow": ("brow lower", "brow raise"),
    "eyelid": ("lid raise", "eye close"),
    "eye": ("eye close",),
    "lip corner": ("lip corner pull", "lip corner stretch"),
    "corner": ("lip corner pull", "lip corner stretch"),
}
WORDS: Final = {
    "nose wrinkle": "nose|nasal",
    "chin raise": "chin",
    "cheeks puff": "cheek",
    "jaw drop": "jaw|mouth|lips|parted|gap",
    "brow lower": "brow|forehead|furrow|frown|scowl",
    "brow raise": "brow|forehead",
    "eye close": "eye|lid|squint|gaze",
    "lid raise": "eye|lid|gaze",
}
"""Action -> what a text that speaks of it must contain."""

LOOSE: Final = re.compile(
    r"\b(?:no|not|\w+n't|without|lack\w*|absen\w+|free|devoid|neither|nor|minimal\w*|marginal|negligible|little|low|limited|"
    r"barely|rather|instead|typical\w*|often|commonly|usually|generally|may|might|could|would|can|if|associated|"
    r"linked|potential\w*|possib\w+|attempt\w*|effort|hint\w*|despite|suppress\w*|relaxed|neutral|than|"
    r"about to|imminent|resembl\w+|fail\w*|unlike)\b",
    re.IGNORECASE,
)
"""A sentence with one of these may deny or suppose: no fault is put where one cannot tell."""

SENTENCE: Final = re.compile(r"(?:[^.!?;\n]|\.(?=\d))+[.!?;]*")


@dataclass
class Row:
    """A published text with its units."""

    id: str
    text: str
    aus: AUVector
    label: Expression
    sentences: list[tuple[int, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.sentences = [(m.start(), m[0]) for m in SENTENCE.finditer(self.text)]


@dataclass(frozen=True)
class Fault:
    """A fault that was put in, and whether it was noticed."""

    kind: str
    row: str
    where: str
    caught: bool


def peak(aus: AUVector, action: str) -> float:
    """The stronger side of an action, 0-1."""
    return max(aus[name] or 0.0 for name in names(action))


def names(action: str) -> list[str]:
    return [unit.name for unit in AU_BY_NAME.values() if unit.action == action]


def with_action(aus: AUVector, action: str, value: float) -> AUVector:
    """`aus` with all units of an action at one intensity."""
    return AUVector({**aus, **dict.fromkeys(names(action), value)})


def noticed(text: str, aus: AUVector, span: tuple[int, int], verdicts: Iterable[Verdict]) -> bool:
    """Whether a claim that touches `span` gets one of `verdicts`."""
    wanted = set(verdicts)
    return any(
        c.verdict in wanted and c.claim.start < span[1] and span[0] < c.claim.end
        for c in audit(text, aus).checked
    )


def unit_faults(row: Row) -> Iterator[Fault]:
    """Faults of the action units: the text stays as it was published."""
    yield from _zeroed(row)
    yield from _unmentioned(row)
    yield from _denied(row)
    yield from _degrees(row)
    yield from _mirrored(row)


def _zeroed(row: Row) -> Iterator[Fault]:
    """An action that the text claims is set to 0: for the text, one was invented."""
    for action, phrase in PHRASES.items():
        if peak(row.aus, action) < 0.1:
            continue
        for start, sentence in row.sentences:
            found = re.search(rf"\b(?:{phrase})\b", sentence, re.IGNORECASE)
            if found and not LOOSE.search(sentence):
                span = (start + found.start(), start + found.end())
                caught = noticed(row.text, with_action(row.aus, action, 0.0), span, [Verdict.CONTRADICTED])
                yield Fault("action invented", row.id, sentence[found.start() :][:60], caught)
                break


def _unmentioned(row: Row) -> Iterator[Fault]:
    """An action of a part that the text never names is set to 0.5: for the text, one was left out."""
    for action, words in WORDS.items():
        if not re.search(words, row.text, re.IGNORECASE):
            missed = audit(row.text, with_action(row.aus, action, 0.5)).missed
            yield Fault("action left out", row.id, action, set(names(action)) <= set(missed))


def _denied(row: Row) -> Iterator[Fault]:
    """An action that the text denies is set to 0.7."""
    for action, phrase in PHRASES.items():
        pattern = rf"\b(?:no|without|lack of|absence of)\b(?: (?!but|and|or)[\w-]+){{0,2}} (?:{phrase})\b"
        found = re.search(pattern, row.text, re.IGNORECASE)
        if found and peak(row.aus, action) < 0.05:
            aus = with_action(row.aus, action, 0.7)
            caught = noticed(row.text, aus, found.span(), [Verdict.CONTRADICTED])
            yield Fault("denial made false", row.id, found[0], caught)


def _degrees(row: Row) -> Iterator[Fault]:
    """A slight action is set to 0.85, a strong one to 0.05."""
    for words, to, low, high in (
        ("slight|slightly|subtle|mild|minor", 0.85, 0.05, 0.4),
        ("strong|strongly|pronounced|significant|significantly|prominent", 0.05, 0.25, 1.0),
    ):
        for action, phrase in PHRASES.items():
            pattern = rf"(?<!more )\b(?:{words}) (?:{phrase})\b"
            found = re.search(pattern, row.text, re.IGNORECASE)
            if found and low <= peak(row.aus, action) <= high:
                aus = with_action(row.aus, action, to)
                caught = noticed(row.text, aus, found.span(), [Verdict.WRONG_DEGREE])
                yield Fault("degree moved", row.id, found[0], caught)


def _mirrored(row: Row) -> Iterator[Fault]:
    """Units are mirrored where a text names the one side that moves, or says which one moves more."""
    for start, sentence in row.sentences:
        if LOOSE.search(sentence.replace("than", "")):
            continue
        for part, actions in PAIRS.items():
            if _one_sided(row.aus, sentence, part, actions) or _uneven(row.aus, sentence, part, actions):
                span = (start, start + len(sentence))
                caught = noticed(row.text, row.aus.mirrored(), span, [Verdict.WRONG_SIDE])
                yield Fault("side swapped", row.id, sentence.strip()[:90], caught)
                break


def _sides(aus: AUVector, side: str, actions: Sequence[str]) -> tuple[float, float]:
    """The strongest of some actions on a side, and on the other one."""
    other = "right" if side == "left" else "left"
    return tuple(max(aus[f"{s} {action}"] or 0.0 for action in actions) for s in (side, other))  # type: ignore


def _one_sided(aus: AUVector, sentence: str, part: str, actions: Sequence[str]) -> bool:
    named = re.findall(r"\b(left|right|both)\b", sentence, re.IGNORECASE)
    found = re.search(rf"\b(left|right) (?:upper )?{part}(?:'s|’s)? \w+", sentence, re.IGNORECASE)
    if found is None or len(named) != 1:
        return False
    here, there = _sides(aus, found[1].lower(), actions)
    return here >= 0.08 and there < 0.01


def _uneven(aus: AUVector, sentence: str, part: str, actions: Sequence[str]) -> bool:
    pattern = (
        rf"\b{part}s?\b[^.;]{{0,60}}\b(?:especially|particularly|more \w+|more) "
        r"(?:on|in|at) the (left|right)\b"
    )
    found = re.search(pattern, sentence, re.IGNORECASE)
    if found is None:
        return False
    pairs = [_sides(aus, found[1].lower(), [action]) for action in actions]
    return all(here > there + 0.03 or here == there == 0 for here, there in pairs) and any(
        here > 0 for here, _ in pairs
    )


def strangers_of(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """(action, sentence) of texts whose units bear it out, found by plain patterns."""
    found = []
    for row in rows:
        for action, phrase in PHRASES.items():
            if peak(row.aus, action) < 0.1:
                continue
            for _, sentence in row.sentences:
                if re.search(rf"\b(?:{phrase})\b", sentence, re.IGNORECASE) and not LOOSE.search(sentence):
                    found.append((action, sentence))
                    break
    return found
