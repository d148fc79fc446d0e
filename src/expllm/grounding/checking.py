"""A claim against the action units: the verdict, the units that decided, and the reason in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from expllm.faces import ACTION_UNITS, AUVector, Side
from expllm.grounding.claims import Checked, Claim, DegreeWord, Verdict

ABSENT: Final = 0.01
"""Below this a measured movement does not take place: whoever claims it is contradicted."""

MENTION: Final = 0.05
"""Below this a movement deserves no more than "slight"; claimed without a degree it is not supported."""

DENIED: Final = 0.15
"""From this on a movement may not be said to be absent."""

EASY: Final = 0.45
"""From this on a part may not be called relaxed: the word is also used of faces that move a little."""

BANDS: Final = {
    DegreeWord.MINIMAL: (0.0, 0.35),
    DegreeWord.SLIGHT: (0.0, 0.5),
    DegreeWord.MODERATE: (0.05, 0.85),
    DegreeWord.MARKED: (0.1, 1.0),
    DegreeWord.STRONG: (0.2, 1.0),
}
"""Lowest and highest intensity that a word of degree may stand for."""

NUMBER: Final = 0.05
"""A quoted number may be this far from the measured one: texts round, and mix up the two sides."""

UNEVEN: Final = 0.01
"""A side that is said to move more may be weaker by this."""

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


def check(claim: Claim, aus: AUVector) -> Checked:
    """What `aus` says to `claim`."""
    if not claim.units:
        reason = f"no action unit measures this ({claim.outside})"
        return Checked(claim, Verdict.OUTSIDE, {}, reason)
    findings = [_check_action(claim, action, aus) for action in claim.units]
    if claim.negated:
        return Checked(claim, *_all_absent(findings))
    best = min(findings, key=lambda f: (_ORDER.index(f.verdict), -_peak(f.units.values())))
    if claim.outside and best.verdict in (Verdict.CONTRADICTED, Verdict.UNSUPPORTED):
        return Checked(claim, Verdict.OUTSIDE, best.units, f"no action unit measures this ({claim.outside})")
    if best.verdict is not Verdict.SUPPORTED and claim.vague and best.verdict is Verdict.CONTRADICTED:
        best = _Finding(Verdict.UNSUPPORTED, best.units, best.reason)
    return Checked(claim, best.verdict, best.units, best.reason)


def _all_absent(findings: list[_Finding]) -> tuple[Verdict, dict[str, float | None], str]:
    """A denial holds if it holds for each movement that it may speak of."""
    wrong = [f for f in findings if f.verdict is Verdict.CONTRADICTED]
    known = [f for f in findings if f.verdict is not Verdict.NOT_MEASURABLE]
    chosen = wrong or known or findings
    units = {name: value for f in chosen for name, value in f.units.items()}
    return chosen[0].verdict, units, max(chosen, key=lambda f: _peak(f.units.values())).reason


def _check_action(claim: Claim, action: str, aus: AUVector) -> _Finding:
    values = {unit.name: aus[unit.name] for unit in _UNITS[action]}
    sided = {unit.side or unit.direction: aus[unit.name] for unit in _UNITS[action]}
    if len(values) == 2 and (claim.side or claim.both):
        return _check_sides(claim, action, values, sided)
    known = [value for value in values.values() if value is not None]
    if not known:
        return _Finding(Verdict.NOT_MEASURABLE, values, f"{action} was not measured")
    return _judge(claim, action, max(known), values)


def _check_sides(
    claim: Claim, action: str, values: dict[str, float | None], sided: dict[Side | None, float | None]
) -> _Finding:
    wanted = [claim.side] if claim.side and not claim.both else list(Side)
    told = [sided[side] for side in wanted]
    known = [value for value in told if value is not None]
    if len(known) < len(told):
        return _Finding(Verdict.NOT_MEASURABLE, values, f"{action} was not measured")
    left, right = sided[Side.LEFT], sided[Side.RIGHT]
    pair = f"measured left {_number(left)}, right {_number(right)}"
    if claim.negated:
        return _judge(claim, action, max(known), values)
    if claim.both and claim.side and left is not None and right is not None:
        more, other = (left, right) if claim.side is Side.LEFT else (right, left)
        if more < other - UNEVEN or max(left, right) < ABSENT:
            return _Finding(Verdict.WRONG_SIDE, values, f"says more on the {claim.side}, {pair}")
        return _judge(claim, action, more, values)
    elsewhere = max((value for value in sided.values() if value is not None), default=0.0)
    if min(known) < ABSENT and elsewhere >= ABSENT and claim.degree is not DegreeWord.MINIMAL:
        where = "both sides" if claim.both else f"the {claim.side}"
        return _Finding(Verdict.WRONG_SIDE, values, f"says {where}, {pair}")
    return _judge(claim, action, known[0] if claim.side else max(known), values)


def _judge(  # noqa: PLR0911 - a return a verdict
    claim: Claim, action: str, value: float, values: dict[str, float | None]
) -> _Finding:
    """One intensity against what is said of it."""
    measured = f"measured {_number(value)}"
    if claim.negated:
        return _judge_denial(claim, action, value, values)
    if claim.value is not None and abs(claim.value - value) > NUMBER and not _quoted(claim.value, values):
        return _Finding(Verdict.WRONG_DEGREE, values, f"says {claim.value:g}, {measured}")
    if claim.degree is DegreeWord.MINIMAL and value < MENTION:
        return _Finding(Verdict.SUPPORTED, values, f"{action} {measured}")
    if value < ABSENT:
        return _Finding(Verdict.CONTRADICTED, values, f"{action} does not take place, {measured}")
    if claim.degree is not None:
        low, high = BANDS[claim.degree]
        if not low <= value <= high:
            return _Finding(Verdict.WRONG_DEGREE, values, f'says "{claim.degree}", {measured}')
    elif value < MENTION:
        return _Finding(Verdict.UNSUPPORTED, values, f"{action} is hardly there, {measured}")
    return _Finding(Verdict.SUPPORTED, values, f"{action} {measured}")


def _judge_denial(claim: Claim, action: str, value: float, values: dict[str, float | None]) -> _Finding:
    limit = DENIED
    if claim.degree in (DegreeWord.MODERATE, DegreeWord.MARKED, DegreeWord.STRONG):
        limit = 0.5  # "no pronounced lowering" leaves room for some
    if claim.vague:
        limit = max(limit, EASY)
    if value >= limit:
        return _Finding(Verdict.CONTRADICTED, values, f"denies {action}, measured {_number(value)}")
    return _Finding(Verdict.SUPPORTED, values, f"{action} measured {_number(value)}")


def _quoted(number: float, values: dict[str, float | None]) -> bool:
    return any(value is not None and abs(number - value) <= NUMBER for value in values.values())


def _peak(values: Iterable[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0)


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.2f}"
