"""Counterfactual explanations: the smallest change of a face's action units that gives it another label.

The question is put to the classifier on action units (`auclassifier`), which answers for what was measured: a
model that looks at the picture may answer otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.faces.au_classifier import ACTIONS, AUClassifier

MOST_ACTIONS: Final = 3
"""Changes of more actions than these are no longer small."""
BEAM: Final = 8
"""Faces that are followed from one action to the next."""
GRID: Final = np.linspace(0.0, 1.0, 41)
"""Intensities that are tried."""

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class UnitBeforeAfter:
    """An action unit before and after.

    Attributes:
        unit: Its name.
        before: Intensity 0-1, as it was measured.
        after: Intensity 0-1.
    """

    unit: str
    before: float
    after: float


@dataclass(frozen=True)
class Counterfactual:
    """Another face with another label, as near as could be found.

    Attributes:
        expression: The label that it gets.
        probabilities: All of them; they sum to 1.
        changes: What differs, largest first.
        aus: The whole face.
    """

    expression: Expression
    probabilities: dict[Expression, float]
    changes: tuple[UnitBeforeAfter, ...]
    aus: AUVector


def smallest_change(
    classifier: AUClassifier, aus: AUVector, toward: Expression | None = None
) -> Counterfactual | None:
    """The smallest change that flips the label; a sided action moves on both sides alike.

    One action is tried first, at every intensity; where none suffices, those that bring another label nearest
    are kept, and a second and third are tried. Units that were not measured stay so.

    Args:
        classifier: Who gives the label.
        aus: The face as measured.
        toward: The label that is wanted; any other than the present one if None.

    Returns:
        None where too little was measured, where the label is `toward` already, or where three actions do not
        suffice.
    """
    probabilities = classifier.probabilities(aus)
    if probabilities is None:
        return None
    search = _Search(classifier, max(probabilities, key=probabilities.__getitem__), toward)
    if search.label is toward:
        return None
    start = aus.to_array()
    measured = set(search.columns) - set(np.flatnonzero(np.isnan(start)).tolist())
    actions = [
        found for columns in ACTIONS.values() if (found := tuple(one for one in columns if one in measured))
    ]
    beam = start[None]
    for _ in range(MOST_ACTIONS):
        faces = np.concatenate([_varied(face, actions) for face in beam])
        margins = search.margins(faces)
        flips = np.flatnonzero(margins > 0)
        if len(flips):
            nearest = min(flips, key=lambda i: (_far(start, faces[i]), -margins[i]))
            return _found(classifier, start, _tightened(search, start, faces[nearest]))
        best = margins.reshape(-1, len(GRID)).argmax(axis=1) + np.arange(0, len(margins), len(GRID))
        beam = faces[best[np.argsort(-margins[best], kind="stable")[:BEAM]]]
    return None


class _Search:
    """How near faces are to another label."""

    def __init__(self, classifier: AUClassifier, label: Expression, toward: Expression | None) -> None:
        self._classifier, self.label = classifier, label
        self.columns = [AU_NAMES.index(name) for name in classifier.uses]
        self._label = classifier.labels.index(label)
        self._wanted = None if toward is None else classifier.labels.index(toward)

    def margins(self, faces: _Array) -> _Array:
        """Probability of the label that is wanted minus that of the likeliest other one; above 0: flipped.

        Args:
            faces: [N, units].
        """
        shares = self._classifier.batch(faces)
        wanted = self._label if self._wanted is None else self._wanted
        others = np.delete(shares, wanted, axis=1).max(axis=1)
        margins: _Array = shares[:, wanted] - others
        return -margins if self._wanted is None else margins


def _varied(face: _Array, actions: Sequence[tuple[int, ...]]) -> _Array:
    """The face with each action at each intensity of the grid: [actions x grid, units]."""
    faces = np.repeat(face[None], len(actions) * len(GRID), axis=0)
    for number, columns in enumerate(actions):
        rows = slice(number * len(GRID), (number + 1) * len(GRID))
        faces[rows, list(columns)] = GRID[:, None]
    return faces


def _far(start: _Array, face: _Array) -> float:
    """How far a face has moved: the sum over actions, of a sided one its stronger side."""
    moved = np.abs(np.nan_to_num(face - start))
    return float(sum(moved[list(columns)].max() for columns in ACTIONS.values()))


def _tightened(search: _Search, start: _Array, face: _Array) -> _Array:
    """The nearest face on the way there that still has the other label."""
    shares = np.linspace(0.0, 1.0, 101)[:, None]
    way = start + shares * (face - start)
    return np.asarray(way[int(np.flatnonzero(search.margins(way) > 0)[0])])


def _found(classifier: AUClassifier, start: _Array, face: _Array) -> Counterfactual:
    aus = AUVector(
        {name: None if np.isnan(value) else float(value) for name, value in zip(AU_NAMES, face, strict=True)}
    )
    probabilities = classifier.probabilities(aus)
    assert probabilities is not None
    changes = [
        UnitBeforeAfter(name, float(before), float(after))
        for name, before, after in zip(AU_NAMES, start, face, strict=True)
        if not np.isnan(before) and before != after
    ]
    changes.sort(key=lambda change: -abs(change.after - change.before))
    label = max(probabilities, key=probabilities.__getitem__)
    return Counterfactual(label, probabilities, tuple(changes), aus)
