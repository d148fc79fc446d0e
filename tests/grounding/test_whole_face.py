"""What is said of the whole face, and of all but a part of it."""

import pytest

from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.grounding import Verdict, audit, read_text


def face(**moved: float) -> AUVector:
    return AUVector(
        {**dict.fromkeys(AU_NAMES, 0.0), **{name.replace("_", " "): value for name, value in moved.items()}}
    )


def verdicts(text: str, **moved: float) -> set[Verdict]:
    report = audit(text, face(**moved))
    assert not report.unread
    return {checked.verdict for checked in report.checked}


RESTS = (
    "The face is motionless.",
    "The face is blank.",
    "Nothing moves.",
    "No facial movement is visible.",
    "The facial muscles are at rest.",
    "All features are relaxed.",
    "There is no movement in the face.",
    "Not a muscle stirs.",
    "Not a muscle moved from hairline to chin.",
    "The face does nothing.",
    "The face was a mask.",
    "Nothing at all is happening in the face.",
    "Nothing in the face departs from baseline.",
    "No action unit is scored.",
    "Face motionless.",
)


@pytest.mark.parametrize("text", RESTS)
def test_a_face_at_rest_denies_all_movements(text: str) -> None:
    assert verdicts(text) == {Verdict.SUPPORTED}
    assert verdicts(text, jaw_drop=0.6) == {Verdict.CONTRADICTED}
    assert verdicts(text, left_brow_raise=0.7) == {Verdict.CONTRADICTED}


@pytest.mark.parametrize(
    "text",
    [
        "Nothing but the left brow moves.",
        "Apart from the left brow, nothing moves.",
        "Everything but the left brow is at rest.",
        "Everything is still except the left brow.",
        "Only the left brow moves.",
        "The only movement is in the left brow.",
        "Movement is limited to the left brow.",
    ],
)
def test_what_is_excepted_moves_and_all_else_rests(text: str) -> None:
    assert verdicts(text, left_brow_raise=0.6) == {Verdict.SUPPORTED}
    assert Verdict.CONTRADICTED in verdicts(text, left_brow_raise=0.6, jaw_drop=0.6)
    assert Verdict.WRONG_SIDE in verdicts(text, left_brow_raise=0.6, right_brow_raise=0.6)
    assert Verdict.UNSUPPORTED in verdicts(text)


def test_what_an_exception_does_spares_nothing_else() -> None:
    text = "Everything neutral except the brows, which rise."
    assert verdicts(text, left_brow_raise=0.6, right_brow_raise=0.6) == {Verdict.SUPPORTED}
    moved = verdicts(text, left_brow_raise=0.6, right_brow_raise=0.6, left_brow_lower=0.6)
    assert Verdict.CONTRADICTED in moved


def test_several_parts_and_named_movements_may_be_excepted() -> None:
    both = "Only the mouth and the cheeks move."
    assert verdicts(both, left_lip_corner_pull=0.6, cheek_raiser=0.4) == {Verdict.SUPPORTED}
    smile = "Everything is at rest apart from the smile."
    assert verdicts(smile, left_lip_corner_pull=0.6, right_lip_corner_pull=0.6) == {Verdict.SUPPORTED}
    assert verdicts("It is the mouth that moves, not the brows.", left_lip_corner_pull=0.6) == {
        Verdict.SUPPORTED
    }


@pytest.mark.parametrize(
    "text",
    [
        "The jaw drops, and nothing else moves.",
        "The jaw drops. The rest of the face is still.",
        "The jaw drops. Everything else is at rest.",
        "The jaw drops. Beyond this, no movement is seen.",
    ],
)
def test_the_rest_is_what_was_not_told_before(text: str) -> None:
    assert verdicts(text, jaw_drop=0.6) == {Verdict.SUPPORTED}
    assert Verdict.CONTRADICTED in verdicts(text, jaw_drop=0.6, left_brow_raise=0.6)


def test_half_a_face() -> None:
    assert verdicts("The left half of the face does not move.", right_brow_raise=0.6) == {Verdict.SUPPORTED}
    assert verdicts("The left half of the face is at rest.", left_brow_raise=0.6) == {Verdict.CONTRADICTED}


@pytest.mark.parametrize(
    "text",
    [
        "The visage is contorted.",
        "The left half of the face is drawn up.",
        "The raise is stronger on her right side.",
    ],
)
def test_what_moves_somehow_is_unread(text: str) -> None:
    assert len(read_text(text).unread) == 1


@pytest.mark.parametrize(
    "text",
    [
        "The face is calm and happy.",
        "The overall facial expression suggests happiness.",
        "Nothing moves me more than this.",
        "If nothing moves, the face is neutral.",
        "It shows resilience in the face of grief.",
        "Nothing in the face suggests anger.",
        "Her face is turned to the left.",
        "His face relaxed and he sat down.",
        "She stayed calm in the face of danger.",
    ],
)
def test_feelings_and_heads_are_no_movements(text: str) -> None:
    assert read_text(text).sentences == 0


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Nasolabial folds deepened.", "upper lip raise"),
        ("The interlabial gap is increased.", "lips part"),
        ("A tight-lipped expression.", "lip pressor"),
        ("Wrinkles fan out from the eyes.", "cheek raiser"),
        ("The mouth hangs agape.", "jaw drop"),
        ("Her eyebrows have fled toward her hair.", "brow raise"),
    ],
)
def test_parts_and_words_that_were_not_known(text: str, action: str) -> None:
    claims = read_text(text).claims
    assert len(claims) == 1
    assert action in claims[0].units


@pytest.mark.parametrize(
    "text",
    [
        "Both brows are equally raised.",
        "The brows are symmetrically raised.",
        "The brows are raised to the same height.",
        "The brows rise evenly.",
        "The brow raise is symmetrical.",
        "The left brow rises as high as the right.",
        "The right brow mirrors the left.",
    ],
)
def test_sides_that_are_said_to_be_alike_are_compared(text: str) -> None:
    assert verdicts(text, left_brow_raise=0.6, right_brow_raise=0.5) == {Verdict.SUPPORTED}
    assert verdicts(text, left_brow_raise=0.6, right_brow_raise=0.1) == {Verdict.WRONG_SIDE}


def test_a_degree_of_both_sides_holds_for_the_weaker_one_nearly() -> None:
    text = "Both brows are strongly raised."
    assert verdicts(text, left_brow_raise=0.6, right_brow_raise=0.25) == {Verdict.SUPPORTED}
    assert verdicts(text, left_brow_raise=0.6, right_brow_raise=0.1) == {Verdict.WRONG_DEGREE}


@pytest.mark.parametrize("text", ["The eyebrows are asymmetric.", "There is an asymmetry of the brows."])
def test_sides_that_are_said_to_differ_are_compared(text: str) -> None:
    assert verdicts(text, left_brow_raise=0.6, right_brow_raise=0.2) == {Verdict.SUPPORTED}
    assert verdicts(text, left_brow_raise=0.6, right_brow_raise=0.6) == {Verdict.WRONG_SIDE}


@pytest.mark.parametrize(
    "text",
    [
        "The left corner outstrips the right.",
        "The left corner outdoes the right.",
        "The right corner lags behind its counterpart.",
        "It is mostly the left corner that lifts.",
    ],
)
def test_bare_comparisons(text: str) -> None:
    assert verdicts(text, left_lip_corner_pull=0.6, right_lip_corner_pull=0.3) == {Verdict.SUPPORTED}
    assert verdicts(text, left_lip_corner_pull=0.3, right_lip_corner_pull=0.6) == {Verdict.WRONG_SIDE}


@pytest.mark.parametrize(
    "text",
    [
        "The left brow does most of the work.",
        "The left brow arches above its neighbour.",
        "The right brow is lower than the left.",
        "The right brow sits lower than the left.",
    ],
)
def test_comparisons_of_heights(text: str) -> None:
    assert verdicts(text, left_brow_raise=0.6, right_brow_raise=0.3) == {Verdict.SUPPORTED}
    assert verdicts(text, left_brow_raise=0.3, right_brow_raise=0.6) == {Verdict.WRONG_SIDE}


@pytest.mark.parametrize(
    "text",
    [
        "The brows, not the mouth corners, go up.",
        "Unlike the mouth, the brows are raised.",
        "The brows, but not the mouth, are raised.",
        "The mouth, unlike the brows, is still.",
    ],
)
def test_another_part_for_contrast_claims_nothing(text: str) -> None:
    assert verdicts(text, left_brow_raise=0.6, right_brow_raise=0.6) == {Verdict.SUPPORTED}


def test_a_face_that_was_measured_in_part_is_at_rest_as_far_as_that_goes() -> None:
    text = "Everything measured remains still."
    for values, verdict in (
        ({"left lip corner pull": 0.0}, Verdict.SUPPORTED),
        ({"left lip corner pull": 0.8, "right lip corner pull": 0.8}, Verdict.CONTRADICTED),
        ({}, Verdict.NOT_MEASURABLE),
    ):
        (checked,) = audit(text, AUVector(values)).checked
        assert checked.verdict is verdict


def test_an_adjective_before_a_comma_belongs_to_its_own_noun() -> None:
    text = (
        "The jaw is thrust very strongly forward, with an intense, one-sided closure of the right eye, as "
        "well as a slight, one-sided lift of the right eyebrow."
    )
    assert verdicts(text, jaw_thrust=0.9, right_eye_close=0.9, right_brow_raise=0.2) == {Verdict.SUPPORTED}


def test_what_works_the_same_way_has_no_even_sides() -> None:
    (claim,) = (
        one.claim
        for one in audit("The lifted upper lids work the same way.", face(left_lid_raise=0.6)).checked
    )
    assert (claim.both, claim.even) == (False, None)
