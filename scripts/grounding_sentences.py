"""Annotated sentences of other authors: faults put into the action units of each, and what the audit says.

A file holds one sentence a line (JSON: text, kind, claims with action, side, only, more, degree, denied); its
name is the author's. For each sentence, units are made in which all of its claims hold: an alarm is false.
Then one claim at a time is made false, and the others stay true.
"""

import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from grounding_faults import names

from expllm.core.vocabulary import AU_NAMES, AUVector, Side
from expllm.grounding import Audit, Checked, Verdict, audit
from expllm.grounding.audit import WRONG
from expllm.grounding.meanings import FACS_ONLY

ALARMS: Final = (*WRONG, Verdict.UNSUPPORTED)
INTENSITIES: Final[dict[str | None, tuple[float, ...]]] = {
    "minimal": (0.06, 0.1),
    "slight": (0.12, 0.2, 0.3),
    "moderate": (0.35, 0.45, 0.55),
    "marked": (0.5, 0.65, 0.8),
    "strong": (0.72, 0.85, 1.0),
    None: (0.3, 0.6, 0.8),
}
"""Degree -> intensities that it fits."""

TWO_STEPS_OFF: Final = {
    "minimal": (0.35,),
    "slight": (0.65,),
    "moderate": (0.04, 0.9),
    "marked": (0.15,),
    "strong": (0.3,),
}
"""Degree -> intensities that lie two steps away, on the authors' scale and on that of the offline writer."""

DENIED: Final = 0.7
"""How much a denied movement takes place where the denial is made false."""

TARGETS: Final = {
    "invented": 95, "false denial": 95, "wrong side": 95, "only": 95, "comparison": 95, "degree": 90,
    "FACS alone": 95, "false alarms": 2, "unread": 5, "misread": 5,
}  # fmt: skip
AT_MOST: Final = frozenset({"false alarms", "unread", "misread"})


UNITS: Final = {
    "cheek raise": "cheek raiser", "lid tighten": "lid tightener", "dimple": "dimpler",
    "lip corner depress": "lip corner depressor", "lip tighten": "lip tightener", "lip press": "lip pressor",
}  # fmt: skip
"""What the authors' page calls a movement -> what FACS does."""


@dataclass(frozen=True)
class Stated:
    """What an author says that a sentence claims; `actions` are the alternatives that the words may mean."""

    actions: tuple[str, ...]
    side: str | None
    only: bool
    more: str | None
    degree: str | None
    denied: bool

    @property
    def facs_alone(self) -> bool:
        """Whether it speaks only of what FEAFA lacks."""
        return FACS_ONLY.issuperset(self.actions)


@dataclass(frozen=True)
class Annotated:
    """A sentence with its author, its kind and its claims."""

    author: str
    text: str
    kind: str
    claims: tuple[Stated, ...]

    @cached_property
    def true(self) -> list[AUVector]:
        """Action units in which every claim holds, from low to high intensities."""
        return [_units(self.claims, step) for step in range(3)]


@dataclass(frozen=True)
class Trial:
    """One question put to the audit.

    Attributes:
        kind: What was tried.
        good: A fault was noticed; or a sentence was read, and without alarm.
    """

    kind: str
    author: str
    text: str
    what: str
    good: bool


def read_sentences(where: Path) -> list[Annotated]:
    """The sentences of a file, or of all JSON Lines files of a folder or a ZIP archive."""
    folder = zipfile.Path(where) if where.suffix == ".zip" else where
    files = [one for one in folder.iterdir() if one.name.endswith(".jsonl")] if folder.is_dir() else [folder]
    return [
        _annotated(file.name.removesuffix(".jsonl"), json.loads(line))
        for file in sorted(files, key=lambda one: one.name)
        for line in file.read_text(encoding="utf-8").split("\n")
        if line.strip()
    ]


def _listed(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions


def _annotated(author: str, line: dict[str, Any]) -> Annotated:
    claims = tuple(
        Stated(
            actions=tuple(UNITS.get(action, action) for action in _listed(claim["action"])),
            side=claim.get("side"),
            only=bool(claim.get("only")),
            more=claim.get("more"),
            degree=claim.get("degree"),
            denied=bool(claim.get("denied")),
        )
        for claim in line["claims"]
    )
    return Annotated(author, line["text"], line["kind"], claims)


def trials(sentence: Annotated) -> Iterator[Trial]:
    """Everything that is tried with a sentence."""
    yield from _as_it_is(sentence)
    for number, claim in enumerate(sentence.claims):
        for kind, aus in _false(sentence, number):
            caught = any(c.verdict in ALARMS for c in _about(audit(sentence.text, aus), claim.actions))
            yield _trial(kind, sentence, claim, caught)
            if claim.facs_alone:
                yield _trial("FACS alone", sentence, claim, caught)


def _trial(kind: str, sentence: Annotated, claim: Stated, good: bool) -> Trial:
    what = " ".join(
        str(word) for word in (
            claim.denied and "NOT", "|".join(claim.actions), claim.side, claim.only and "only",
            claim.more and f"more {claim.more}", claim.degree,
        ) if word
    )  # fmt: skip
    return Trial(kind, sentence.author, sentence.text, what, good)


def _as_it_is(sentence: Annotated) -> Iterator[Trial]:
    reports = [audit(sentence.text, aus) for aus in sentence.true]
    here = (sentence.author, sentence.text)
    if sentence.kind == "none":
        read = "; ".join(c.claim.text for c in reports[0].checked)
        yield Trial("misread", *here, read, not reports[0].checked)
        yield Trial("unread without claims", *here, "", not reports[0].unread)
        return
    alarms = [
        f"{c.claim.text!r} {c.reason}" for report in reports for c in report.checked if c.verdict in ALARMS
    ]
    yield Trial("false alarms", *here, "; ".join(alarms[:2]), not alarms)
    unread = bool(reports[0].unread) or not reports[0].checked
    yield Trial("unread", *here, "" if reports[0].unread else "in silence", not unread)


def _about(report: Audit, actions: Iterable[str]) -> list[Checked]:
    return [c for c in report.checked if set(actions) & set(c.claim.units)]


def _false(sentence: Annotated, number: int) -> Iterator[tuple[str, AUVector]]:
    """Kind of the fault, and units in which just this claim is false."""
    claim = sentence.claims[number]
    others = [c for i, c in enumerate(sentence.claims) if i != number]
    true = sentence.true[1]
    if claim.denied:
        if claim.side in ("left", "right") and not all(_paired(action) for action in claim.actions):
            return  # nobody measured by its sides what FACS alone has
        # Of several actions that the words may deny, all take place: a careful reader then objects.
        aus = AUVector({**true, **{n: DENIED for a in claim.actions for n in _sided(a, claim.side)}})
        yield "false denial", aus
        return
    if claim.degree != "minimal":  # a movement that is barely there may be none
        gone = {n: 0.0 for action in claim.actions for n in names(action)}
        yield "invented", AUVector({**true, **gone})
    yield from _wrong_sides(claim, others, true)
    for off in TWO_STEPS_OFF.get(claim.degree or "", ()):
        moved = {n: off * v / (_peak(true, claim) or 1) for a in claim.actions for n, v in _values(true, a)}
        yield "degree", AUVector({**true, **moved})


def _wrong_sides(claim: Stated, others: list[Stated], true: AUVector) -> Iterator[tuple[str, AUVector]]:
    if not any(_paired(action) or action == "jaw slide" for action in claim.actions):
        return
    mirrored = {n: true.mirrored()[n] for a in claim.actions for n in names(a)}
    shared = any(set(claim.actions) & set(o.actions) for o in others)
    if claim.more:
        yield "comparison", AUVector({**true, **mirrored})
    elif claim.side in ("left", "right") and (claim.only or not shared):
        yield ("only" if claim.only else "wrong side"), AUVector({**true, **mirrored})
    elif claim.side == "both" and not shared:
        one = {f"left {a}": 0.0 for a in claim.actions if _paired(a)}
        if one:
            yield "wrong side", AUVector({**true, **one})
    if claim.only and not any(c.denied for c in others if set(c.actions) & set(claim.actions)):
        peak = max(_peak(true, claim), 0.3)
        even = {n: peak for a in claim.actions for n in names(a) if _paired(a)}
        if even:
            yield "only", AUVector({**true, **even})


def _peak(aus: AUVector, claim: Stated) -> float:
    return max((v for action in claim.actions for _, v in _values(aus, action)), default=0.0)


def _values(aus: AUVector, action: str) -> list[tuple[str, float]]:
    return [(name, aus[name] or 0.0) for name in names(action)]


def _paired(action: str) -> bool:
    """Whether the left and the right of an action are measured apart."""
    return len(names(action)) == 2 and action != "jaw slide"


def _sided(action: str, side: str | None) -> list[str]:
    """The units of an action on a side; all of them without one, or where it has no sides."""
    if side in (None, "both"):
        return names(action)
    return [n for n in names(action) if side in n.split()] or names(action)


def _units(claims: Iterable[Stated], step: int) -> AUVector:
    """Units in which all claims hold: what is claimed takes place, everything else was measured as 0."""
    values = dict.fromkeys(AU_NAMES, 0.0)
    denied = {
        n for c in claims if c.denied for a in c.actions for n in _sided(a, c.side)
        if c.side in (None, "both") or _paired(a)
    }  # fmt: skip
    for claim in claims:
        if claim.denied:
            continue
        action = claim.actions[0]
        side = claim.side or ("left" if claim.only or action == "jaw slide" else None)
        levels = INTENSITIES[claim.degree]
        level = levels[min(step, len(levels) - 1)]
        for name in _sided(action, side):
            less = claim.more and Side(claim.more).other in name.split()
            if name not in denied:
                values[name] = max(values[name], level * (0.5 if less else 1.0))
    return AUVector(values)


def table(found: Iterable[Trial]) -> Iterator[str]:
    """Per kind, of all authors and of each: how many of how many, with a 95 % interval, beside the target."""
    tried = list(found)
    authors = sorted({trial.author for trial in tried})
    yield " | ".join(["kind", "all authors", "95 %", "target", *authors])
    yield " | ".join(["---"] * (4 + len(authors)))
    kinds = Counter(trial.kind for trial in tried)
    for kind in [k for k in (*TARGETS, "unread without claims") if k in kinds]:
        mine = [trial for trial in tried if trial.kind == kind]
        bad = kind in AT_MOST or kind not in TARGETS
        count = sum(trial.good is not bad for trial in mine)
        low, high = wilson(count, len(mine))
        each = [[t.good is not bad for t in mine if t.author == author] for author in authors]
        yield " | ".join(
            [
                kind,
                _share(count, len(mine)),
                f"{100 * low:.1f}-{100 * high:.1f}",
                f"{'<=' if bad else '>='} {TARGETS[kind]} %" if kind in TARGETS else "",
                *(_share(sum(some), len(some)) for some in each),
            ]
        )


def _share(count: int, of: int) -> str:
    return f"{count} of {of} ({100 * count / max(of, 1):.1f} %)"


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson; 0-1."""
    if of == 0:
        return 0.0, 1.0
    z, p = 1.96, count / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)
