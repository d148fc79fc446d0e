"""Whether an action is really measured: agreement with the teacher, mirror images, labels, blind ratings."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from au_readings import Array, Read
from numpy.typing import NDArray
from scipy.stats import rankdata
from tower_faces import LABELS

from expllm.faces.unit_network import CHANNELS

LEAST_R, LEAST_FLIP, LEAST_AUC, LEAST_SEEN = 0.8, 0.9, 0.7, 8
"""A unit counts if student and teacher agree so on held-out people, mirror images agree so, and faces with
an expression that shows it stand apart from neutral ones by so much (AUC), or faces on which raters who
knew nothing saw it from those on which they did not; or they saw it so much more often among the top 20 of
a reader than among 20 random faces."""
SLACK: Final = 0.02
"""In pictures, where faces are found and cut out anew, agreement is so much lower."""
SHUT: Final = 0.02
"""Most of MediaPipe's `jawOpen` of a mouth that is shut: movements of the lips are looked for there."""

SHOWN: Final[Mapping[str, Sequence[str]]] = {
    "lid raise": ("surprise", "fear"), "brow lower": ("anger", "disgust"), "brow raise": ("surprise", "fear"),
    "jaw drop": ("surprise",), "lip corner pull": ("happiness",), "lip corner stretch": ("fear",),
    "upper lip raise": ("disgust", "anger"), "lower lip depress": ("anger", "fear"), "lip pucker": (),
    "nose wrinkle": ("disgust", "anger"), "lid tightener": ("disgust", "anger"),
    "cheek raiser": ("happiness",), "lips part": ("surprise",),
    "eye close": ("sadness",), "dimpler": ("contempt",), "chin raise": ("anger",),
    "lip corner depressor": ("sadness",), "lip tightener": ("anger",), "lip pressor": ("anger",),
}  # fmt: skip
"""Expressions whose faces show an action more than neutral ones (Ekman & Friesen 1978; Du et al. 2014)."""
ON_SHUT_MOUTHS: Final = frozenset(("chin raise", "lip corner depressor", "lip tightener", "lip pressor"))
RATED: Final = {
    "nose wrinkle": ("teacher ensemble AU9",), "lip corner depressor": ("teacher ensemble AU15",),
    "dimpler": ("teacher ensemble AU14", "MediaPipe mouthDimple"),
    "lip tightener": ("teacher ensemble AU23",), "lip pressor": ("MediaPipe mouthPress",),
    "chin raise": ("teacher ensemble AU17", "MediaPipe mouthShrugLower"),
    "lip corner stretch": ("MediaPipe mouthStretch",),
}  # fmt: skip
"""Readers whose top faces were rated for an action."""


@dataclass(frozen=True)
class Rating:
    """One face that was rated blind: whose top it was of, whether it was one, whether the action was seen."""

    reader: str
    place: tuple[str, int]
    top: bool
    seen: bool


def ratings(path: Path) -> list[Rating]:
    """All blind ratings."""
    with path.open(encoding="utf-8") as file:
        return [
            Rating(
                row["reader"], (row["set"], int(row["row"])), row["top"] == "1", row["judged_present"] == "1"
            )
            for row in csv.DictReader(file)
        ]


def by_labels(action: str, value: Array, faces: Read) -> dict[str, float]:
    """How well an action tells the faces of each expression that shows it from neutral ones (AUC)."""
    shut = faces.channels[:, CHANNELS.index("jawOpen")] < SHUT
    rows = shut if action in ON_SHUT_MOUTHS else np.ones(len(value), bool)
    neutral = rows & (faces.label == LABELS.index("neutral"))
    found = {}
    for expression in SHOWN.get(action, ()):
        chosen = rows & (faces.label == LABELS.index(expression))
        if min(chosen.sum(), neutral.sum()) >= 10:
            found[expression] = auc(value[chosen], value[neutral])
    return found


def by_raters(action: str, all_: Sequence[Rating]) -> dict[str, Any]:
    """How often the action was seen among the top 20 of its readers, and among 20 random faces."""
    readers = RATED.get(action, ())
    return {
        reader: {
            kind: sum(one.seen for one in all_ if one.reader == reader and one.top is top)
            for kind, top in (("top", True), ("random", False))
        }
        for reader in readers
    }


def by_rated_faces(
    action: str, read: Callable[[Read], Array], faces: Mapping[str, Read], all_: Sequence[Rating]
) -> float | None:
    """How well what is read tells the faces on which raters saw the action from the others (AUC).

    Args:
        action: Of all its readers, the ratings are pooled.
        read: What is read of faces.
        faces: Those that were rated, by set.
        all_: All ratings.
    """
    values = {
        (f"{name}_train", int(row)): float(value)
        for name, part in faces.items()
        for row, value in zip(part.row, read(part), strict=True)
    }
    rated = [one for one in all_ if one.reader in RATED.get(action, ()) and one.place in values]
    seen, not_seen = (
        np.array([values[one.place] for one in rated if one.seen is yes]) for yes in (True, False)
    )
    return auc(seen, not_seen) if min(len(seen), len(not_seen)) >= 5 else None


def is_shown(labels: Mapping[str, float], seen: Mapping[str, Any], rated: float | None) -> bool:
    """Whether anything but the teacher says that this is the action."""
    aucs = [*labels.values(), *([] if rated is None else [rated])]
    return any(one >= LEAST_AUC for one in aucs) or any(
        one["top"] - one["random"] >= LEAST_SEEN for one in seen.values()
    )


def auc(high: Array, low: Array) -> float:
    """How often a value of `high` exceeds one of `low`."""
    ranks = rankdata(np.concatenate([high, low]))
    wins = ranks[: len(high)].sum() - len(high) * (len(high) + 1) / 2
    return float(wins / (len(high) * len(low)))


def correlation(one: Array, other: Array, rows: NDArray[np.bool_]) -> float:
    return float(np.corrcoef(one[rows], other[rows])[0, 1])
