"""A claim against the action units: the verdict, the units that decided, and the reason in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from expllm.core.vocabulary import ACTION_UNITS, AUVector, Side
from expllm.grounding.claims import Checked, Claim, DegreeWord, Verdict
from expllm.grounding.meanings import FACS_ONLY
from expllm.grounding.places import half_of, misplaced

_ABSENT: Final = 0.01
"""Below this a measured movement does not take place: whoever claims it is contradicted."""

MENTION: Final = 0.05
"""Below this no text of ours claims a movement: readers leave traces of this size everywhere. It
deserves no more than "slight"; claimed without a degree it is not supported."""

DENIED: Final = 0.2
"""From this on a movement may not be said to be absent: a slight one is next to none."""

EASY: Final = 0.5
"""From this on "no pronounced lowering" or "relaxed brows" is wrong: both leave room for some movement."""

BANDS: Final = {
    DegreeWord.MINIMAL: (0.0, 0.3),
    DegreeWord.SLIGHT: (0.0, 0.6),
    DegreeWord.MODERATE: (0.05, 0.85),
    DegreeWord.MARKED: (0.16, 1.0),
    DegreeWord.STRONG: (0.31, 1.0),
}
"""Lowest and highest intensity that a word of degree may stand for: where nine in ten of its uses in the
published texts lie. Neighbours overlap, since people draw these lines differently; what is two steps off on
the scale of the offline writer is outside."""

_DEGREES: Final = tuple(BANDS)

NUMBER: Final = 0.05
"""A quoted number may be this far from the measured one: texts round, and mix up the two sides."""

UNEVEN: Final = 0.02
"""A side that is said to move more may be weaker by this."""

_ALIKE: Final = 0.15
"""Sides that are said to move alike may differ by this, or by half of the stronger one."""

_WHOLE: Final = 13
"""A denial of so many actions speaks of half a face or more, and is held to what was measured of it, be it
one side of a movement."""

_UNITS: Final = {
    action: tuple(unit for unit in ACTION_UNITS if unit.action == action)
    for action in dict.fromkeys(unit.action for unit in ACTION_UNITS)
}
_ORDER: Final = (
    Verdict.SUPPORTED, Verdict.WRONG_DEGREE, Verdict.WRONG_SIDE, Verdict.NOT_MEASURABLE, Verdict.UNSUPPORTED,
    Verdict.CONTRADICTED,
)  # fmt: skip


@dataclass(frozen=True)
class _Finding:
    verdict: Verdict
    units: dict[str, float | None]
    reason: str


def check_claim(claim: Claim, aus: AUVector) -> Checked:
    """What `aus` says to `claim`."""
    if not claim.units:
        reason = f"no action unit measures this ({claim.outside})"
        return Checked(claim, Verdict.OUTSIDE, {}, reason)
    findings = _findings(claim, aus)
    if claim.negated:
        found = _denial(claim, findings)
        return Checked(claim, found.verdict, found.units, found.reason)
    best = min(findings.values(), key=lambda f: (_ORDER.index(f.verdict), -_peak(f.units.values())))
    if claim.outside and best.verdict in (Verdict.CONTRADICTED, Verdict.UNSUPPORTED):
        return Checked(claim, Verdict.OUTSIDE, best.units, f"no action unit measures this ({claim.outside})")
    if best.verdict is not Verdict.SUPPORTED and claim.vague and best.verdict is Verdict.CONTRADICTED:
        best = _Finding(Verdict.UNSUPPORTED, best.units, best.reason)
    if best.verdict in (Verdict.SUPPORTED, Verdict.UNSUPPORTED) and misplaced(claim):
        reason = f"says the {claim.half} face, {claim.units[0]} shows in the {half_of(claim.units[0])}"
        best = _Finding(Verdict.WRONG_PLACE, best.units, reason)
    return Checked(claim, best.verdict, best.units, best.reason)


def _findings(claim: Claim, aus: AUVector) -> dict[str, _Finding]:
    """What is found of each action that a claim may speak of.

    What FACS alone has and nobody measured excuses no words that mean something else first.
    """
    found = {action: _check_action(claim, action, aus) for action in claim.units}
    unknown = {action for action, f in found.items() if f.verdict is Verdict.NOT_MEASURABLE}
    aside = (unknown & FACS_ONLY) - {claim.units[0]}
    if claim.degree is DegreeWord.MINIMAL and not claim.negated and not claim.vague:
        # "Barely parted" fits what does not move at all: the meaning that does move is held to it.
        peaks = {action: _peak(f.units.values()) for action, f in found.items()}
        if max(peaks.values()) >= MENTION:
            aside |= {action for action, peak in peaks.items() if peak < _ABSENT}
    return {action: f for action, f in found.items() if action not in aside} or found


def _denial(claim: Claim, findings: dict[str, _Finding]) -> _Finding:
    """A denial of activity holds if nothing moves.

    Otherwise the first meaning of the words decides; what FACS alone tells apart is denied with it.
    """
    wrong = [f for f in findings.values() if f.verdict is Verdict.CONTRADICTED]
    known = [f for f in findings.values() if f.verdict is not Verdict.NOT_MEASURABLE]
    if not claim.vague:
        facs = [f for action, f in findings.items() if action in FACS_ONLY]
        first = next((f for action, f in findings.items() if action not in FACS_ONLY), None)
        return next((f for f in wrong if f in facs), first or (known or facs)[0])
    chosen = wrong or known or list(findings.values())
    units = {name: value for f in chosen for name, value in f.units.items()}
    if not wrong and not known and len(claim.units) >= _WHOLE and any(v is not None for v in units.values()):
        return _Finding(Verdict.SUPPORTED, units, "nothing moves that was measured")
    return _Finding(chosen[0].verdict, units, max(chosen, key=lambda f: _peak(f.units.values())).reason)


def _check_action(claim: Claim, action: str, aus: AUVector) -> _Finding:
    values = {unit.name: aus[unit.name] for unit in _UNITS[action]}
    sided = {unit.side or unit.direction: aus[unit.name] for unit in _UNITS[action]}
    if len(values) == 2 and (claim.side or claim.both or claim.only):
        return _check_sides(claim, action, values, sided)
    known = [value for value in values.values() if value is not None]
    if action in FACS_ONLY and claim.negated and claim.side and not claim.both:
        return _Finding(Verdict.NOT_MEASURABLE, values, f"{action} was not measured by its sides")
    if not known or (len(known) < len(values) and max(known) < MENTION):
        return _Finding(Verdict.NOT_MEASURABLE, values, f"{action} was not measured")
    return _judge(claim, action, known, values)


def _check_sides(
    claim: Claim, action: str, values: dict[str, float | None], sided: dict[Side | None, float | None]
) -> _Finding:
    if claim.only and not claim.side:
        return _check_either(claim, action, values, sided)
    wanted = [claim.side] if claim.side and not claim.both else list(Side)
    known = [value for side in wanted if (value := sided[side]) is not None]
    if len(known) < len(wanted):
        return _Finding(Verdict.NOT_MEASURABLE, values, f"{action} was not measured")
    if claim.negated:
        return _judge(claim, action, known, values)
    if claim.both and claim.side:
        more, other = sided[claim.side] or 0.0, sided[claim.side.other] or 0.0
        if more < other - UNEVEN:
            return _Finding(Verdict.WRONG_SIDE, values, f"says more on the {claim.side}, {_pair(sided)}")
        return _judge(claim, action, [more], values)
    return (
        _check_even(claim, action, values, sided)
        or _check_only(claim, values, sided)
        or _check_elsewhere(claim, known, values, sided)
        or _judge(claim, action, known, values)
    )


def _check_even(
    claim: Claim, action: str, values: dict[str, float | None], sided: dict[Side | None, float | None]
) -> _Finding | None:
    """Wrong if sides that are said to move alike differ much, or if sides that are said to differ do not."""
    known = _known(values)
    if claim.even is None or len(known) < 2:
        return None
    apart = max(known) - min(known)
    if claim.even and apart > max(_ALIKE, max(known) / 2):
        return _Finding(Verdict.WRONG_SIDE, values, f"says the same on both sides, {_pair(sided)}")
    if claim.even:
        return None
    if apart < _ABSENT:
        return _Finding(Verdict.WRONG_SIDE, values, f"says the sides differ, {_pair(sided)}")
    return _judge(claim, action, known, values)


def _check_elsewhere(
    claim: Claim, known: list[float], values: dict[str, float | None], sided: dict[Side | None, float | None]
) -> _Finding | None:
    """Wrong if a side that is said to move is at rest and the other one moves."""
    if min(known) >= _ABSENT or _peak(sided.values()) < MENTION or claim.degree is DegreeWord.MINIMAL:
        return None
    where = "both sides" if claim.both else f"the {claim.side}"
    return _Finding(Verdict.WRONG_SIDE, values, f"says {where}, {_pair(sided)}")


def _check_either(
    claim: Claim, action: str, values: dict[str, float | None], sided: dict[Side | None, float | None]
) -> _Finding:
    """One side is said to move, whichever."""
    known = _known(values)
    if len(known) < len(values):
        return _Finding(Verdict.NOT_MEASURABLE, values, f"{action} was not measured")
    return _check_only(claim, values, sided) or _judge(claim, action, [max(known)], values)


def _check_only(
    claim: Claim, values: dict[str, float | None], sided: dict[Side | None, float | None]
) -> _Finding | None:
    """Wrong if the side that is said to be at rest moves; without a named side, if both do."""
    if not claim.only:
        return None
    rest = [sided[claim.side.other]] if claim.side else list(sided.values())
    if min(value or 0.0 for value in rest) < DENIED:
        return None
    where = f"only the {claim.side}" if claim.side else "one side only"
    return _Finding(Verdict.WRONG_SIDE, values, f"says {where}, {_pair(sided)}")


def _judge(claim: Claim, action: str, told: list[float], values: dict[str, float | None]) -> _Finding:
    """The intensities that a claim speaks of against what it says; one of two sides may fit the degree."""
    value = max(told)
    measured = f"measured {_number(value)}"
    if claim.negated:
        return _judge_denial(claim, action, value, values)
    if value < _ABSENT and claim.degree is not DegreeWord.MINIMAL and (claim.value or 1.0) >= _ABSENT:
        return _Finding(Verdict.CONTRADICTED, values, f"{action} does not take place, {measured}")
    quoted = claim.value is not None and any(abs(claim.value - v) <= NUMBER for v in _known(values))
    if claim.value is not None and not quoted:
        return _Finding(Verdict.WRONG_DEGREE, values, f"says {claim.value:g}, {measured}")
    if claim.degree is not None:
        low, high = BANDS[claim.degree]
        fits = any(low <= v <= high for v in (value, min(told)) if v == value or v >= MENTION)
        if fits and claim.both and not claim.side and not _nearly(claim.degree, told):
            measured = f"measured {_number(value)} and {_number(min(told))}"
            fits = False
        if not fits:
            return _Finding(Verdict.WRONG_DEGREE, values, f'says "{claim.degree}", {measured}')
    elif value < MENTION and not quoted and not claim.vague:
        return _Finding(Verdict.UNSUPPORTED, values, f"{action} is hardly there, {measured}")
    return _Finding(Verdict.SUPPORTED, values, f"{action} {measured}")


def _nearly(degree: DegreeWord, told: list[float]) -> bool:
    """Whether all sides that a degree is claimed of lie within its band or that of a neighbouring degree."""
    at = _DEGREES.index(degree)
    low = BANDS[_DEGREES[max(at - 1, 0)]][0]
    high = BANDS[_DEGREES[min(at + 1, len(_DEGREES) - 1)]][1]
    return all(low <= value <= high for value in told)


def _judge_denial(claim: Claim, action: str, value: float, values: dict[str, float | None]) -> _Finding:
    limit = DENIED
    if claim.degree in (DegreeWord.MODERATE, DegreeWord.MARKED, DegreeWord.STRONG):
        limit = EASY
    if value >= limit:
        return _Finding(Verdict.CONTRADICTED, values, f"denies {action}, measured {_number(value)}")
    return _Finding(Verdict.SUPPORTED, values, f"{action} measured {_number(value)}")


def _pair(sided: dict[Side | None, float | None]) -> str:
    return f"measured left {_number(sided[Side.LEFT])}, right {_number(sided[Side.RIGHT])}"


def _known(values: dict[str, float | None]) -> list[float]:
    return [value for value in values.values() if value is not None]


def _peak(values: Iterable[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0)


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.2f}"
