"""Halves of the face."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.cot.words.observations import describe
from expllm.cot.words.sentences import observe
from expllm.grounding import Half, Verdict, audit, half_of, read_claims

UPPER, LOWER = Half.UPPER, Half.LOWER
FACE = AUVector.from_positive({"left brow lower": 0.7, "right brow lower": 0.7, "jaw drop": 0.5})


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("In the upper face, the brows are lowered.", [UPPER]),
        ("As for the lower face, the jaw drops.", [LOWER]),
        ("The lower half of the face shows a drop of the jaw.", [LOWER]),
        ("In the lower part of the face, the jaw drops.", [LOWER]),
        ("The upper facial muscles show lowered brows.", [UPPER]),
        ("Lowered brows in the upper face and a dropped jaw in the lower face stand out.", [UPPER, LOWER]),
        ("In the upper face, the brows are lowered and the lids raised.", [UPPER, UPPER]),
        ("The brows are lowered.", [None]),
        ("The upper lip is raised.", [None]),
        ("In the upper and lower face, the brows are lowered.", [None]),
        ("In the upper face, the brows are lowered, while the jaw drops.", [UPPER, None]),
        ("Lowered brows in the upper face and a dropped jaw stand out.", [UPPER, None]),
        ("In the upper face, the brows are lowered, suggesting effort within the smile.", [UPPER, None]),
        ("The upper face is calm. The jaw drops.", [None]),
    ],
)
def test_the_half_that_a_claim_names(text: str, halves: list[Half | None]) -> None:
    assert [claim.half for claim in read_claims(text)] == halves


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("In the upper face, the brows are lowered.", Verdict.SUPPORTED),
        ("In the lower face, the brows are lowered.", Verdict.WRONG_PLACE),
        ("In the upper face, the jaw drops.", Verdict.WRONG_PLACE),
        ("In the lower face, the brows are raised.", Verdict.CONTRADICTED),
        ("In the lower face, there is no raising of the brows.", Verdict.SUPPORTED),
        ("In the lower face, the nose is slightly wrinkled.", Verdict.CONTRADICTED),
    ],
)
def test_verdicts(text: str, verdict: Verdict) -> None:
    assert [checked.verdict for checked in audit(text, FACE).checked] == [verdict]


@pytest.mark.parametrize("half", ["upper", "lower"])
def test_nose_and_cheeks_lie_between(half: str) -> None:
    aus = AUVector({"nose wrinkle": 0.6, "cheeks puff": 0.6})
    report = audit(f"In the {half} face, the nose is wrinkled and the cheeks are puffed.", aus)
    assert [checked.verdict for checked in report.checked] == [Verdict.SUPPORTED] * 2


def test_the_reason_and_what_it_costs() -> None:
    report = audit("In the lower face, the brows are lowered. The jaw drops.", FACE)
    assert report.problems == ('"brows are lowered": says the lower face, brow lower shows in the upper.',)
    assert report.precision == 0.5
    assert report.recall == 1.0  # the movement is told, if in the wrong place
    assert report.checked[0].to_dict()["half"] == "lower"
    assert report.to_dict()["counts"]["wrong place"] == 1


@given(st.dictionaries(st.sampled_from(AU_NAMES), st.floats(0.06, 1), min_size=2, max_size=6))
def test_the_engine_places_all_rightly_and_an_exchange_of_halves_is_noticed(
    measured: dict[str, float],
) -> None:
    aus = AUVector.from_positive(measured)
    text = observe(describe(aus))
    right = audit(text, aus)
    assert Verdict.WRONG_PLACE not in right.counts
    exchanged = text.replace("upper face", "?").replace("lower face", "upper face").replace("?", "lower face")
    told = [one.claim for one in right.checked if one.claim.half]
    assert all(half_of(action) is claim.half for claim in told for action in claim.units[:1])
    placed = sum(claim.units[0] not in ("nose wrinkle", "cheeks puff", "cheek raiser") for claim in told)
    assert audit(exchanged, aus).counts.get(Verdict.WRONG_PLACE, 0) == placed
