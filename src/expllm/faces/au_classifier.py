"""An expression and its probabilities from action units alone: a multinomial logistic regression.

The coefficients are JSON assets, one for each source of action units, with a card that says what they were
fitted on and how well they do. Running needs NumPy only; fitting is `scripts/fit_expression_classifier.py`.

A coefficient belongs to a *term*: one factor, or a product of factors joined by `` * ``. Factors are

* ``lip corner pull``: the intensity; of a sided action, the mean of left and right;
* ``sqrt(lip corner pull)``: its square root, which tells small intensities apart;
* ``over(lip corner pull, 0.5)``: what exceeds 0.5, otherwise 0;
* ``trace(lip corner pull)``: how much of a trace (0.05) is there, 1 from there on;
* ``uneven(lip corner pull)``: the absolute difference of left and right.

No factor says which side is which, so a picture and its mirror image get the same probabilities.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from expllm.core.errors import RecordError
from expllm.core.records import Probability, Record
from expllm.core.vocabulary import (
    ACTION_UNITS,
    AU_NAMES,
    FEAFA_NAMES,
    AUSource,
    AUVector,
    Expression,
    label_set,
)
from expllm.faces.au_reader import TRACE

if TYPE_CHECKING:
    from typing import Self

CLASSIFIER_FILES: Final[Mapping[AUSource, str]] = MappingProxyType(
    {
        AUSource.BLENDSHAPES: "expression_from_aus.json",
        AUSource.PIXELS: "expression_from_pixels.json",
        AUSource.BOTH: "expression_from_both.json",
    }
)
TYPICAL: Final = "typical_faces.json"
FITTED: Final[tuple[AUSource, ...]] = tuple(
    source for source, asset in CLASSIFIER_FILES.items() if (files("expllm") / "assets" / asset).is_file()
)
"""Sources that have a classifier of their own; unless all have one, that of the blendshapes answers."""

_Array = NDArray[np.float64]
_Number = Annotated[float, Field(allow_inf_nan=False)]

ACTIONS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        action: tuple(place for place, au in enumerate(ACTION_UNITS) if au.action == action)
        for action in dict.fromkeys(au.action for au in ACTION_UNITS)
    }
)
"""The 24 actions without their sides, and the one or two columns of an AU array that measure each."""

_FACTOR = re.compile(
    r"(?:(?P<call>sqrt|over|trace|uneven)\()?(?P<action>[a-z ]+?)(?:, (?P<knot>0?\.\d+))?(?P<end>\))?"
)


class Coefficients(Record):
    """One model as it stands in the asset.

    Attributes:
        identity: Name and version, for provenance.
        labels: The expressions, in the order of `intercept` and of each row of `weights`.
        missing: The value that stands for a unit that was not measured: its mean over the training faces,
            the same for left and right. Exactly the units that `weights` use have one.
        intercept: One number a label.
        weights: For each term, one number a label.
    """

    identity: str
    labels: tuple[Expression, ...]
    missing: dict[str, Probability]
    intercept: tuple[_Number, ...]
    weights: dict[str, tuple[_Number, ...]]


class AUClassifier:
    """Turns action units into probabilities of seven or eight expressions.

    Raises:
        RecordError: the coefficients do not fit together.
    """

    def __init__(self, model: Coefficients) -> None:
        _check(model)
        self.identity = model.identity
        self.labels = model.labels
        self.terms = tuple(model.weights)
        self._missing = np.array([model.missing.get(name, np.nan) for name in AU_NAMES])  # [31]
        self._weights = np.array(list(model.weights.values()))  # [terms, labels]
        self._intercept = np.array(model.intercept)  # [labels]

    @classmethod
    def from_asset(cls, labels: int = 8, source: AUSource | str = AUSource.BLENDSHAPES) -> "Self":
        """The fitted model of seven or of eight expressions that comes with the package.

        Args:
            labels: How many.
            source: What the action units are read from.

        Raises:
            VocabularyError: `labels` is neither 7 nor 8.
            RecordError: the asset is damaged.
        """
        wanted, source = label_set(labels), AUSource(source)
        model = cls(Coefficients.from_dict(read_asset(source)["models"][str(labels)]))
        if model.labels != wanted:
            raise RecordError(
                f"{CLASSIFIER_FILES[source]}: the labels of model {labels} are not in AffectNet's order"
            )
        return model

    @property
    def uses(self) -> tuple[str, ...]:
        """Names of the action units that count, in the order of `AU_NAMES`; the others are ignored."""
        return tuple(name for name, known in zip(AU_NAMES, ~np.isnan(self._missing), strict=True) if known)

    def probabilities(self, aus: AUVector) -> dict[Expression, float] | None:
        """The probability of each expression, in AffectNet's order; they sum to 1.

        A unit that was not measured counts as its training mean. None where no unit that counts was
        measured: nothing is known then, and the mean face would pass for an answer.
        """
        row = self.batch(aus.to_array()[None])[0]
        if np.isnan(row[0]):
            return None
        return dict(zip(self.labels, row.tolist(), strict=True))

    def open_probabilities(self, aus: AUVector, others: _Array) -> dict[Expression, float] | None:
        """The same where units could not be seen: the mean over what they are in other faces.

        With the training mean in their place, a face with a covered mouth would pass for a neutral one.

        Args:
            aus: The units that were seen.
            others: [N, 31], the units of typical faces.
        """
        row = aus.to_array()
        if np.isnan(row[~np.isnan(self._missing)]).all():
            return None
        shares = self.batch(np.where(np.isnan(row), others, row)).mean(axis=0)
        return dict(zip(self.labels, shares.tolist(), strict=True))

    def batch(self, aus: _Array) -> _Array:
        """Like `probabilities`, for many faces.

        Args:
            aus: Shape [N, 31], intensities 0-1 in the order of `AU_NAMES`, NaN where not measured.

        Returns:
            Shape [N, labels]; NaN in the rows of faces of which nothing that counts was measured.
        """
        counted = aus[:, ~np.isnan(self._missing)]
        filled = np.where(np.isnan(aus), self._missing, aus)
        answer = softmax(term_values(filled, self.terms) @ self._weights + self._intercept)
        answer[np.isnan(counted).all(axis=1)] = np.nan
        return answer


def term_values(aus: _Array, terms: Sequence[str]) -> _Array:
    """The values of `terms`: from [N, 31] to [N, terms].

    Raises:
        RecordError: a term is not of the form that this module's head describes.
    """
    columns = np.ones((len(aus), len(terms)))
    for column, term in enumerate(terms):
        for factor in term.split(" * "):
            columns[:, column] *= _factor(aus, factor)
    return columns


def softmax(scores: _Array) -> _Array:
    """Rows of scores to rows of probabilities, without overflow: [N, K] to [N, K]."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def term_units(terms: Sequence[str]) -> frozenset[str]:
    """Names of the action units that `terms` read."""
    actions = {_parse(factor)[1] for term in terms for factor in term.split(" * ")}
    return frozenset(AU_NAMES[column] for action in actions for column in ACTIONS[action])


def classifier_for(aus: AUVector, labels: int = 8) -> AUClassifier:
    """The model that comes with the package for units of such a source; see `source_of`.

    Raises:
        VocabularyError: `labels` is neither 7 nor 8.
        RecordError: the asset is damaged.
    """
    return _classifier(labels, source_of(aus))


def source_of(aus: AUVector) -> AUSource:
    """What action units were read from, by which of them were measured.

    Some are read from pixels alone; in a face whose pixels could not be read they are missing, and the others
    are what blendshapes give. Tables of other tools that have such units count as read from pixels, too.
    """
    if len(FITTED) < len(CLASSIFIER_FILES):
        return AUSource.BLENDSHAPES
    shapes, pixels, both = (frozenset(_classifier(8, source).uses) for source in CLASSIFIER_FILES)
    measured = frozenset(aus.measured)
    if not measured & (pixels - shapes) - frozenset(FEAFA_NAMES):
        return AUSource.BLENDSHAPES
    return AUSource.BOTH if measured & (both - pixels) else AUSource.PIXELS


@cache
def _classifier(labels: int, source: AUSource) -> AUClassifier:
    return AUClassifier.from_asset(labels, source)


@cache
def read_asset(source: AUSource = AUSource.BLENDSHAPES) -> Mapping[str, Any]:
    """The asset of a source: the card, and the models by their number of labels.

    Raises:
        RecordError: the asset is damaged.
    """
    import json

    asset = CLASSIFIER_FILES[source]
    try:
        content = json.loads((files("expllm") / "assets" / asset).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{asset} cannot be read, install expllm again: {error}") from None
    if (
        not isinstance(content, dict)
        or set(content) != {"card", "models"}
        or set(content["models"]) != {"7", "8"}
    ):
        raise RecordError(f"{asset} must hold a card and the models 7 and 8: install expllm again")
    return MappingProxyType(content)


@cache
def typical_faces() -> _Array:
    """Action units of typical faces and of their mirror images: [2 N, 31], NaN where not measured.

    Raises:
        RecordError: the asset is damaged.
    """
    import json

    try:
        content = json.loads((files("expllm") / "assets" / TYPICAL).read_text(encoding="utf-8"))
        rows = np.array(
            [AUVector(dict(zip(content["units"], row, strict=True))).to_array() for row in content["faces"]]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{TYPICAL} cannot be read, install expllm again: {error}") from None
    mirror = [AU_NAMES.index(au.mirror) for au in ACTION_UNITS]
    return np.concatenate([rows, rows[:, mirror]])


def _parse(factor: str) -> tuple[str | None, str, float | None]:
    """Function name (or None), action, and the knot of ``over``."""
    match = _FACTOR.fullmatch(factor)
    call, action, knot, end = match.group("call", "action", "knot", "end") if match else ("", "", "", "")
    well_formed = match and bool(call) == bool(end) and (call == "over") == (knot is not None)
    if not well_formed or action not in ACTIONS or (call == "uneven" and len(ACTIONS[action]) != 2):
        raise RecordError(f"not a factor of a term: {factor!r}")
    return call, action, float(knot) if knot else None


def _factor(aus: _Array, factor: str) -> _Array:
    """The values of one factor: from [N, 31] to [N]."""
    call, action, knot = _parse(factor)
    sides = aus[:, list(ACTIONS[action])]
    mean = sides.mean(axis=1)
    if call == "sqrt":
        return np.asarray(np.sqrt(mean))
    if call == "over":
        return np.asarray(np.maximum(mean - (knot or 0.0), 0.0))
    if call == "trace":
        return np.asarray(np.minimum(mean, TRACE) / TRACE)
    if call == "uneven":
        return np.asarray(np.abs(sides[:, 0] - sides[:, 1]))
    return np.asarray(mean)


def _check(model: Coefficients) -> None:
    """Refuses coefficients that do not fit together, naming what is wrong."""
    count = len(model.labels)
    if count != len(set(model.labels)) or count < 2:
        raise RecordError(f"{model.identity}: the labels must be two or more, each once")
    if not model.weights:
        raise RecordError(f"{model.identity}: there is no term")
    if len(model.intercept) != count:
        raise RecordError(f"{model.identity}: {len(model.intercept)} intercepts for {count} labels")
    for term, row in model.weights.items():
        if len(row) != count:
            raise RecordError(f"{model.identity}: {len(row)} weights for {count} labels at {term!r}")
    if set(model.missing) != term_units(tuple(model.weights)):
        raise RecordError(f"{model.identity}: 'missing' must name exactly the units that the terms read")
    for au in ACTION_UNITS:
        if model.missing.get(au.name) != model.missing.get(au.mirror):
            raise RecordError(f"{model.identity}: {au.name!r} and {au.mirror!r} need one value in 'missing'")
