"""What is said of a stretch of the face: "below the nose nothing happens", "the mouth region is neutral"."""

import pytest
from test_whole_face import face, verdicts

from expllm.grounding import Verdict, audit

LOWER = (
    "Below the nose nothing happens.",
    "No activity is seen below the cheekbones.",
    "From the cheekbones down she is marble.",
    "Everything below the eyes stays quiet.",
    "There is no observable muscular activity anywhere below the nose.",
    "The region below the eyes does not move.",
    "In the lower face, no movement is seen.",
    "Lower facial third: no movement was seen.",
    "The brows are raised, but the rest of the face from the eyes down is motionless.",
)
UPPER = (
    "Above the nose the face is blank.",
    "Everything above the mouth is still.",
    "Nothing above the mouth moves.",
    "In the upper face, nothing moves.",
    "The area of the eyebrows and forehead does not show any change.",
)
EYES = ("Nothing around the eyes moves.", "There is no movement around the eyes.", "The eye region is still.")


@pytest.mark.parametrize("text", LOWER)
def test_the_lower_part_is_denied_and_the_upper_is_not(text: str) -> None:
    raised = {"left_brow_raise": 0.6, "right_brow_raise": 0.6}
    assert verdicts(text, **raised) == {Verdict.SUPPORTED}
    assert Verdict.CONTRADICTED in verdicts(text, **raised, jaw_drop=0.7)
    assert Verdict.CONTRADICTED in verdicts(
        text, **raised, left_lip_corner_pull=0.7, right_lip_corner_pull=0.7
    )


@pytest.mark.parametrize("text", UPPER)
def test_the_upper_part_is_denied_and_the_lower_is_not(text: str) -> None:
    assert verdicts(text, jaw_drop=0.7) == {Verdict.SUPPORTED}
    assert Verdict.CONTRADICTED in verdicts(text, jaw_drop=0.7, left_brow_raise=0.6, right_brow_raise=0.6)


@pytest.mark.parametrize("text", EYES)
def test_the_eyes_are_denied(text: str) -> None:
    assert verdicts(text, jaw_drop=0.7, left_brow_raise=0.6) == {Verdict.SUPPORTED}
    assert Verdict.CONTRADICTED in verdicts(text, left_eye_close=0.8, right_eye_close=0.8)
    assert Verdict.CONTRADICTED in verdicts(text, cheek_raiser=0.8)


def test_what_moves_in_a_region_is_no_denial() -> None:
    for text in ("Crow's feet appear around the eyes.", "There is a furrow above the nose."):
        assert audit(text, face(cheek_raiser=0.7, left_brow_lower=0.7, right_brow_lower=0.7)).counts == {
            Verdict.SUPPORTED: 1
        }


def test_only_half_of_the_face_moves() -> None:
    text = "Only the left half of the face moves."
    assert verdicts(text, left_brow_raise=0.7) == {Verdict.SUPPORTED}
    assert Verdict.CONTRADICTED in verdicts(text, right_brow_raise=0.7)


def test_she_is_still_something_else() -> None:
    assert verdicts("She is still smiling.", left_lip_corner_pull=0.7, right_lip_corner_pull=0.7) == {
        Verdict.SUPPORTED
    }


def test_what_a_region_reaches_from_and_to_moves_nowhere() -> None:
    text = "From the hairline to the chin the face is motionless."
    assert verdicts(text) == {Verdict.SUPPORTED}
    assert verdicts(text, chin_raise=0.7) == {Verdict.CONTRADICTED}


def test_the_other_one_is_a_side_and_not_the_rest_of_the_face() -> None:
    assert verdicts(
        "The left brow rises while the other remains unchanged.", left_brow_raise=0.6, jaw_drop=0.7
    ) == {Verdict.SUPPORTED}
    assert Verdict.CONTRADICTED in verdicts("Other areas of the face appear neutral.", jaw_drop=0.7)


def test_there_is_no_movement_in_the_mouth() -> None:
    text = "In the mouth there is no movement."
    assert verdicts(text, left_brow_raise=0.6) == {Verdict.SUPPORTED}
    assert verdicts(text, jaw_drop=0.7) == {Verdict.CONTRADICTED}
