"""Alarms against hacking: signs that a policy earns its reward and writes worse for it.

Each looks at the last `window` steps, and most compare them with the first ones. What they need stands in the
history of the stage, so a training that goes on has the same alarms.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from expllm.train.step_history import RolloutStep


@dataclass(frozen=True)
class Alarm:
    """What has tripped.

    Attributes:
        name: A key of `ALARMS`.
        value, bound: What was found, and what it may be at most or at least.
        text: Both in words.
    """

    name: str
    value: float
    bound: float
    text: str


Steps = Sequence[RolloutStep]
_LEAST: Final = {"claims": 1.0, "entropy": 0.05}
"""What first steps count at least where a rise is a ratio to them: a text without a claim may get one, and
what began at 0 may not grow without a bound."""
_Look = Callable[[Steps, Steps, float], Alarm | None]


def tripped(steps: Steps, bounds: Mapping[str, float | None]) -> Alarm | None:
    """The first alarm that the history of a stage trips, None for none.

    Args:
        steps: All steps so far; alarms wait until there are as many as `window` says.
        bounds: Of every alarm, by `GrpoSettings.bounds`.
    """
    window = int(bounds["window"] or 0)
    if len(steps) < window:
        return None
    first, last = steps[:window], steps[-window:]
    for name, look in _LOOKS.items():
        bound = bounds[name]
        start = _beginning(steps, window, _FALLS[name]) if name in _FALLS else first
        if bound is not None and (found := look(start, last, bound)):
            return found
    return None


def second_source(before: float | None, now: float | None, bound: float | None) -> Alarm | None:
    """Whether the reward by another source of action units has fallen since before the first step.

    Args:
        before, now: Mean rewards of held-out texts by that source; None: not taken.
        bound: How far it may fall; None turns the alarm off.
    """
    if before is None or now is None or bound is None or before - now <= bound:
        return None
    text = f"held-out reward by the second source is {now:.3f}, {before - now:.3f} below that before"
    return Alarm("second_source", before - now, bound, f"{text} (bound {bound:g})")


def answered_shares(steps: Steps) -> dict[str, float]:
    """How much more often than it is true each label is answered, as a difference of shares."""
    pairs = [pair for step in steps for pair in step.labels]
    true, answered = Counter(pair[0] for pair in pairs), Counter(pair[1] for pair in pairs)
    return {name: (answered[name] - true[name]) / len(pairs) for name in answered}


def macro_f1_of_steps(steps: Steps) -> float:
    """Mean F1 of the labels that are true or answered, 0-1."""
    pairs = Counter(tuple(pair) for step in steps for pair in step.labels)
    names = {name for pair in pairs for name in pair}
    true, answered = Counter[str](), Counter[str]()
    for (one, other), count in pairs.items():
        true[one] += count
        answered[other] += count
    return sum(2 * pairs[name, name] / (true[name] + answered[name]) for name in names) / len(names)


def distinct_texts(steps: Steps) -> float:
    """Share of different texts among all, 0-1."""
    texts = [text for step in steps for text in step.texts]
    return len(set(texts)) / len(texts)


def _beginning(steps: Steps, window: int, key: str) -> Steps:
    """The first steps from which a value can fall: those that begin where it is not 0."""
    began = next((place for place, step in enumerate(steps) if getattr(step, key)), 0)
    return steps[began : began + window]


def _mean(steps: Steps, name: str) -> float:
    values: list[float] = [getattr(step, name) for step in steps]
    return sum(values) / len(values)


def _largest_label(_: Steps, last: Steps, bound: float) -> Alarm | None:
    shares = answered_shares(last)
    name = max(shares, key=lambda label: shares[label])
    said = f"{name} is answered {shares[name]:.0%} of the time more often than it is true"
    return _above("largest_label", shares[name], bound, said)


def _macro_f1(first: Steps, last: Steps, bound: float) -> Alarm | None:
    before, now = macro_f1_of_steps(first), macro_f1_of_steps(last)
    return _above("macro_f1", before - now, bound, f"macro-F1 fell from {before:.3f} to {now:.3f}")


def _distinct(_: Steps, last: Steps, bound: float) -> Alarm | None:
    share = distinct_texts(last)
    return _below("distinct_texts", share, bound, f"{share:.0%} of the texts are different")


def _few_claims(first: Steps, last: Steps, bound: float) -> Alarm | None:
    return _ratio_below("fewest_claims", "claims", "claims a text", first, last, bound)


def _many_claims(first: Steps, last: Steps, bound: float) -> Alarm | None:
    return _ratio_above("most_claims", "claims", "claims a text", first, last, bound)


def _padding(first: Steps, last: Steps, bound: float) -> Alarm | None:
    before, now = _mean(first, "padding"), _mean(last, "padding")
    said = f"vague or denied claims rose from {before:.0%} to {now:.0%}"
    return _above("padding", now - before, bound, said)


def _low_entropy(first: Steps, last: Steps, bound: float) -> Alarm | None:
    return _ratio_below("lowest_entropy", "entropy", "nats of entropy a token", first, last, bound)


def _high_entropy(first: Steps, last: Steps, bound: float) -> Alarm | None:
    return _ratio_above("highest_entropy", "entropy", "nats of entropy a token", first, last, bound)


def _spread(_: Steps, last: Steps, bound: float) -> Alarm | None:
    found = _mean(last, "spread")
    return _below("spread", found, bound, f"rewards of a face differ by {found:.4f} (standard deviation)")


_FALLS: Final = {"fewest_claims": "claims", "lowest_entropy": "entropy"}
_LOOKS: Final[Mapping[str, _Look]] = {
    "largest_label": _largest_label,
    "macro_f1": _macro_f1,
    "distinct_texts": _distinct,
    "fewest_claims": _few_claims,
    "most_claims": _many_claims,
    "padding": _padding,
    "lowest_entropy": _low_entropy,
    "highest_entropy": _high_entropy,
    "spread": _spread,
}


def _above(name: str, value: float, bound: float, said: str) -> Alarm | None:
    return Alarm(name, value, bound, f"{said} (bound {bound:g})") if value > bound else None


def _below(name: str, value: float, bound: float, said: str) -> Alarm | None:
    return Alarm(name, value, bound, f"{said} (bound {bound:g})") if value < bound else None


def _ratio_below(name: str, key: str, what: str, first: Steps, last: Steps, bound: float) -> Alarm | None:
    before, now = _mean(first, key), _mean(last, key)
    said = f"{what} fell from {before:.3g} to {now:.3g}"
    return _below(name, now / before, bound, said) if before else None


def _ratio_above(name: str, key: str, what: str, first: Steps, last: Steps, bound: float) -> Alarm | None:
    before, now = _mean(first, key), _mean(last, key)
    said = f"{what} rose from {before:.3g} to {now:.3g}"
    return _above(name, now / max(before, _LEAST[key]), bound, said)
