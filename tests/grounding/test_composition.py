"""What is read of clauses alone is read of them in one sentence, however they are joined."""

from itertools import product

import pytest

from expllm.grounding import read_claims

AFFIRMED = {
    "the brows rise": "brow raise",
    "the jaw drops": "jaw drop",
    "she smiles": "lip corner pull",
    "the nose is wrinkled": "nose wrinkle",
}
DENIED = {
    "the lips are not pressed together": "lip pressor",
    "nothing pushes the chin up": "chin raise",
    "neither eye closes": "eye close",
    "there is no puffing of the cheeks": "cheeks puff",
}
NOUNS = {"raised brows": "brow raise", "a dropped jaw": "jaw drop", "a clear smile": "lip corner pull"}
GERUNDS = {"raising the brows": "brow raise", "smiling": "lip corner pull", "dropping the jaw": "jaw drop"}
LINKS = (
    ", and still {}", ", but {}", " - {}", "; {}", " while {}", ", although {}", " because {}", ": {}",
    ", so {}", ", which is why {}",
)  # fmt: skip


def polarities(text: str) -> dict[str, set[bool]]:
    """Action -> whether it is denied."""
    found: dict[str, set[bool]] = {}
    for claim in read_claims(text[0].upper() + text[1:] + "."):
        for action in claim.units:
            found.setdefault(action, set()).add(claim.negated)
    return found


@pytest.mark.parametrize("link", LINKS)
def test_a_denial_stays_in_its_clause(link: str) -> None:
    for yes, no in product(AFFIRMED, DENIED):
        expected = {AFFIRMED[yes]: {False}, DENIED[no]: {True}}
        for text in (yes + link.format(no), no + link.format(yes)):
            assert polarities(text) == expected, text


@pytest.mark.parametrize("link", ["despite", "in spite of", "notwithstanding", "in addition to"])
def test_what_a_denial_holds_in_spite_of_takes_place(link: str) -> None:
    for no, noun in product(DENIED, NOUNS):
        for text in (f"{no} {link} {noun}", f"{link} {noun}, {no}"):
            assert polarities(text) == {DENIED[no]: {True}, NOUNS[noun]: {False}}, text


@pytest.mark.parametrize("link", ["instead of", "without", "far from"])
def test_what_stands_in_front_ends_where_a_subject_begins(link: str) -> None:
    for gerund, yes in product(GERUNDS, AFFIRMED):
        if GERUNDS[gerund] == AFFIRMED[yes]:
            continue
        for mark in (" ", ", "):
            text = f"{link} {gerund}{mark}{yes}"
            assert polarities(text) == {GERUNDS[gerund]: {True}, AFFIRMED[yes]: {False}}, text


def test_a_denial_reaches_over_an_insertion() -> None:
    for inserted in (
        "for once",
        "so often seen when he talks",
        "which usually comes with a smile",
        "however",
    ):
        assert polarities(f"the brow raise, {inserted}, is absent")["brow raise"] == {True}, inserted


def test_two_adjectives_share_their_noun() -> None:
    assert polarities("neither the upper nor the lower lip is drawn inward") == {
        "upper lip suck": {True}, "lower lip suck": {True},
    }  # fmt: skip
    assert set(polarities("both the upper and the lower lip are drawn inward")) == {
        "upper lip suck", "lower lip suck",
    }  # fmt: skip


def test_an_aim_is_denied_with_its_movement() -> None:
    assert polarities("the lips are not pushed forward for a kiss") == {"lip pucker": {True}}
    assert polarities("the lips are pushed forward for a kiss") == {"lip pucker": {False}}


def test_a_degree_stays_in_its_clause() -> None:
    claims = read_claims("The upper lip is lifted with a weak movement, and the jaw drops.")
    assert [claim.degree and claim.degree.value for claim in claims if "jaw drop" in claim.units] == [None]
    claims = read_claims("It is clear that the jaw drops.")
    assert [claim.degree for claim in claims] == [None]


def test_a_movement_of_something_else_is_not_borrowed() -> None:
    assert "lid raise" not in polarities("the eyes are closing, and an enormous grin split his face")
    assert polarities("the brows are lowered; nothing happens to the cheeks")["brow lower"] == {False}


def test_what_outweighs_a_feeling_compares_no_sides() -> None:
    (claim,) = read_claims("The lifted right eyebrow leaves surprise possible, without outweighing sadness.")
    assert not claim.both
    (claim,) = read_claims("The shifted jaw alone settles nothing, and a calm face would explain as much.")
    assert claim.units == ("jaw slide",)
