"""Kinds of wording around a movement: limits, exceptions, asides, outdoing, results."""

import pytest

from expllm.grounding import DegreeWord, read_claims
from expllm.grounding.claims import Claim


def only(text: str) -> Claim:
    """The one claim of a text."""
    (claim,) = read_claims(text)
    return claim


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("The brows are raised as high as they will go.", DegreeWord.STRONG),
        ("The lips were tightened until there was next to nothing left of them.", DegreeWord.STRONG),
        ("Contraction of the chin, grade 3 of 5.", DegreeWord.MODERATE),
        ("The nose is wrinkled very slightly.", DegreeWord.SLIGHT),
        ("He narrows his eyes to a mere slit.", None),
        ("A hint of fear in the raised brows.", None),
        ("The lower lip has been drawn in, a gesture that readers will associate with restraint.", None),
        ("The lips became thin because he makes them hard.", None),
    ],
)
def test_how_much(text: str, degree: DegreeWord | None) -> None:
    assert {claim.degree for claim in read_claims(text)} == {degree}


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("The lips are pressed into a thin line.", {"lip tightener", "lip pressor"}),
        ("The lips are pursed tightly.", {"lip pucker", "lip tightener", "lip pressor"}),
        ("Horizontal creases run across the forehead.", {"brow raise", "brow lower"}),
        ("The dimple in the left cheek deepens.", {"dimpler"}),
    ],
)
def test_what_words_may_mean(text: str, units: set[str]) -> None:
    assert set(only(text).units) == units


@pytest.mark.parametrize(
    "text",
    [
        "Lips pressed together with full force, the chairman waits for the question.",
        "The cheeks never filled; whatever breath he was saving, he saved it elsewhere.",
        "The jaw has dropped, and a thin dark gap can be seen.",
        "The brows are lowered, most of all above the right eye.",
    ],
)
def test_a_clause_with_a_subject_of_its_own_says_nothing_of_the_part_before(text: str) -> None:
    assert len({claim.units for claim in read_claims(text)}) == 1


@pytest.mark.parametrize(
    ("text", "moves", "rests"),
    [
        ("The jaw opens in the midline without lateral deviation.", {"jaw drop"}, {"jaw slide"}),
        ("The smile does not reach the eyes.", {"lip corner pull"}, {"cheek raiser"}),
        ("Tongue not visible; jaw dropped.", {"jaw drop"}, set()),
        ("There is no evidence that the lips have been rounded and thrust outward.", set(), {"lip pucker"}),
        ("The upper lip, instead of lifting, veils what is behind it.", set(), {"upper lip raise"}),
        ("Missing from the portrait is any smile.", set(), {"lip corner pull"}),
    ],
)
def test_how_far_a_denial_reaches(text: str, moves: set[str], rests: set[str]) -> None:
    claims = read_claims(text)
    assert {unit for claim in claims if not claim.negated for unit in claim.units} == moves
    assert {unit for claim in claims if claim.negated for unit in claim.units} == rests


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("He squinted with both eyes, the left outdoing its neighbour.", "left"),
        ("Brows come up, but the left ends up below the right.", "right"),
        ("The right brow is raised twice as high as the left.", "right"),
        ("Both brows are lowered, but the right is lowered most.", "right"),
    ],
)
def test_which_side_moves_more(text: str, side: str) -> None:
    assert any(claim.both and claim.side == side for claim in read_claims(text))


@pytest.mark.parametrize(
    "text",
    [
        "Should the palsy progress, the eye may one day no longer close.",
        "A caption reading 'disgust' would have called for a wrinkled nose, the editor says.",
        "The brows stay where they are until one asks what a full scowl would require.",
    ],
)
def test_what_is_only_supposed_is_no_claim(text: str) -> None:
    assert not any(claim for claim in read_claims(text) if not claim.negated)
