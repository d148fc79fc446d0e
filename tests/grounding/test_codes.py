"""Action units by the numbers of FACS."""

import pytest

from expllm.core.vocabulary import AU_NAMES, AUVector, Side
from expllm.grounding import DegreeWord, Verdict, audit, read_claims, read_text


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("AU12 present bilaterally.", ["lip corner pull"]),
        ("Action Unit 26 is active.", ["jaw drop"]),
        ("AU1+AU2+AU5+AU26 indicates surprise.", ["brow raise", "brow raise", "lid raise", "jaw drop"]),
        ("Coded as 6+12.", ["cheek raiser", "lip corner pull"]),
        ("The brows are quiet; FACS AU 9, 10 and 17.", ["nose wrinkle", "upper lip raise", "chin raise"]),
    ],
)
def test_numbers_are_actions(text: str, actions: list[str]) -> None:
    found = [claim for claim in read_claims(text) if not claim.negated]
    assert [claim.units[0] for claim in found] == actions
    assert all(claim.text == text[claim.start : claim.end] for claim in found)


def test_a_denial_reaches_the_whole_list() -> None:
    for text in ("AU15, AU17 and AU 24 are not observed.", "No AU15, AU17 or AU24."):
        claims = read_claims(text)
        assert [claim.units for claim in claims] == [
            ("lip corner depressor",),
            ("chin raise",),
            ("lip pressor",),
        ]
        assert all(claim.negated for claim in claims)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("5 ruled out.", ["not lid raise"]),
        ("18, 23, 24: none of these.", ["not lip pucker", "not lip tightener", "not lip pressor"]),
        ("18 quite pronounced, 25 minimal.", ["lip pucker", "lips part"]),
        ("Bilateral 15.", ["lip corner depressor"]),
        ("AU12 scored; 15, trace.", ["lip corner pull", "lip corner depressor"]),
        ("AU12 scored, 7 not scored.", ["lip corner pull", "not lid tightener"]),
    ],
)
def test_coders_write_numbers_alone(text: str, told: list[str]) -> None:
    assert [f"{'not ' if claim.negated else ''}{claim.units[0]}" for claim in read_claims(text)] == told


def test_letters_are_degrees_and_sides() -> None:
    for text, degree in (("AU 4 at level C", "marked"), ("12A", "minimal"), ("AU12 (E).", "strong")):
        assert read_claims(text)[0].degree is DegreeWord(degree)
    left, right = read_claims("L12+R4")
    assert (left.side, right.side) == (Side.LEFT, Side.RIGHT)
    report = audit("R4 is scored.", AUVector({**dict.fromkeys(AU_NAMES, 0.0), "left brow lower": 0.5}))
    assert [checked.verdict for checked in report.checked] == [Verdict.WRONG_SIDE]


def test_numbers_behind_a_code_are_its_intensity() -> None:
    assert [claim.value for claim in read_claims("AU1: 0.8, AU26 (0.7), AU12: 1.")] == [0.8, 0.7, None]
    assert read_claims("AU4: 0")[0].negated


@pytest.mark.parametrize("text", ["AU99 is present.", "Only AU 77 was found."])
def test_unknown_numbers_are_unread(text: str) -> None:
    reading = read_text(text)
    assert (len(reading.claims), len(reading.unread)) == (0, 1)


@pytest.mark.parametrize(
    "text",
    [
        "It was taken in 1994 at 12 o'clock.",
        "Two of 12 judges agree.",
        "Figure 4.6",
        "5 % of faces.",
        "12 frames later it ends.",
        "12. It ends.",
        "In general 6 accompanies 12.",
    ],
)
def test_other_numbers_are_none(text: str) -> None:
    assert read_text(text).sentences == 0
