"""The vocabulary: one swapped index, side or label must fail here."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.errors import VocabularyError
from expllm.core.vocabulary import (
    ACTION_UNITS,
    AU_BY_NAME,
    AU_NAMES,
    EXPRESSION_CODES,
    EXPRESSION_SYNONYMS,
    FEAFA_NAMES,
    LABEL_ORDERS,
    AUVector,
    Expression,
    Side,
    label_set,
)

FEAFA = """
1 left eye close; 2 right eye close; 3 left lid raise; 4 right lid raise; 5 left brow lower;
6 right brow lower; 7 left brow raise; 8 right brow raise; 9 jaw drop; 10 jaw slide left;
11 jaw slide right; 12 left lip corner pull; 13 right lip corner pull; 14 left lip corner stretch;
15 right lip corner stretch; 16 upper lip suck; 17 lower lip suck; 18 jaw thrust; 19 upper lip raise;
20 lower lip depress; 21 chin raise; 22 lip pucker; 23 cheeks puff; 24 nose wrinkle
"""
FACS = {
    "eye close": (43, 45),
    "lid raise": (5,),
    "brow lower": (4,),
    "brow raise": (1, 2),
    "jaw drop": (26, 27),
    "jaw slide": (30,),
    "lip corner pull": (12,),
    "lip corner stretch": (20,),
    "upper lip suck": (28,),
    "lower lip suck": (28,),
    "jaw thrust": (29,),
    "upper lip raise": (10,),
    "lower lip depress": (16,),
    "chin raise": (17,),
    "lip pucker": (18,),
    "cheeks puff": (34,),
    "nose wrinkle": (9,),
    "cheek raiser": (6,),
    "lid tightener": (7,),
    "dimpler": (14,),
    "lip corner depressor": (15,),
    "lip tightener": (23,),
    "lip pressor": (24,),
    "lips part": (25,),
}
ARKIT = {
    "left eye close": "eyeBlinkLeft",
    "right lid raise": "eyeWideRight",
    "left brow lower": "browDownLeft",
    "right brow raise": "browOuterUpRight browInnerUp",
    "jaw drop": "jawOpen",
    "jaw slide left": "jawLeft",
    "jaw slide right": "jawRight",
    "left lip corner pull": "mouthSmileLeft",
    "right lip corner stretch": "mouthStretchRight",
    "upper lip suck": "mouthRollUpper",
    "lower lip suck": "mouthRollLower",
    "jaw thrust": "jawForward",
    "upper lip raise": "mouthUpperUpLeft mouthUpperUpRight",
    "lower lip depress": "mouthLowerDownLeft mouthLowerDownRight",
    "chin raise": "mouthShrugLower",
    "lip pucker": "mouthPucker mouthFunnel",
    "cheeks puff": "cheekPuff",
    "nose wrinkle": "noseSneerLeft noseSneerRight",
}

intensities = st.one_of(st.none(), st.floats(0, 1))
vectors = st.builds(AUVector, st.fixed_dictionaries(dict.fromkeys(AU_NAMES, intensities)))


def test_the_24_units_of_feafa_stand_first_and_in_its_order() -> None:
    written = [entry.strip() for entry in FEAFA.replace("\n", " ").split(";")]
    assert [f"{au.number} {au.name}" for au in ACTION_UNITS[:24]] == written
    assert AU_NAMES[:24] == FEAFA_NAMES
    assert all(au.number is None and au.side is None for au in ACTION_UNITS[24:])


@pytest.mark.parametrize("au", ACTION_UNITS, ids=lambda au: au.name)
def test_facs_numbers(au) -> None:  # type: ignore[no-untyped-def]
    assert au.facs == FACS[au.action]


@pytest.mark.parametrize(("name", "channels"), ARKIT.items())
def test_arkit_names_keep_the_side(name: str, channels: str) -> None:
    assert AU_BY_NAME[name].arkit == tuple(channels.split())


def test_sides_and_mirrors() -> None:
    for au in ACTION_UNITS:
        assert AU_BY_NAME[au.mirror].mirror == au.name
        if au.side:
            assert au.name == f"{au.side} {au.action}"
            assert au.mirror == f"{au.side.other} {au.action}"
    assert AU_BY_NAME["jaw slide left"].mirror == "jaw slide right"
    assert AU_BY_NAME["jaw slide left"].side is None
    assert AU_BY_NAME["jaw drop"].mirror == "jaw drop"
    assert Side.LEFT.other is Side.RIGHT


@pytest.mark.parametrize(
    ("dataset", "first", "labels"),
    [
        ("rafdb", 1, "surprise fear disgust happiness sadness anger neutral"),
        ("affectnet7", 0, "neutral happiness sadness surprise fear disgust anger"),
        ("affectnet8", 0, "neutral happiness sadness surprise fear disgust anger contempt"),
        ("expw", 0, "anger disgust fear happiness sadness surprise neutral"),
        ("fer2013", 0, "anger disgust fear happiness sadness surprise neutral"),
        ("ckplus", 0, "neutral anger contempt disgust fear happiness sadness surprise"),
        ("ckextended", 0, "anger disgust fear happiness sadness surprise neutral contempt"),
        ("ferplus", 0, "neutral happiness surprise sadness anger disgust fear contempt"),
    ],
)
def test_label_orders(dataset: str, first: int, labels: str) -> None:
    order = LABEL_ORDERS[dataset]
    numbered = list(enumerate(labels.split(), start=first))
    assert [(n, order.decode(n).value) for n, _ in numbered] == numbered
    assert [order.encode(Expression(label)) for _, label in numbered] == [n for n, _ in numbered]
    for outside in (first - 1, first + len(numbered)):
        with pytest.raises(VocabularyError, match=f"{dataset} has no label {outside}"):
            order.decode(outside)


def test_a_set_without_contempt_refuses_it() -> None:
    with pytest.raises(VocabularyError, match="rafdb has no label 'contempt'"):
        LABEL_ORDERS["rafdb"].encode(Expression.CONTEMPT)


def test_label_sets() -> None:
    assert [label.value for label in label_set(8)] == [e.value for e in Expression]
    assert Expression.CONTEMPT not in label_set(7)
    with pytest.raises(VocabularyError, match="not of 6"):
        label_set(6)


def test_synonyms_name_one_expression_each() -> None:
    words = [word for synonyms in EXPRESSION_SYNONYMS.values() for word in synonyms]
    assert len(words) == len(set(words))
    for expression, synonyms in EXPRESSION_SYNONYMS.items():
        for word in (expression.value, *synonyms):
            assert Expression.parse(f"  {word.upper()} ") is expression
    with pytest.raises(VocabularyError, match="unknown expression 'hunger': use one of neutral, "):
        Expression.parse("hunger")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("suprise", "surprise"), ("Suprised", "surprised"), ("hapy", "happy"), ("happines", "happiness"),
        ("neutrual", "neutral"), ("digust", "disgust"), ("angery", "angry"),
        ("contemp", "contempt"), ("sadnes", "sadness"), ("fearfull", "fearful"),
    ],
)  # fmt: skip
def test_a_word_a_letter_off_is_asked_about(word: str, meant: str) -> None:
    with pytest.raises(VocabularyError, match=f"unknown expression '{word}': did you mean '{meant}'?"):
        Expression.parse(word)


@pytest.mark.parametrize("word", ["misc", "boredom", "face", "mad max", "other", "no", "pain", "sleepy"])
def test_other_words_are_not(word: str) -> None:
    with pytest.raises(VocabularyError, match="use one of"):
        Expression.parse(word)


def test_codes_in_file_names() -> None:
    assert {code: label.value for code, label in EXPRESSION_CODES.items()} == {
        "AF": "fear", "AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral",
        "SA": "sadness", "SU": "surprise",
    }  # fmt: skip


def test_not_measured_is_not_zero() -> None:
    aus = AUVector({"jaw drop": 0.0, "Left Eye Close": 0.25})
    assert aus["jaw drop"] == 0.0
    assert aus["left_eye_close"] == 0.25
    assert aus["cheeks puff"] is None
    assert aus.measured == ("left eye close", "jaw drop")
    assert aus.active() == {"left eye close": 0.25}
    array = aus.to_array()
    assert array.shape == (31,)
    assert array[8] == 0.0
    assert np.isnan(array[22])
    assert AUVector.from_array(array) == aus
    assert AUVector.from_array(array[:24]) == aus


def test_from_positive_fills_with_measured_zeros() -> None:
    aus = AUVector.from_positive({"Nose Wrinkle": 0.5})
    assert aus["nose wrinkle"] == 0.5
    assert aus["jaw drop"] == 0.0
    assert aus.measured == FEAFA_NAMES
    assert AUVector.from_positive({"lips part": 0.5}).measured == (*FEAFA_NAMES, "lips part")


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
def test_intensities_outside_0_1_are_refused(value: float) -> None:
    with pytest.raises(VocabularyError, match="jaw drop"):
        AUVector({"jaw drop": value})


def test_unknown_and_doubled_names_are_refused() -> None:
    with pytest.raises(VocabularyError, match="each side has its own: 'left brow lower' and 'right brow"):
        AUVector({"brow lower": 0.5})
    with pytest.raises(VocabularyError, match="did you mean 'left brow lower'"):
        AUVector({"left brow lowr": 0.5})
    with pytest.raises(VocabularyError, match="twice"):
        AUVector({"jaw drop": 0.5, "Jaw Drop": 0.5})
    with pytest.raises(VocabularyError, match="24 or 31 numbers, not 3"):
        AUVector.from_array([0, 0, 0])
    with pytest.raises(VocabularyError, match="unknown action unit"):
        AUVector()["smile"]
    assert "smile" not in AUVector()
    assert "jaw drop" in AUVector()


@given(vectors)
def test_mirroring_twice_changes_nothing(aus: AUVector) -> None:
    assert aus.mirrored().mirrored() == aus
    assert aus.mirrored()["left eye close"] == aus["right eye close"]
    assert aus.mirrored()["jaw slide left"] == aus["jaw slide right"]
    assert aus.mirrored()["chin raise"] == aus["chin raise"]


@given(vectors)
def test_array_round_trip(aus: AUVector) -> None:
    again = AUVector.from_array(aus.to_array())
    assert again == aus
    assert hash(again) == hash(aus)


def test_from_positive_keeps_what_is_said_to_be_unknown() -> None:
    aus = AUVector.from_positive({"Jaw Drop": 0.5, "Chin Raise": None})
    assert (aus["jaw drop"], aus["chin raise"], aus["lip pucker"]) == (0.5, None, 0.0)
