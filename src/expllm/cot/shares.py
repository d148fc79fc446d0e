"""Shares with their intervals, and how well guesses fit labels: plain arithmetic."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Z: Final = 1.959963984540054
"""Of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Share:
    """`count` out of `of`."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """0-1; None out of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval (Wilson 1927), 0-1; None out of nothing."""
        if not self.of:
            return None
        p, n = self.count / self.of, self.of
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        low = 0.0 if self.count == 0 else max(0.0, middle - half)
        return low, 1.0 if self.count == n else min(1.0, middle + half)

    def to_dict(self) -> dict[str, Any]:
        low, high = self.interval or (None, None)
        return {"count": self.count, "of": self.of, "share": self.value, "low": low, "high": high}


@dataclass(frozen=True)
class Accuracy:
    """How guesses fit labels.

    Attributes:
        right: Guesses that name the label, out of all that could be compared.
        macro_f1: Mean F1 of the classes that occur among labels or guesses, 0-1; None without any.
        majority: The most frequent label; None without any.
        majority_share: What naming it always would have got right.
        unlabelled: Left out, as no label is known.
        unguessed: Left out, as nothing was guessed.
    """

    right: Share
    macro_f1: float | None
    majority: str | None
    majority_share: Share
    unlabelled: int = 0
    unguessed: int = 0

    @classmethod
    def of(cls, pairs: Mapping[tuple[str, str], int], unlabelled: int = 0, unguessed: int = 0) -> "Accuracy":
        """From how often each (label, guess) occurred."""
        labels: Counter[str] = Counter()
        for (label, _), count in pairs.items():
            labels[label] += count
        total = sum(labels.values())
        right = sum(count for (label, guess), count in pairs.items() if label == guess)
        # Of equally frequent labels the first by name: the order of a journal must not decide.
        majority = min(labels, key=lambda label: (-labels[label], label), default=None)
        most = labels[majority] if majority is not None else 0
        return cls(Share(right, total), _macro_f1(pairs), majority, Share(most, total), unlabelled, unguessed)

    def to_dict(self) -> dict[str, Any]:
        return {
            "right": self.right.to_dict(), "macro_f1": self.macro_f1, "majority": self.majority,
            "majority_share": self.majority_share.to_dict(), "unlabelled": self.unlabelled,
            "unguessed": self.unguessed,
        }  # fmt: skip


def _macro_f1(pairs: Mapping[tuple[str, str], int]) -> float | None:
    labels: Counter[str] = Counter()
    guesses: Counter[str] = Counter()
    for (label, guess), count in pairs.items():
        labels[label] += count
        guesses[guess] += count
    classes = sorted(labels.keys() | guesses.keys())
    if not classes:
        return None
    return math.fsum(2 * pairs.get((c, c), 0) / (labels[c] + guesses[c]) for c in classes) / len(classes)


def most_frequent(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first, equals by name."""
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


_KEPT: Final = ("call failed", "verification")
_FILTERED: Final = "filtered"
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_LONGEST_KIND: Final = 80


def reason_kind(reason: str | None) -> str:
    """A reason without what belongs to one sample only: quotations, names of files, numbers.

    >>> reason_kind("no expression of the label set was named, the last answer was 'Joy?'")
    'no expression of the label set was named'
    >>> reason_kind("call failed: http-503 (Engine is busy)")
    'call failed: http-503'
    """
    head, colon, tail = (reason or "no reason given").partition(": ")
    if head in _KEPT:
        kind, _, _ = tail.partition(" (")
        return f"{head}: {kind}"[:_LONGEST_KIND]
    if head != "img2au":
        return _general(head.partition(", the last answer")[0])
    return f"img2au: {_general(tail.rpartition(': ')[2])}" if colon else head


def server_message(reason: str | None) -> str:
    """What a server said within a reason; empty where it said nothing.

    >>> said_by_server("call failed: http-503 (Engine is busy)")
    'Engine is busy'
    """
    head, _, tail = (reason or "").partition(": ")
    if head == _FILTERED:
        return tail
    return tail.partition(" (")[2].removesuffix(")") if head == _KEPT[0] else ""


def _general(text: str) -> str:
    return _NUMBER.sub("N", _QUOTED.sub("...", text))[:_LONGEST_KIND]
