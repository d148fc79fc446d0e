"""What stands under a face while its text is written: sentences on how much of it was measured."""

import pytest

from expllm.core.vocabulary import AU_NAMES, FEAFA_NAMES, AUVector
from expllm.faces.au_reader import BlendshapeReader
from expllm.predict.verifying import SentenceVerifier

HEADING = "**Key Observations:**\n"
WHOLE = AUVector(dict.fromkeys(BlendshapeReader().measured, 0.0) | {"jaw drop": 0.6})


@pytest.mark.parametrize(
    "sentence",
    [
        "Much of the face could not be measured.",
        "Only part of the face could be measured.",
        "The measurements cover only part of the face.",
    ],
)
def test_a_face_that_was_measured_is_not_called_unmeasured(sentence: str) -> None:
    reason = SentenceVerifier(WHOLE).refuted(HEADING, f" {sentence}")
    assert reason is not None
    assert reason.endswith("brows, eyes and mouth were measured")
    covered = [name for name in AU_NAMES if "eye" in name or "lid" in name or "brow" in name]
    for hidden in (covered, ["left eye close", "left lid raise"]):
        assert SentenceVerifier(WHOLE.without(hidden)).refuted(HEADING, f" {sentence}") is None


@pytest.mark.parametrize(
    "sentence",
    [
        "The jaw drops strongly.",
        "Whether the nose moves, as is usual in disgust, could not be measured.",
        "Nothing else that was measured moves visibly.",
        "The upper part of the face is at rest.",
    ],
)
def test_other_sentences_are_left_alone(sentence: str) -> None:
    assert len(WHOLE.measured) < len(FEAFA_NAMES)
    assert SentenceVerifier(WHOLE).refuted(HEADING, f" {sentence}") is None
