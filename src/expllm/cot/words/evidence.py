"""How much each movement speaks for each expression: the only place where this writer knows about emotion.

Judgement after EMFACS (Friesen & Ekman, 1983), not fitted to any data set, and not a classifier: it decides
what a text may say a movement fits, and whether a label is explained by the movements.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from expllm.faces import Expression

E = Expression

EVIDENCE: Final[Mapping[str, Mapping[Expression, float]]] = MappingProxyType(
    {
        "eye close": {E.SADNESS: 0.35, E.DISGUST: 0.2},
        "lid raise": {E.SURPRISE: 0.8, E.FEAR: 0.75, E.ANGER: 0.3},
        "brow lower": {E.ANGER: 1.0, E.SADNESS: 0.6, E.DISGUST: 0.6},
        "brow raise": {E.SURPRISE: 0.9, E.FEAR: 0.5, E.SADNESS: 0.25},
        "jaw drop": {E.SURPRISE: 0.8, E.FEAR: 0.5},
        "jaw slide": {E.CONTEMPT: 0.3},
        "lip corner pull": {E.HAPPINESS: 1.4},
        "lip corner stretch": {E.FEAR: 0.8, E.SADNESS: 0.6, E.DISGUST: 0.3},
        "lip suck": {E.SADNESS: 0.3, E.ANGER: 0.3},
        "jaw thrust": {E.ANGER: 0.5, E.CONTEMPT: 0.3},
        "upper lip raise": {E.DISGUST: 0.8, E.ANGER: 0.4},
        "lower lip depress": {E.DISGUST: 0.3, E.SADNESS: 0.35, E.FEAR: 0.3},
        "chin raise": {E.SADNESS: 0.7, E.ANGER: 0.4, E.DISGUST: 0.4, E.CONTEMPT: 0.3},
        "lip pucker": {E.ANGER: 0.25, E.SADNESS: 0.2},
        "cheeks puff": {E.ANGER: 0.2},
        "nose wrinkle": {E.DISGUST: 1.2, E.ANGER: 0.5},
    }
)
"""Evidence of a full movement, 0-1 and above where one movement is nearly enough by itself."""

STILL: Final = 0.25
"""Score of neutral: what the support of the strongest emotion has to exceed."""

TYPICAL: Final = 0.3
"""Evidence from which a movement may be called typical of an expression."""

ONE_SIDED_SMILE: Final[Mapping[Expression, float]] = MappingProxyType({E.CONTEMPT: 1.0, E.HAPPINESS: 0.4})
WITH_A_SMILE: Final[Mapping[str, Mapping[Expression, float]]] = MappingProxyType(
    {
        "eye close": {E.HAPPINESS: 0.3},
        "jaw drop": {E.HAPPINESS: 0.3, E.SURPRISE: 0.4},
        "upper lip raise": {E.HAPPINESS: 0.4, E.DISGUST: 0.3},
        "lower lip depress": {E.HAPPINESS: 0.2},
        "lip corner stretch": {E.HAPPINESS: 0.2, E.FEAR: 0.3},
    }
)
"""Evidence of a movement that goes with a pull of both lip corners: smiling and laughing do these too."""

WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "lip corner pull": 1.2,
        "nose wrinkle": 1.2,
        "brow lower": 1.1,
        "eye close": 0.7,
        "lower lip depress": 0.7,
    }
    | dict.fromkeys(("lip suck", "lip pucker", "cheeks puff", "jaw thrust"), 0.65)
    | {"jaw slide": 0.5}
)
"""How much a movement tells about emotion at equal intensity (1 where not listed): what is told first."""
