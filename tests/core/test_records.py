"""Records: JSON in and out, unknown keys refused, headings found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.errors import RecordError, one_line
from expllm.core.records import Box, CoT, FaceAnalysis, HeadPose, Provenance
from expllm.core.vocabulary import AUVector, Expression

COT = CoT(
    key_observations="The brows rise.",
    overall_emotional_interpretation="The face opens.",
    conclusion="Surprise it is.",
)
ANALYSIS = FaceAnalysis(
    input="a b.jpg",
    face_id=1,
    status="ok",
    image_width=640,
    image_height=480,
    box=Box(x=-1.5, y=2, width=30, height=40),
    score=0.9,
    pose=HeadPose(pitch=1, yaw=-2, roll=3),
    aus=AUVector({"jaw drop": 0.5, "chin raise": 0.0}),
    expression=Expression.SURPRISE,
    probabilities={Expression.SURPRISE: 0.75, Expression.FEAR: 0.25},
    cot=COT,
    warnings=("The head is turned.",),
    provenance=Provenance(expllm="0", detector="d", au_reader="r", classifier="c", writer="offline"),
    landmarks=((1.0, 2.0, 3.0),),
)


def test_json_round_trip_keeps_everything() -> None:
    assert FaceAnalysis.from_json(ANALYSIS.to_json(landmarks=True)) == ANALYSIS
    assert FaceAnalysis.from_dict(ANALYSIS.to_dict(landmarks=True)) == ANALYSIS
    assert "landmarks" not in ANALYSIS.to_dict()


def test_json_says_null_for_not_measured() -> None:
    aus = ANALYSIS.to_dict()["aus"]
    assert (aus["jaw drop"], aus["chin raise"], aus["cheeks puff"]) == (0.5, 0.0, None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"input": "x", "status": "ok", "smile": 1}', "smile: Extra inputs"),
        ('{"status": "ok"}', "input: Field required"),
        ('{"input": "x", "status": "fine"}', "status"),
        ('{"input": "x", "status": "ok", "score": 1.5}', "score"),
        ('{"input": "x", "status": "ok", "aus": {"jaw dorp": 1}}', "did you mean 'jaw drop'"),
        ('{"input": "x", "status": "ok", "aus": {"jaw drop": 2}}', "must be 0-1"),
        ('{"input": "x", "status": "ok", "aus": [1]}', "aus"),
        ("not json", "JSON"),
    ],
)
def test_bad_records_get_one_line(text: str, complaint: str) -> None:
    with pytest.raises(RecordError, match="not a FaceAnalysis") as caught:
        FaceAnalysis.from_json(text)
    assert complaint in caught.value.line


def test_records_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ANALYSIS.input = "other"


def test_cot_text_parses_back_and_counts_its_headings() -> None:
    assert CoT.parse(COT.text) == COT
    assert COT.word_count == 6 + 3 + 3 + 3


@pytest.mark.parametrize(
    "text",
    [
        "Key Observations: a\nOverall Emotional Interpretation: b\nConclusion: c",
        "## Key observations\na\n## OVERALL EMOTIONAL INTERPRETATION\nb\n## Conclusion\nc",
        "1. **Key Observations**: a\n\n2. **Overall Emotional Interpretation**: b\n\n3. **Conclusion**: c",
    ],
)
def test_headings_in_any_dress(text: str) -> None:
    assert CoT.parse(text).parts == ("a", "b", "c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Key Observations: a\nConclusion: c",
        "Conclusion: c\nOverall Emotional Interpretation: b\nKey Observations: a",
        COT.text + "\n" + COT.text,
        "**Key Observations:** a **Overall Emotional Interpretation:**\n**Conclusion:** c",
        "**Key Observations:**\n\n**Overall Emotional Interpretation:** b\n\n**Conclusion:** c",
    ],
)
def test_missing_doubled_or_empty_parts_are_refused(text: str) -> None:
    with pytest.raises(RecordError):
        CoT.parse(text)


@given(st.text())
def test_one_line_is_one_printable_line(text: str) -> None:
    assert all(character.isprintable() for character in one_line(text))
