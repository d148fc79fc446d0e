"""Words beside their neighbours, suppositions, and questions that answer themselves."""

import pytest

from expllm.core.vocabulary import AU_NAMES, AUVector, Side
from expllm.grounding import Claim, DegreeWord, Verdict, audit, read_claims

AT_REST = dict.fromkeys(AU_NAMES, 0.0)


def told(text: str) -> list[tuple[str, bool]]:
    """First action of each claim, and whether it is denied."""
    return [(claim.units[0], claim.negated) for claim in read_claims(text) if claim.units]


def only(text: str) -> Claim:
    claims = read_claims(text)
    assert len(claims) == 1, [(claim.text, claim.units, claim.negated) for claim in claims]
    return claims[0]


@pytest.mark.parametrize(
    "text",
    [
        "Raised brows would mean surprise.",
        "Raised brows and an open mouth would mean surprise.",
        "A lowered brow could mean anger.",
        "If the lip curled, it would be contempt.",
        "Were the jaw to drop, one would speak of shock.",
        "Raised brows, in novels as in life, go often with surprise.",
        "One would look for a wrinkled nose before calling the smile false.",
        "In contrast to a typical angry face, in which the brows descend, the picture points to calm.",
        "A true smile needs the eyes as well, said my teacher.",
        "Lip puckering is ordinarily tested by asking the patient to whistle.",
        "Unlike happiness, which involves lifted lip corners, this state is marked by withdrawal.",
        "This is what distinguishes the expression from a fearful grimace.",
    ],
)
def test_what_is_only_supposed_or_said_of_faces_in_general_is_no_claim(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("The raised brows would suit surprise.", ["brow raise"]),
        ("A dropped jaw, typically a sign of shock, adds to this.", ["jaw drop"]),
        ("A slight jaw drop could imply surprise.", ["jaw drop"]),
    ],
)
def test_what_is_said_of_this_face_stays_a_claim(text: str, actions: list[str]) -> None:
    assert [action for action, _ in told(text)] == actions


def test_rest_needs_the_end_of_its_clause() -> None:
    assert told("Both brows come down hard, as before a storm.") == [("brow lower", False)]
    assert told("Even in anger the face favours a side: the right brow is lowered.") == [
        ("brow lower", False)
    ]
    assert told("The jaw is as before.")[0] == ("jaw drop", True)


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("The brows climb a little towards the hairline.", DegreeWord.SLIGHT),
        ("The brows go up to the hairline.", DegreeWord.STRONG),
        ("The jaw is not shut.", None),
        ("With held breath, the brows are raised.", None),
        ("The smile is restrained by effort.", None),
        ("The lips are pursed into a small circle.", None),
        ("The mouth corners are drawn up in a manner not strong, not weak.", DegreeWord.MODERATE),
        ("A mild horizontal widening of the mouth is noticeable, perhaps due to unease.", DegreeWord.SLIGHT),
        ("A hint of lip rounding.", DegreeWord.MINIMAL),
    ],
)
def test_degrees_are_those_of_the_movement(text: str, degree: DegreeWord | None) -> None:
    assert only(text).degree is degree


@pytest.mark.parametrize(
    "text",
    [
        "The eyes are open as always.",
        "The eyes are open to a normal degree.",
        "Both eyes keep their customary width.",
    ],
)
def test_what_is_as_ever_is_at_rest(text: str) -> None:
    claim = only(text)
    assert claim.negated
    assert set(claim.units) == {"eye close", "lid raise", "lid tightener"}


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("The smile had gone out of his mouth.", "lip corner pull"),
        ("Neither eye would shut.", "eye close"),
        ("Closure of the lids is not seen.", "eye close"),
        ("The eyes would not so much as narrow.", "eye close"),
        ("There is nothing in the brow region to suggest movement.", "brow lower"),
    ],
)
def test_denials_that_refuse_follow_or_say_what_is_gone(text: str, action: str) -> None:
    claims = read_claims(text)
    assert all(claim.negated for claim in claims)
    assert any(action in claim.units for claim in claims)


def test_his_left_eye_alone() -> None:
    claim = only("His left eye closed, and his left eye alone.")
    assert (claim.side, claim.only) == (Side.LEFT, True)


@pytest.mark.parametrize(
    "text",
    [
        "Her right brow climbed higher than the left could follow.",
        "The frown bit harder over the right eye than over the left.",
        "The right brow exceeds the left in elevation.",
        "The left brow is raised; the right is raised too, and further.",
    ],
)
def test_the_right_moves_more(text: str) -> None:
    sides = {claim.side for claim in read_claims(text) if claim.both}
    assert sides == {Side.RIGHT}


def test_a_question_that_is_answered() -> None:
    assert told("Smile? None.") == [("lip corner pull", True)]


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("Three things are missing: a smile, a frown and any pucker of the lips.", 3),
        ("A frown is what this forehead refuses.", 1),
    ],
)
def test_denials_that_are_announced_or_follow(text: str, denied: int) -> None:
    assert [negated for _, negated in told(text)] == [True] * denied


def test_not_passive_denies_no_movement() -> None:
    text = "The lowering is active, not passive: the corrugators pull the brows down."
    assert not any(negated for _, negated in told(text))


def test_a_part_stands_for_the_other_one() -> None:
    text = "The upper lip is taken in; the lower is not drawn down."
    assert ("lower lip depress", True) in told(text)


def test_greater_than_is_a_comparison() -> None:
    claim = only("Brow elevation, left > right.")
    assert (claim.side, claim.both) == (Side.LEFT, True)


def test_the_right_one_is_of_the_part_that_was_named() -> None:
    aus = AUVector({**AT_REST, "left brow raise": 0.6, "right brow lower": 0.6})
    report = audit("The left eyebrow goes up and the right one comes down.", aus)
    assert [one.verdict for one in report.checked] == [Verdict.SUPPORTED, Verdict.SUPPORTED]
    assert audit("The left eyebrow goes up and the right one comes down.", aus.mirrored()).side_errors == 2


def test_up_may_come_first() -> None:
    assert told("Up, off the iris, go the upper lids.") == [("lid raise", False)]


@pytest.mark.parametrize("felt", ["restrained amusement", "mild annoyance", "muted joy", "faint surprise"])
def test_a_grade_of_a_feeling_is_none_of_the_movement(felt: str) -> None:
    pull = "an extreme, one-sided upward pull of the right mouth corner"
    text = f"The face is shaped by {pull}, often seen in scorn or {felt}."
    (claim,) = read_claims(text)
    assert claim.degree in (None, DegreeWord.STRONG)


def test_where_a_jaw_slides_is_no_side_of_another_movement() -> None:
    text = "Only the left upper lid is extremely lifted, while the jaw slides very strongly to the right."
    assert {(claim.units, claim.side) for claim in read_claims(text)} == {
        (("lid raise",), Side.LEFT),
        (("jaw slide",), Side.RIGHT),
    }


def test_fixed_attention_is_no_rest() -> None:
    text = "Only the left upper eyelid is very strongly raised, presumably from anger or fixed attention."
    assert told(text) == [("lid raise", False)]


def test_how_much_is_said_of_what_comes_next() -> None:
    smile, brows = read_claims("The smile is softened by slightly lowered brows.")
    assert smile.degree is None
    assert brows.degree is DegreeWord.SLIGHT
    brows, smile = read_claims("The raised inner brows are offset by a slight smile.")
    assert brows.degree is None
    assert smile.degree is DegreeWord.SLIGHT


def test_what_contrasts_is_there() -> None:
    claims = read_claims("The raised brows contrast with the pressed lips.")
    assert [claim.units for claim in claims] == [("brow raise",), ("lip pressor",)]
    assert not any(claim.negated for claim in claims)


def test_a_relative_clause_is_of_the_part_before_it() -> None:
    claims = read_claims(
        "Visible are brows that are drawn together, eyes that are narrowed, and lips that are pressed."
    )
    assert [claim.units[0] for claim in claims] == ["brow lower", "eye close", "lip pressor"]
