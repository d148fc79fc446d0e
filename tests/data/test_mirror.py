"""Left and right in a text: what is swapped, what is not, and that twice is the text itself."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.cot.rule_writer import write_cot
from expllm.data import Sample, open_dataset
from expllm.data.mirror import mirrored_text
from expllm.grounding import Audit, Verdict, audit

SIDES = [
    ("The left brow is lowered.", "The right brow is lowered."),
    ("Left and right lids are raised.", "Right and left lids are raised."),
    ("LEFT: 0.4, RIGHT: 0.2", "RIGHT: 0.4, LEFT: 0.2"),
    ("The jaw slides to the left.", "The jaw slides to the right."),
    ("a leftward shift, a rightwards pull", "a rightward shift, a leftwards pull"),
    ("left-hand, right-sided, left-side", "right-hand, left-sided, right-side"),
    ("the lefts are stronger than the rights", "the rights are stronger than the lefts"),
    ("left_brow_lower", "right_brow_lower"),
    ("on the right there is little movement", "on the left there is little movement"),
    ("the right now relaxes", "the left now relaxes"),
    ("(left closed, right open)", "(right closed, left open)"),
    ("The smile is right-sided.", "The smile is left-sided."),
    ("It shows that left and right corners rise.", "It shows that right and left corners rise."),
    ("the left angle of the mouth", "the right angle of the mouth"),
    ("a fold just right of the nose", "a fold just left of the nose"),
    ("what moves is right eyelid and left cheek", "what moves is left eyelid and right cheek"),
]
NO_SIDES = [
    "The mouth is left open.",
    "with the lips left slack",
    "This has left traces; nothing is left of it.",
    "All right, the reading is right.",
    "A fold right below the eyes, right away.",
    "bends at a right angle, at right angles, right-angled",
    "the right word at the right time",
    "a bright, outright, rightfully frightening copyright",
    "Human rights are left untouched.",
    "lEfT rIghT lefty",
]
SIDE_WORDS = "left Left LEFT right Right RIGHT left-hand right-hand leftward rightwards lefts rights".split()
AROUND = "the all is that and or just of to angle open below there word mouth brow Human has".split()
JOINTS = [" ", " ", ", ", ": ", "-", "_", "\n", ". ", "’s ", ""]


@pytest.mark.parametrize(("text", "expected"), SIDES)
def test_sides_of_the_face_are_swapped(text: str, expected: str) -> None:
    assert mirrored_text(text) == expected
    assert mirrored_text(expected) == text


@pytest.mark.parametrize("text", NO_SIDES)
def test_words_that_are_no_side_stay(text: str) -> None:
    assert mirrored_text(text) == text


@given(st.text())
def test_twice_gives_any_text_back(text: str) -> None:
    assert mirrored_text(mirrored_text(text)) == text


@given(st.lists(st.tuples(st.sampled_from(SIDE_WORDS + AROUND), st.sampled_from(JOINTS)), max_size=12))
def test_twice_gives_texts_of_side_words_back(pieces: list[tuple[str, str]]) -> None:
    text = "".join(word + joint for word, joint in pieces)
    assert mirrored_text(mirrored_text(text)) == text


@given(
    st.dictionaries(st.sampled_from(AU_NAMES), st.floats(0, 1)),
    st.sampled_from([Expression.HAPPINESS, Expression.SADNESS, Expression.SURPRISE]),
)
def test_texts_of_the_offline_writer_stay_true(values: dict[str, float], expression: Expression) -> None:
    aus = AUVector({name: values.get(name, 0.0) for name in AU_NAMES})
    _assert_alike(write_cot(aus, expression).text, aus, expression)


@pytest.fixture(scope="module")
def published(shared: Path) -> list[Sample]:
    path = shared / "data" / "exp_cot_reference.jsonl"
    if not path.exists():
        pytest.skip("needs ../shared/data/exp_cot_reference.jsonl, which is not here")
    return list(open_dataset(str(path)))


def test_twice_gives_every_published_text_back(published: list[Sample]) -> None:
    texts = [sample.text for sample in published if sample.text]
    assert [text for text in texts if mirrored_text(mirrored_text(text)) != text] == []


def test_every_side_word_of_the_published_texts_is_a_side_of_the_face(published: list[Sample]) -> None:
    words = re.compile(r"\b(?:left|right)(?:wards?)?\b", re.IGNORECASE)
    found = [len(words.findall(sample.text or "")) for sample in published]
    swapped = [_different_words(sample.text or "", mirrored_text(sample.text or "")) for sample in published]
    assert swapped == found
    assert (sum(found), sum(count > 0 for count in found)) == (2533, 936)


def _different_words(one: str, other: str) -> int:
    pairs = zip(re.findall(r"\w+", one), re.findall(r"\w+", other), strict=True)
    return sum(left != right for left, right in pairs)


def test_published_texts_keep_every_verdict(published: list[Sample]) -> None:
    for sample in published[::20]:
        assert sample.text is not None
        assert sample.aus is not None
        _assert_alike(sample.text, sample.aus, sample.expression)


def test_a_text_that_was_not_mirrored_would_be_noticed(published: list[Sample]) -> None:
    stale = [audit(s.text, s.aus.mirrored()) for s in published[::20] if s.text and s.aus]
    fresh = [audit(s.text, s.aus) for s in published[::20] if s.text and s.aus]
    assert _wrong_sides(stale) > 5 * max(_wrong_sides(fresh), 1)


def _wrong_sides(reports: list[Audit]) -> int:
    return sum(checked.verdict is Verdict.WRONG_SIDE for report in reports for checked in report.checked)


def _assert_alike(text: str, aus: AUVector, label: Expression | None) -> None:
    """The audit says of the mirrored text and face what it says of both as they are, claim by claim."""
    plain, mirrored = audit(text, aus, label), audit(mirrored_text(text), aus.mirrored(), label)
    assert [c.verdict for c in mirrored.checked] == [c.verdict for c in plain.checked]
    assert [c.claim.units for c in mirrored.checked] == [c.claim.units for c in plain.checked]
    sides = [c.claim.side and c.claim.side.other for c in plain.checked]
    assert [c.claim.side for c in mirrored.checked] == sides
    assert mirrored.recall == pytest.approx(plain.recall)
    assert mirrored.label_conflicts == plain.label_conflicts
