"""Pits beside the mouth, and cheeks that swell upward or with air."""

import pytest
from told_faces import alarms


@pytest.mark.parametrize("text", [
    "Small holes form beside the mouth corners.",
    "Indentations appear beside the corners of the mouth.",
    "There are pits at both corners of the mouth.",
    "A pit shows in the cheek beside each mouth corner.",
    "The cheeks are hollowed by small pits next to the lip corners.",
    "Shallow depressions develop at the sides of the mouth.",
    "A small depression forms beside the left lip corner.",
    "The mouth corners sink into small pits.",
    "A little pit has formed just outside the left mouth corner.",
    "Small dents flank the mouth.",
    "Small hollows appear in both cheeks.",
])  # fmt: skip
def test_small_pits_beside_the_mouth_are_dimples(text: str) -> None:
    assert alarms(text, "dimpler") == []
    assert alarms(text, "")


@pytest.mark.parametrize(("text", "moves", "otherwise"), [
    ("No indentation appears beside the mouth corners.", "", "dimpler"),
    ("Small pits dot the chin.", "chin raise", "dimpler"),
    ("A depression of the lip corners is seen.", "lip corner depressor", "dimpler"),
    ("Depression at the lip corners is noted.", "lip corner depressor", "dimpler"),
    ("A small hole opens between the lips.", "lips part", "dimpler"),
])  # fmt: skip
def test_other_pits_and_depressions(text: str, moves: str, otherwise: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, otherwise)


@pytest.mark.parametrize("text", [
    "The cheeks swell upward under the eyes.",
    "The cheeks bunch up beneath the eyes.",
    "The cheeks rise into mounds under the eyes.",
    "The cheeks bulge upward.",
    "The cheeks are rounded and pushed up toward the eyes.",
    "The cheeks have gathered into round apples below the eyes.",
    "The cheeks swell and rise.",
    "The cheeks puff upward toward the lower lids.",
    "The cheeks, swollen upward, catch the light.",
    "The cheeks are plumped up.",
])  # fmt: skip
def test_cheeks_that_swell_upward_are_raised(text: str) -> None:
    assert alarms(text, "cheek raiser") == []
    assert alarms(text, "cheeks puff")


@pytest.mark.parametrize("text", [
    "The cheeks swell with air.",
    "The cheeks balloon outward.",
    "The cheeks are puffed up.",
    "The cheeks swell.",
    "The cheeks bulge with air under the eyes.",
    "The cheeks are blown up like balloons.",
])  # fmt: skip
def test_cheeks_that_swell_with_air_are_puffed(text: str) -> None:
    assert alarms(text, "cheeks puff") == []
    assert alarms(text, "cheek raiser")


def test_what_rises_beside_swelling_cheeks_is_another_part() -> None:
    assert alarms("The cheeks swell and the brows rise.", "cheeks puff, brow raise") == []
    assert alarms("The cheeks neither swell nor rise.", "cheeks puff")
