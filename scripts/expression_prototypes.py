"""Faces that the literature names for each expression, as rows that a classifier learns from, too.

Photographs of some expressions are few: of disgust FER+ valid has 31 that can be read. A fit that weighs such
classes up then takes every bared mouth for disgust. What coders agree on keeps it from that.

Action units are those of Ekman, Friesen & Hager 2002 (FACS Investigator's Guide, prototypes and major
variants), of contempt those of Ekman & Friesen 1986. Anger that bares the teeth and wrinkles the nose is
not in their table; FER+ has it: the nose wrinkle tells anger from neutral faces (AUC .92) as it does disgust.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from expllm.core.vocabulary import AU_NAMES, Expression
from expllm.faces.au_classifier import ACTIONS
from expllm.faces.au_reader import TRACE

Array = NDArray[np.float64]

PROTOTYPES: Final[Mapping[Expression, tuple[str, ...]]] = MappingProxyType({
    Expression.HAPPINESS: (
        "lip corner pull, cheek raiser", "lip corner pull, cheek raiser, lips part", "lip corner pull",
    ),
    Expression.SURPRISE: (
        "brow raise, lid raise, jaw drop, lips part", "brow raise, lid raise",
        "brow raise, jaw drop, lips part",
    ),
    Expression.ANGER: (
        "brow lower, lid raise, lid tightener, lip tightener",
        "brow lower, lid tightener, chin raise, lip pressor",
        "brow lower, lid tightener, upper lip raise, lips part, jaw drop",
        "brow lower, lid tightener, upper lip raise, lower lip depress, lips part",
        "brow lower, lid tightener, nose wrinkle, upper lip raise, lower lip depress, lips part, jaw drop",
    ),
    Expression.DISGUST: (
        "nose wrinkle", "nose wrinkle, chin raise", "nose wrinkle, lip corner depressor, lower lip depress",
        "upper lip raise, chin raise",
    ),
    Expression.SADNESS: (
        "brow raise, brow lower, lip corner depressor", "lip corner depressor, chin raise",
        "brow raise, brow lower, lip corner depressor, chin raise",
    ),
    Expression.FEAR: (
        "brow raise, brow lower, lid raise, jaw drop, lips part",
        "brow raise, brow lower, lid raise, lip corner stretch, lips part",
    ),
    Expression.CONTEMPT: ("dimpler", "left lip corner pull", "right lip corner pull"),
})  # fmt: skip
"""Actions, or units of one side, that move together."""

LEAST, MOST = 0.4, 1.0
"""Intensities of what moves."""
APART: Final = 0.1
"""How much two units of a prototype, or its two sides, may differ, as a share."""
DRAWN: Final = 300
"""Faces of each expression."""
SURE: Final = 0.9
"""Share of the expression in what such a face is learned as; the other labels share the rest."""


def prototype_faces(labels: tuple[Expression, ...], measured: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Action units of drawn faces, and what they are learned as.

    Args:
        labels: Those of the classifier.
        measured: [31] units that its source reads; the others are NaN.

    Returns:
        [N, 31] intensities, with random traces elsewhere; [N, K] shares of the labels.
    """
    chance = np.random.default_rng(0)
    rows: list[Array] = []
    targets: list[Array] = []
    for place, label in enumerate(labels):
        target = np.full(len(labels), (1 - SURE) / len(labels))
        target[place] += SURE
        variants = PROTOTYPES.get(label, ())
        for variant in variants:
            for _ in range(DRAWN // len(variants)):
                rows.append(np.where(measured, _drawn(variant, chance), np.nan))
                targets.append(target)
    return np.array(rows), np.array(targets)


def _drawn(variant: str, chance: Any) -> Array:
    """One face: [31]."""
    units = chance.uniform(0, TRACE, len(AU_NAMES)) * (chance.random(len(AU_NAMES)) < 0.5)
    strength = chance.uniform(LEAST, MOST)
    for name in variant.split(", "):
        for column in ACTIONS.get(name) or (AU_NAMES.index(name),):
            units[column] = min(1.0, strength * chance.uniform(1 - APART, 1 + APART))
    return np.asarray(units)
