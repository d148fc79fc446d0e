"""The other side of a pair, without a name of its own."""

import pytest
from told_faces import alarms


@pytest.mark.parametrize(("text", "moves", "otherwise"), [
    ("The left brow rises; the other is relaxed.", "left brow raise", "brow raise"),
    ("The left brow rises; the other stays where it is.", "left brow raise", "right brow raise"),
    ("The left brow goes up, the other is neutral.", "left brow raise", "brow raise"),
    ("The right mouth corner is pulled up while the other keeps still.",
     "right lip corner pull", "lip corner pull"),
    ("The right eyebrow is lifted. The other is at rest.", "right brow raise", "brow raise"),
    ("The left brow rises. The other brow stays down.", "left brow raise", "brow raise"),
    ("The right brow has come down; the other one has not.", "right brow lower", "brow lower"),
    ("The right upper lid is raised; the opposite one is relaxed.", "right lid raise", "lid raise"),
    ("The left corner of the lips is drawn sideways; the other corner is relaxed.",
     "left lip corner stretch", "lip corner stretch"),
    ("One brow, the left, rises; the other is slack.", "left brow raise", "brow raise"),
    ("Only one corner climbs, the right; the other is at rest.", "right lip corner pull", "lip corner pull"),
    ("One brow rises; the other is relaxed.", "right brow raise", "brow raise"),
    ("The left brow rises; the other falls.",
     "left brow raise, right brow lower", "left brow raise, left brow lower"),
    ("The left eye is wide; the other is closed.", "left lid raise, right eye close", "left lid raise"),
])  # fmt: skip
def test_the_other_is_the_one_that_was_not_named(text: str, moves: str, otherwise: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, otherwise)


@pytest.mark.parametrize(("text", "moves"), [
    ("The left brow rises; the other rises as well.", "brow raise 0.3"),
    ("The left brow rises. The other does too.", "brow raise"),
    ("The left brow rises higher than the other.", "left brow raise 0.7, right brow raise 0.4"),
    ("The left brow rises; the other features are relaxed.", "left brow raise"),
    ("The right lip corner is lifted, a likely companion of a smile.", "right lip corner pull"),
    ("The left brow rises; the lids are relaxed.", "brow raise"),
])  # fmt: skip
def test_where_the_other_moves_too_or_is_of_no_pair(text: str, moves: str) -> None:
    assert alarms(text, moves) == []
