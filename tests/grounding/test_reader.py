"""Phrases as language models write them, and the claims they make."""

import pytest

from expllm.core.records import CoT
from expllm.core.vocabulary import Side
from expllm.grounding import Claim, DegreeWord, read_claims

L, R = Side.LEFT, Side.RIGHT


def only(text: str) -> Claim:
    claims = read_claims(text)
    assert len(claims) == 1, [(claim.text, claim.units) for claim in claims]
    return claims[0]


def actions(text: str) -> list[tuple[str, ...]]:
    return [claim.units for claim in read_claims(text)]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("The corners of the mouth turn up.", "lip corner pull"),
        ("The lip corners are pulled upwards.", "lip corner pull"),
        ("A smile can be seen.", "lip corner pull"),
        ("The face shows a smirk.", "lip corner pull"),
        ("Both brows are drawn down.", "brow lower"),
        ("The brows are knit.", "brow lower"),
        ("A furrowed brow stands out.", "brow lower"),
        ("The eyebrows are drawn together.", "brow lower"),
        ("The lowering of the brows is visible.", "brow lower"),
        ("Minimal brow lowering is present.", "brow lower"),
        ("The eyebrows rise.", "brow raise"),
        ("The brows are arched.", "brow raise"),
        ("The eyes are closed.", "eye close"),
        ("The eyelids droop.", "eye close"),
        ("Squinting is visible.", "eye close"),
        ("The eyes are wide open.", "lid raise"),
        ("Wide-open eyes are visible.", "lid raise"),
        ("The upper lids are lifted.", "lid raise"),
        ("The jaw drops.", "jaw drop"),
        ("The jaw hangs open.", "jaw drop"),
        ("The jaw's forward thrust is visible.", "jaw thrust"),
        ("The jaw slides to one side.", "jaw slide"),
        ("The upper lip is raised.", "upper lip raise"),
        ("The upper lip's elevation is visible.", "upper lip raise"),
        ("The lower lip is pulled down.", "lower lip depress"),
        ("A downturned lower lip is visible.", "lower lip depress"),
        ("The lip corners are stretched sideways.", "lip corner stretch"),
        ("The chin is pushed up.", "chin raise"),
        ("The lips are puckered.", "lip pucker"),
        ("Pursed lips are visible.", "lip pucker"),
        ("The cheeks are puffed out.", "cheeks puff"),
        ("The nose is wrinkled.", "nose wrinkle"),
        ("Nasal wrinkling is visible.", "nose wrinkle"),
        ("The lower lip is sucked in.", "lower lip suck"),
    ],
)
def test_words_of_one_movement(text: str, unit: str) -> None:
    claim = only(text)
    assert unit in claim.units
    assert not claim.negated
    assert text[claim.start : claim.end] == claim.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Raised eyelids and brows are visible.", [("lid raise",), ("brow raise",)]),
        ("The eyelids and eyebrows are raised.", [("lid raise",), ("brow raise",)]),
        ("A slight jaw drop and lowered brows.", [("jaw drop",), ("brow lower",)]),
        ("Lowered brows and a raised chin.", [("brow lower",), ("chin raise",)]),
        ("A raise of the brows and lowering of the lower lip.", [("brow raise",), ("lower lip depress",)]),
        ("Furrowed brows, a dropped jaw and pursed lips.", [("brow lower",), ("jaw drop",), ("lip pucker",)]),
    ],
)  # fmt: skip
def test_lists(text: str, expected: list[tuple[str, ...]]) -> None:
    assert sorted(actions(text)) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("Minimal brow lowering is present.", DegreeWord.MINIMAL),
        ("The brows are slightly lowered.", DegreeWord.SLIGHT),
        ("The brows are lowered slightly.", DegreeWord.SLIGHT),
        ("A moderate lowering of both brows.", DegreeWord.MODERATE),
        ("The brows show a pronounced lowering.", DegreeWord.MARKED),
        ("The brows are strongly drawn down.", DegreeWord.STRONG),
        ("The brows are drawn down.", None),
        ("Slight eye closure in both eyes.", DegreeWord.SLIGHT),
    ],
)
def test_degrees(text: str, degree: DegreeWord | None) -> None:
    assert only(text).degree is degree


@pytest.mark.parametrize(
    ("text", "side", "both"),
    [
        ("The left brow is lowered.", L, False),
        ("The lowering of the right brow.", R, False),
        ("Both brows are lowered.", None, True),
        ("The left and right brows are lowered.", None, True),
        ("The brows are lowered.", None, False),
        ("The left corner of the mouth is pulled up.", L, False),
        ("The lip's right corner is pulled up.", R, False),
        ("The jaw slides to the left.", L, False),
        ("A slight rightward movement of the jaw.", R, False),
        ("The brow is lowered on the left.", L, False),
    ],
)
def test_sides(text: str, side: Side | None, both: bool) -> None:
    claim = only(text)
    assert (claim.side, claim.both) == (side, both)


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("The brows are lowered, the right one more so.", R),
        ("The brows are lowered, particularly on the left.", L),
        ("Eye closure is visible, particularly in the left eye.", L),
        ("Both brows lower, particularly the left.", L),
        ("The lip corners are pulled up, with the left being more pronounced.", L),
    ],
)
def test_a_comparison_of_sides_is_a_claim_of_its_own(text: str, side: Side) -> None:
    plain, compared = read_claims(text)
    assert plain.side is None
    assert (compared.side, compared.both) == (side, True)


@pytest.mark.parametrize(
    ("text", "negated", "degree"),
    [
        ("The left brow is raised, while the right shows no movement.", True, None),
        ("The left brow is raised; the right stays at rest.", True, None),
        ("The left brow is strongly raised, while the right is barely lifted.", False, DegreeWord.MINIMAL),
    ],
)
def test_a_side_without_its_part(text: str, negated: bool, degree: DegreeWord | None) -> None:
    first, second = read_claims(text)
    assert (first.units, first.side, first.negated) == (("brow raise",), L, False)
    assert (second.units, second.side, second.negated) == (("brow raise",), R, negated)
    assert second.degree is degree


def test_a_degree_for_each_side() -> None:
    claims = read_claims("Both brows are lowered, strongly on the left and slightly on the right.")
    assert {(claim.side, claim.degree) for claim in claims} == {
        (None, None),
        (L, DegreeWord.STRONG),
        (R, DegreeWord.SLIGHT),
    }


def test_numbers_of_both_sides() -> None:
    claims = read_claims("Both lids are raised (left: 0.66, right: 0.65).")
    assert {(claim.side, claim.value) for claim in claims if claim.value} == {(L, 0.66), (R, 0.65)}


def test_a_number_after_a_movement() -> None:
    assert only("A moderate jaw drop at 0.23 is visible.").value == 0.23
    assert only("The jaw drops (activation level 0.034).").value == 0.034


@pytest.mark.parametrize(
    "text",
    [
        "There is no brow lowering.",
        "The face is calm, without any sign of a smile.",
        "The lack of a smile is notable.",
        "The brows are not lowered.",
        "The brows do not show any lowering.",
        "Smiling is absent.",
    ],
)
def test_denied(text: str) -> None:
    assert only(text).negated


def test_open_eyes_are_eyes_that_are_not_closed() -> None:
    claim = only("The eyes remain mostly open.")
    assert claim.units == ("eye close",)
    assert claim.negated


@pytest.mark.parametrize(
    "text",
    [
        "The movement does not overshadow the smile.",
        "Without overshadowing the smile, this adds depth.",
    ],
)
def test_a_negation_of_something_else_denies_nothing(text: str) -> None:
    assert not only(text).negated


@pytest.mark.parametrize(
    "text",
    [
        "This is typically associated with a smile.",
        "It looks tired rather than closed to the eyes.",
        "That could become a smile.",
        "The mood is elevated.",
        "Heightened alertness and emotional openness.",
        "There is tension and a deep depression.",
        "This suggests sadness rather than happiness.",
    ],
)
def test_no_claims(text: str) -> None:
    assert read_claims(text) == ()


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("The cheeks are sucked in.", "cheek suck"),
        ("The nostrils are flared.", "nostril dilate"),
    ],
)
def test_what_the_units_cannot_say(text: str, outside: str) -> None:
    claim = only(text)
    assert claim.outside == outside
    assert claim.units == ()


def test_the_parts_of_an_explanation() -> None:
    cot = CoT(
        key_observations="The brows are lowered.",
        overall_emotional_interpretation="A smile is absent.",
        conclusion="The dropped jaw speaks for surprise.",
    )
    claims = read_claims(cot)
    assert [claim.part for claim in claims] == [
        "key_observations",
        "overall_emotional_interpretation",
        "conclusion",
    ]
    assert all(cot.text[claim.start : claim.end] == claim.text for claim in claims)
    assert claims == read_claims(cot.text)
