"""Claims against action units."""

import json

import pytest

import expllm
from expllm.core.vocabulary import AUVector, Expression
from expllm.grounding import Audit, Verdict, audit

FACE = AUVector.from_positive(
    {"left brow lower": 0.7, "right brow lower": 0.3, "jaw drop": 0.08, "left lip corner pull": 0.5}
)


def verdicts(text: str, aus: AUVector = FACE) -> list[Verdict]:
    return [checked.verdict for checked in audit(text, aus).checked]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The brows are lowered.", Verdict.SUPPORTED),
        ("Both brows are lowered.", Verdict.SUPPORTED),
        ("The left brow is strongly lowered.", Verdict.SUPPORTED),
        ("The brows are raised.", Verdict.CONTRADICTED),
        ("The nose is wrinkled.", Verdict.CONTRADICTED),
        ("The right lip corner is pulled up.", Verdict.WRONG_SIDE),
        ("Both lip corners are pulled up.", Verdict.WRONG_SIDE),
        ("The left lip corner is pulled up.", Verdict.SUPPORTED),
        ("The left brow is slightly lowered.", Verdict.WRONG_DEGREE),
        ("The brows are slightly lowered.", Verdict.SUPPORTED),
        ("The jaw drops strongly.", Verdict.WRONG_DEGREE),
        ("The jaw drops slightly.", Verdict.SUPPORTED),
        ("There is no brow lowering.", Verdict.CONTRADICTED),
        ("There is no brow raise.", Verdict.SUPPORTED),
        ("Minimal nose wrinkling is present.", Verdict.SUPPORTED),
        ("The nostrils are flared.", Verdict.OUTSIDE),
        ("Slight lip movement is visible.", Verdict.SUPPORTED),
        ("Slight chin movement is visible.", Verdict.UNSUPPORTED),
    ],
)
def test_verdicts(text: str, verdict: Verdict) -> None:
    assert verdicts(text) == [verdict]


def test_the_side_that_moves_more() -> None:
    assert verdicts("The brows are lowered, particularly on the left.")[1] is Verdict.SUPPORTED
    assert verdicts("The brows are lowered, particularly on the right.")[1] is Verdict.WRONG_SIDE


def test_not_measured_is_neither_right_nor_wrong() -> None:
    report = audit("The brows are lowered. There is no smile.", AUVector({"jaw drop": 0.5}))
    assert [checked.verdict for checked in report.checked] == [Verdict.NOT_MEASURABLE] * 2
    assert report.precision is None


def test_reasons_can_be_read() -> None:
    (checked,) = audit("The jaw drops strongly.", FACE).checked
    assert checked.reason == 'says "strong", measured 0.08'
    assert checked.units == {"jaw drop": 0.08}


def test_precision_recall_and_what_was_missed() -> None:
    report = audit("The brows are lowered and the nose is wrinkled.", FACE)
    assert report.precision == 0.5
    assert report.recall == pytest.approx(1.0 / 1.58)
    assert report.missed == {"left lip corner pull": 0.5, "jaw drop": 0.08}
    assert report.problems[0].startswith('"nose is wrinkled": nose wrinkle does not take place')
    assert report.problems[1] == "Not described: left lip corner pull (0.50)."


def test_activity_of_a_region_does_not_tell_a_unit() -> None:
    assert "left lip corner pull" in audit("There is lip movement.", FACE).missed


def conclusion(text: str) -> Audit:
    whole = f"**Key Observations:** The brows are lowered.\n\n**Conclusion:** {text}"
    return audit(whole, FACE, Expression.ANGER)


@pytest.mark.parametrize(
    ("text", "named", "conflicts"),
    [
        ("The expression is one of anger.", True, 0),
        ("The face appears angry rather than happy.", True, 0),
        ("This conveys happiness.", False, 1),
        ("This conveys happiness rather than anger.", False, 1),
        ("This primarily conveys happiness, with elements of anger.", True, 1),
        ("Joy speaks here: happiness, intertwined with anger.", True, 1),
        ("This conveys anger, with a hint of happiness.", True, 0),
        ("Nothing more can be said.", False, 0),
        ("The lack of a smile clearly signals anger.", True, 0),
        ("This does not indicate anger.", False, 0),
        ("Without joy, fear, or anger, the face is still.", False, 0),
    ],
)
def test_label_in_conclusion(text: str, named: bool, conflicts: int) -> None:
    report = conclusion(text)
    assert report.label_in_conclusion is named
    assert len(report.label_conflicts) == conflicts


def test_without_a_label_nothing_is_said_of_it() -> None:
    report = audit("Conclusion: anger.", FACE)
    assert report.label_in_conclusion is None
    assert report.label_conflicts == ()


def test_json() -> None:
    report = audit("The left brow is lowered, a joy to see.", FACE, Expression.ANGER)
    back = json.loads(json.dumps(report.to_dict()))
    assert back["claims"][0]["verdict"] == "supported"
    assert back["counts"]["supported"] == 1
    assert back["emotions"][0]["expression"] == "happiness"


def test_a_sentence_about_the_face_that_was_not_read_is_counted_with_its_place() -> None:
    text = "**Key Observations:** The brows flobber. The jaw drops. It is a fine day.\n\n**Conclusion:** Joy."
    report = audit(text, FACE)
    (unread,) = report.unread
    assert text[unread.start : unread.end] == unread.text == "The brows flobber"
    assert unread.part == "key_observations"
    assert report.sentences == 2
    assert report.to_dict()["unread"] == [unread.to_dict()]
    assert report.to_dict()["sentences"] == 2


def test_the_audit_at_the_top_takes_plain_values() -> None:
    aus = dict.fromkeys(expllm.AUVector(), 0.0) | {"left lip corner pull": 0.6}
    (checked,) = expllm.audit("Only the right mouth corner is pulled up.", aus, "happy").checked
    assert checked.verdict is Verdict.WRONG_SIDE
    with pytest.raises(expllm.ExpllmError, match="unknown action unit"):
        expllm.audit("The jaw drops.", {"jaw drip": 0.2})
    with pytest.raises(expllm.ExpllmError, match="unknown expression"):
        expllm.audit("The jaw drops.", aus, "hapiness")
