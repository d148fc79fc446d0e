"""What holds for every text and every face."""

import re
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.cot.rule_writer import write_cot
from expllm.grounding import Verdict, audit, read_claims

intensities = st.one_of(st.none(), st.floats(0, 1), st.sampled_from([0.0, 0.02, 0.05, 0.3, 1.0]))
faces = st.builds(AUVector, st.dictionaries(st.sampled_from(AU_NAMES), intensities))
PIECES = (
    "the left brow right both lip corners eyes are is not no raised lowered slightly strongly , . ( 0.42 "
    ": and or while more than rather jaw mouth of upper lower smile without minimal movement ; - closed "
    "open leftward \n"
)
texts = st.lists(st.sampled_from(PIECES.split(" ")), max_size=60).map(" ".join)


def swapped(text: str) -> str:
    return re.sub("left|right", lambda match: "right" if match[0] == "left" else "left", text)


@given(texts, faces)
def test_a_mirrored_face_and_text_get_the_same_verdicts(text: str, aus: AUVector) -> None:
    before = audit(text, aus)
    after = audit(swapped(text), aus.mirrored())
    assert [c.verdict for c in before.checked] == [c.verdict for c in after.checked]
    assert before.precision == after.precision


@given(st.text(max_size=400) | texts, faces)
def test_no_text_raises(text: str, aus: AUVector) -> None:
    report = audit(text, aus, Expression.FEAR)
    assert all(text[c.claim.start : c.claim.end] == c.claim.text for c in report.checked)


@settings(max_examples=60)
@given(faces, st.sampled_from(Expression))
def test_the_offline_writer_claims_nothing_wrong(aus: AUVector, label: Expression) -> None:
    report = audit(write_cot(aus, label), aus, label)
    assert [c for c in report.checked if c.verdict is not Verdict.SUPPORTED] == []
    assert report.label_in_conclusion


def test_huge_and_hostile_texts_take_bounded_time() -> None:
    for text in (
        "brow " * 200_000, "the left brow is lowered, " * 40_000, "\0\n" * 500_000, "((((" * 250_000,
        "no not without " * 70_000, "0." * 500_000, "9" * 1_000_000, "İ" * 1_000_000, "key " * 250_000,
        "corners of the " * 70_000, "raised and " * 90_000,
    ):  # fmt: skip
        started = time.thread_time()
        read_claims(text)
        audit(text, AUVector({}), Expression.FEAR)
        assert time.thread_time() - started < 120  # quadratic time would be hours
