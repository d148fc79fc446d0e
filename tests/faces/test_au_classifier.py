"""The expression classifier: probabilities, symmetry, missing units, and the asset with its card."""

import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from expllm.core.errors import RecordError, VocabularyError
from expllm.core.vocabulary import (
    ACTION_UNITS,
    AU_NAMES,
    FEAFA_NAMES,
    AUSource,
    AUVector,
    Expression,
    label_set,
)
from expllm.faces.au_classifier import (
    CLASSIFIER_FILES,
    FITTED,
    AUClassifier,
    Coefficients,
    classifier_for,
    read_asset,
    source_of,
    term_units,
    term_values,
)
from expllm.faces.au_reader import TRACE, load_calibration
from expllm.faces.pixel_reader import UnitReader, load_units

Array = NDArray[np.float64]

INTENSITY = st.floats(0.0, 1.0)
FACES = st.dictionaries(st.sampled_from(AU_NAMES), st.none() | INTENSITY).map(AUVector)

SMALL: dict[str, Any] = {
    "identity": "small/1",
    "labels": ["happiness", "sadness"],
    "missing": {
        "left lip corner pull": 0.2,
        "right lip corner pull": 0.2,
        "jaw drop": 0.1,
    },
    "intercept": [0.5, -0.5],
    "weights": {
        "lip corner pull": [2.0, -2.0],
        "sqrt(jaw drop)": [1.0, 0.0],
        "over(jaw drop, 0.5)": [0.0, 3.0],
        "uneven(lip corner pull)": [-1.0, 1.0],
        "jaw drop * lip corner pull": [0.25, 0.5],
    },
}


def small(**changes: Any) -> AUClassifier:
    return AUClassifier(Coefficients.from_dict({**SMALL, **changes}))


SHIPPED = [(labels, source) for source in FITTED for labels in (7, 8)]


@pytest.fixture(scope="module", params=[one for one in SHIPPED if one[1] is not AUSource.PIXELS], ids=str)
def telling(request: pytest.FixtureRequest) -> AUClassifier:
    """Those whose source measures jaw, lids and lips: pixels alone do not."""
    return AUClassifier.from_asset(*request.param)


@pytest.fixture(scope="module", params=SHIPPED, ids=str)
def shipped(request: pytest.FixtureRequest) -> AUClassifier:
    return AUClassifier.from_asset(*request.param)


def face(rest: float = 0.0, **actions: float) -> AUVector:
    """A measured face with these actions, both sides alike; ``lip_corner_pull`` means 'lip corner pull'."""
    wanted = {name.replace("_", " "): value for name, value in actions.items()}
    return AUVector({au.name: wanted.get(au.action, rest) for au in ACTION_UNITS})


def best(model: AUClassifier, aus: AUVector) -> Expression:
    answer = model.probabilities(aus)
    assert answer is not None
    return max(answer, key=lambda expression: answer[expression])


def test_a_small_model_by_hand() -> None:
    aus = AUVector({"left lip corner pull": 0.6, "right lip corner pull": 0.4, "jaw drop": 0.64})
    scores = np.array(
        [
            0.5 + 2 * 0.5 + 0.8 - 0.2 + 0.25 * 0.64 * 0.5,
            -0.5 - 2 * 0.5 + 3 * 0.14 + 0.2 + 0.5 * 0.64 * 0.5,
        ]
    )
    answer = small().probabilities(aus)
    assert answer is not None
    assert list(answer) == [Expression.HAPPINESS, Expression.SADNESS]
    assert answer[Expression.HAPPINESS] == pytest.approx(1 / (1 + np.exp(scores[1] - scores[0])))


def test_terms_are_what_the_module_says() -> None:
    aus = np.zeros((1, len(AU_NAMES)))
    aus[0, AU_NAMES.index("left brow raise")] = 0.9
    aus[0, AU_NAMES.index("right brow raise")] = 0.5
    aus[0, AU_NAMES.index("jaw drop")] = 0.25
    terms = [
        "brow raise",
        "uneven(brow raise)",
        "sqrt(jaw drop)",
        "over(brow raise, 0.5)",
        "jaw drop * brow raise",
        "trace(jaw drop)",
        "trace(lid raise)",
    ]
    aus[0, AU_NAMES.index("left lid raise")] = TRACE
    np.testing.assert_allclose(term_values(aus, terms)[0], [0.7, 0.4, 0.5, 0.2, 0.175, 1.0, 0.5])


@given(FACES)
def test_probabilities_sum_to_one_in_affectnets_order(aus: AUVector) -> None:
    for count in (7, 8):
        model = AUClassifier.from_asset(count)
        answer = model.probabilities(aus)
        if answer is None:
            assert not set(aus.measured) & set(model.uses)
        else:
            assert tuple(answer) == label_set(count)
            assert sum(answer.values()) == pytest.approx(1.0)
            assert min(answer.values()) >= 0.0


@given(FACES)
def test_a_flipped_picture_keeps_its_probabilities(aus: AUVector) -> None:
    for source in FITTED:
        model = AUClassifier.from_asset(source=source)
        answer, flipped = model.probabilities(aus), model.probabilities(aus.mirrored())
        assert (answer is None) == (flipped is None)
        if answer is not None:
            assert flipped == pytest.approx(answer, rel=1e-9)


@pytest.mark.parametrize("labels", [7, 8])
@pytest.mark.parametrize("source", [one for one in FITTED if one is not AUSource.BLENDSHAPES])
def test_a_growing_smile_never_makes_happiness_less_probable(source: str, labels: int) -> None:
    model = AUClassifier.from_asset(labels, source)
    happy = model.labels.index(Expression.HAPPINESS)
    smile = [AU_NAMES.index(f"{side} lip corner pull") for side in ("left", "right")]
    faces = np.random.default_rng(0).random((200, len(AU_NAMES))) ** 2
    faces[50:, :] *= np.random.default_rng(1).random((150, len(AU_NAMES))) < 0.3
    steps = np.repeat(faces[:, None], 41, axis=1)
    steps[:, :, smile] = np.linspace(0, 1, 41)[None, :, None]
    shares = model.batch(steps.reshape(-1, len(AU_NAMES)))[:, happy].reshape(len(faces), 41)
    assert (np.diff(shares, axis=1) > -1e-9).all()


def test_units_tell_what_they_were_read_from() -> None:
    for source in CLASSIFIER_FILES:
        expected = source if len(FITTED) == len(CLASSIFIER_FILES) else AUSource.BLENDSHAPES
        assert source_of(AUVector(dict.fromkeys(UnitReader(source).measured, 0.5))) is expected
    everything = AUVector(dict.fromkeys(AU_NAMES, 0.5))
    both = AUSource.BOTH if len(FITTED) == len(CLASSIFIER_FILES) else AUSource.BLENDSHAPES
    assert source_of(everything) is both
    assert source_of(AUVector(dict.fromkeys(FEAFA_NAMES, 0.5))) is AUSource.BLENDSHAPES, "published texts"
    assert source_of(AUVector()) is AUSource.BLENDSHAPES
    hidden = everything.without(name for name in AU_NAMES if "lip" in name or "jaw" in name)
    assert source_of(hidden) is both
    assert classifier_for(everything, 7).identity == AUClassifier.from_asset(7, both).identity


def test_rows_of_a_batch_equal_single_faces(shipped: AUClassifier) -> None:
    rows = np.random.default_rng(0).random((20, len(AU_NAMES)))
    rows[3:9, 2:5] = np.nan
    batch = shipped.batch(rows)
    assert batch.shape == (20, len(shipped.labels))
    for row, answers in zip(rows, batch, strict=True):
        single = shipped.probabilities(AUVector.from_array(row))
        assert single is not None
        np.testing.assert_allclose(list(single.values()), answers, rtol=1e-12)


def test_a_unit_that_was_not_measured_counts_as_its_training_mean() -> None:
    model = small()
    unknown = AUVector({"left lip corner pull": 0.6, "right lip corner pull": 0.4})
    mean = AUVector({"left lip corner pull": 0.6, "right lip corner pull": 0.4, "jaw drop": 0.1})
    zero = AUVector({"left lip corner pull": 0.6, "right lip corner pull": 0.4, "jaw drop": 0.0})
    assert model.probabilities(unknown) == model.probabilities(mean)
    assert model.probabilities(unknown) != model.probabilities(zero)


def test_nothing_measured_gives_no_answer(shipped: AUClassifier) -> None:
    assert shipped.probabilities(AUVector()) is None
    ignored = [name for name in AU_NAMES if name not in shipped.uses]
    assert shipped.probabilities(AUVector(dict.fromkeys(ignored, 1.0))) is None
    assert np.isnan(shipped.batch(np.full((2, len(AU_NAMES)), np.nan))).all()
    assert shipped.batch(np.empty((0, len(AU_NAMES)))).shape == (0, len(shipped.labels))


@pytest.mark.parametrize("trace", [0.005, 0.01, 0.03, TRACE])
def test_traces_do_not_change_what_a_clear_face_is(telling: AUClassifier, trace: float) -> None:
    surprise = face(trace, jaw_drop=0.7, brow_raise=0.8, lid_raise=0.8, lips_part=0.7)
    anger = face(
        trace,
        brow_lower=0.9,
        nose_wrinkle=0.6,
        lid_tightener=0.6,
        lips_part=0.5,
        upper_lip_raise=0.7,
        lower_lip_depress=0.7,
        jaw_drop=0.4,
    )
    assert best(telling, surprise) is Expression.SURPRISE
    assert best(telling, anger) is Expression.ANGER
    assert best(telling, face(trace, lip_corner_pull=0.9, cheek_raiser=0.7)) is Expression.HAPPINESS
    assert best(telling, face(trace, brow_lower=0.8)) is not Expression.FEAR
    assert best(telling, face(trace)) is Expression.NEUTRAL


@pytest.mark.parametrize(
    ("aus", "expected"),
    [
        (face(), Expression.NEUTRAL),
        (face(lip_corner_pull=0.9, cheek_raiser=0.7), Expression.HAPPINESS),
        (
            face(
                lip_corner_pull=0.9,
                cheek_raiser=0.7,
                lips_part=0.6,
                upper_lip_raise=0.6,
                lower_lip_depress=0.6,
            ),
            Expression.HAPPINESS,
        ),
        (face(jaw_drop=0.7, brow_raise=0.8, lid_raise=0.8, lips_part=0.7), Expression.SURPRISE),
        (
            face(
                brow_lower=0.9,
                lid_tightener=0.6,
                lips_part=0.5,
                upper_lip_raise=0.7,
                lower_lip_depress=0.7,
                jaw_drop=0.4,
            ),
            Expression.ANGER,
        ),
    ],
)
def test_prototype_faces(telling: AUClassifier, aus: AUVector, expected: Expression) -> None:
    assert best(telling, aus) == expected


@pytest.mark.parametrize(
    ("aus", "expression"),
    [
        (face(brow_lower=0.9), Expression.ANGER),
        (face(jaw_drop=0.6, lips_part=0.5), Expression.SURPRISE),
        (face(brow_raise=0.9), Expression.SURPRISE),
        (face(lip_corner_pull=0.5), Expression.HAPPINESS),
        (face(eye_close=0.6), Expression.SADNESS),
    ],
)
def test_one_action_makes_its_expression_more_probable(
    telling: AUClassifier, aus: AUVector, expression: Expression
) -> None:
    calm, moved = telling.probabilities(face()), telling.probabilities(aus)
    assert calm is not None
    assert moved is not None
    assert moved[expression] > 1.2 * calm[expression]


def test_equals_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(1)
    aus = rng.random((300, len(AU_NAMES)))
    terms = ("lip corner pull", "sqrt(jaw drop)", "uneven(brow raise)", "sqrt(jaw drop) * brow lower")
    labels = rng.integers(0, 8, 300)
    values = term_values(aus, terms)
    reference = linear_model.LogisticRegression(max_iter=500).fit(values, labels)
    model = AUClassifier(
        Coefficients(
            identity="random/1",
            labels=label_set(8),
            missing=dict.fromkeys(term_units(terms), 0.5),
            intercept=tuple(reference.intercept_.tolist()),
            weights={t: tuple(w) for t, w in zip(terms, reference.coef_.T.tolist(), strict=True)},
        )
    )
    np.testing.assert_allclose(model.batch(aus), reference.predict_proba(values), atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["happiness", "happiness"]}, "each once"),
        ({"labels": ["happiness", "bored"]}, "not a Coefficients"),
        ({"intercept": [0.0]}, "1 intercepts for 2 labels"),
        ({"intercept": [0.0, float("nan")]}, "not a Coefficients"),
        ({"weights": {}}, "no term"),
        ({"weights": {**SMALL["weights"], "jaw drop": [1.0]}}, "1 weights for 2 labels at 'jaw drop'"),
        ({"weights": {**SMALL["weights"], "frown": [1.0, 1.0]}}, "not a factor of a term: 'frown'"),
        ({"weights": {**SMALL["weights"], "over(jaw drop)": [1.0, 1.0]}}, "not a factor"),
        ({"weights": {**SMALL["weights"], "sqrt(jaw drop": [1.0, 1.0]}}, "not a factor"),
        ({"weights": {**SMALL["weights"], "jaw drop, 0.5": [1.0, 1.0]}}, "not a factor"),
        ({"weights": {**SMALL["weights"], "uneven(jaw drop)": [1.0, 1.0]}}, "not a factor"),
        (
            {"weights": {**SMALL["weights"], "chin raise": [1.0, 1.0]}},
            "exactly the units that the terms read",
        ),
        ({"missing": {**SMALL["missing"], "left lip corner pull": 0.3}}, "need one value"),
        ({"missing": {**SMALL["missing"], "jaw drop": 1.5}}, "not a Coefficients"),
        ({"extra": 1}, "not a Coefficients"),
    ],
)
def test_coefficients_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message.replace("(", r"\(")):
        small(**changes)


def test_there_are_models_of_seven_and_eight_only() -> None:
    with pytest.raises(VocabularyError, match="sets of 7 and of 8"):
        AUClassifier.from_asset(6)


def test_the_identity_names_the_number_of_labels(shipped: AUClassifier) -> None:
    assert re.match(rf"au-logreg-{len(shipped.labels)}(-both|-pixels)?/20", shipped.identity)
    identities = {AUClassifier.from_asset(*which).identity for which in SHIPPED}
    assert len(identities) == len(SHIPPED)


RESULTS = [
    (source, count, name, part)
    for source in FITTED
    for count in ("7", "8")
    for name, result in read_asset(source)["card"]["results"][count].items()
    if isinstance(result, dict) and "all_rows" in result
    for part in ("measured_faces", "all_rows")
]


@pytest.mark.parametrize(("source", "count", "name", "part"), RESULTS)
def test_the_cards_figures_follow_from_its_confusion_matrices(
    source: AUSource, count: str, name: str, part: str
) -> None:
    found = read_asset(source)["card"]["results"][count][name][part]
    matrix = np.array(found["confusion"])
    assert matrix.shape == (int(count), int(count))
    assert matrix.sum() == found["rows"]
    assert found["accuracy"] == pytest.approx(np.trace(matrix) / found["rows"], abs=1e-4)
    low, high = found["accuracy_95"]
    assert low < found["accuracy"] < high
    assert tuple(found["per_class"]) == label_set(int(count))
    scores = []
    for i, one in enumerate(found["per_class"].values()):
        assert one["rows"] == matrix[i].sum()
        assert one["f1"] == pytest.approx(
            2 * matrix[i, i] / max(matrix[i].sum() + matrix[:, i].sum(), 1), abs=1e-4
        )
        if matrix[i].sum() + matrix[:, i].sum():
            scores.append(one["f1"])
    assert found["macro_f1"] == pytest.approx(np.mean(scores), abs=1e-4)
    assert found["accuracy"] > found["majority_class_accuracy"] + 0.1


@pytest.mark.parametrize("source", FITTED)
def test_the_figures_are_of_faces_that_it_was_not_fitted_on(source: AUSource) -> None:
    assert {"ferplus_valid", "portraits_held_out"} <= {one[2] for one in RESULTS if one[0] is source}


@pytest.mark.parametrize("count", ["7", "8"])
def test_rows_without_a_face_are_counted(count: str) -> None:
    card = read_asset()["card"]
    for name in ("ferplus_valid", "ferplus_test", "portraits_held_out"):
        result = card["results"][count][name]
        everything, measured = result["all_rows"]["rows"], result["measured_faces"]["rows"]
        assert result["faces_not_measured"] == pytest.approx(1 - measured / everything, abs=1e-4)
    assert card["data"]["test"]["rows"] == card["results"]["8"]["ferplus_test"]["all_rows"]["rows"]


@pytest.mark.parametrize("count", ["7", "8"])
def test_the_temperature_does_not_harm_the_rows_that_chose_it(count: str) -> None:
    valid = read_asset()["card"]["results"][count]["ferplus_valid"]
    assert valid["measured_faces"]["nll"] <= valid["before_temperature"]["nll"] + 1e-3


@pytest.mark.parametrize("source", FITTED)
def test_the_fit_belongs_to_the_au_readers_constants(source: AUSource) -> None:
    keys = ("measured", "channels", "combine", "dead_zone", "full_scale")
    constants: dict[str, Any] = {
        name: [unit.get(key) for key in keys] for name, unit in load_calibration()["aus"].items()
    }
    if source is not AUSource.BLENDSHAPES:
        constants["pixels"] = {
            name: [one[key] for key in ("pixels", "channel", "weights")]
            for name, one in load_units()["actions"].items()
        }
    digest = hashlib.sha256(json.dumps(constants, sort_keys=True).encode()).hexdigest()[:16]
    stale = f"the constants of {source} have changed: run scripts/fit_expression_classifier.py again"
    assert read_asset(source)["card"]["au_constants"] == digest, stale
    measured = set(UnitReader(source).measured)
    for count in (7, 8):
        assert set(AUClassifier.from_asset(count, source).uses) == measured
