"""The smallest change that flips a label: it does flip it, is small, and knows no side."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expllm.core.vocabulary import ACTION_UNITS, AU_BY_NAME, AU_NAMES, AUVector, Expression
from expllm.faces.au_classifier import AUClassifier
from expllm.faces.counterfactuals import MOST_ACTIONS, Counterfactual, smallest_change

CLASSIFIER = AUClassifier.from_asset(8)
SMILE: dict[str, float | None] = {
    **dict.fromkeys(CLASSIFIER.uses, 0.0), "left lip corner pull": 0.9, "right lip corner pull": 0.8,
}  # fmt: skip


def label(aus: AUVector) -> Expression:
    probabilities = CLASSIFIER.probabilities(aus)
    assert probabilities is not None
    return max(probabilities, key=probabilities.__getitem__)


def actions(found: Counterfactual) -> set[str]:
    return {AU_BY_NAME[change.unit].action for change in found.changes}


def test_a_smile_flips_by_its_lip_corners() -> None:
    aus = AUVector(SMILE)
    found = smallest_change(CLASSIFIER, aus)
    assert found is not None
    assert label(aus) is Expression.HAPPINESS
    assert found.expression is label(found.aus) is not Expression.HAPPINESS
    assert found.probabilities == CLASSIFIER.probabilities(found.aus)
    assert {change.unit: (change.before, change.after) for change in found.changes} == {
        name: (aus[name], found.aus[name]) for name in AU_NAMES if aus[name] != found.aus[name]
    }


def test_a_little_less_does_not_flip() -> None:
    aus = AUVector(SMILE)
    found = smallest_change(CLASSIFIER, aus)
    assert found is not None
    less = {change.unit: change.before + 0.97 * (change.after - change.before) for change in found.changes}
    assert label(AUVector({**aus, **less})) is Expression.HAPPINESS


@pytest.mark.parametrize("wanted", [one for one in CLASSIFIER.labels if one is not Expression.HAPPINESS])
def test_the_label_that_is_wanted_comes_out_or_nothing(wanted: Expression) -> None:
    found = smallest_change(CLASSIFIER, AUVector(SMILE), wanted)
    assert found is None or found.expression is wanted


def test_most_labels_can_be_reached() -> None:
    found = [smallest_change(CLASSIFIER, AUVector(SMILE), wanted) for wanted in CLASSIFIER.labels]
    assert sum(one is not None for one in found) >= 5


def test_nothing_is_to_be_changed() -> None:
    assert smallest_change(CLASSIFIER, AUVector(SMILE), Expression.HAPPINESS) is None
    assert smallest_change(CLASSIFIER, AUVector({})) is None


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(AU_NAMES), st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_any_face(given_: dict[str, Any]) -> None:
    aus = AUVector(given_)
    found = smallest_change(CLASSIFIER, aus)
    if found is None:
        return
    assert found.expression is label(found.aus) is not label(aus)
    assert len(actions(found)) <= MOST_ACTIONS
    for unit in ACTION_UNITS:
        assert (aus[unit.name] is None) == (found.aus[unit.name] is None)
    mirrored = smallest_change(CLASSIFIER, aus.mirrored())
    assert mirrored is not None
    assert mirrored.aus == found.aus.mirrored()
