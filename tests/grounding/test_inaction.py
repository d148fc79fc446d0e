"""Parts that do nothing, in turns of phrase; and what their words do not deny."""

import pytest

from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.grounding import audit

EYES = {"eye close", "lid raise", "brow lower", "brow raise"}


def said(text: str) -> tuple[set[str], set[str]]:
    """Actions that a text affirms, and those that it denies."""
    claims = [one.claim for one in audit(text, AUVector(dict.fromkeys(AU_NAMES, 0.0))).checked]
    affirmed, denied = (
        {unit for claim in claims if claim.negated is negated for unit in claim.units}
        for negated in (False, True)
    )
    return affirmed, denied


@pytest.mark.parametrize(
    ("text", "affirmed", "denied"),
    [
        ("Absent from the picture is any wrinkling of the nose.", set(), {"nose wrinkle"}),
        ("What I never got from him was a wrinkled nose.", set(), {"nose wrinkle"}),
        ("The furrow between the brows is gone.", set(), {"brow lower"}),
        ("The nose wrinkle that disgust would have brought is not to be found.", set(), {"nose wrinkle"}),
        ("The nose slept through the whole monologue.", set(), {"nose wrinkle"}),
        ("The nose might as well be carved in wood.", set(), {"nose wrinkle"}),
        ("The upper lids have failed to follow.", set(), {"lid raise"}),
        ("The brows lie exactly where they would at rest.", set(), {"brow raise", "brow lower"}),
        ("The brows are as quiet as furniture.", set(), {"brow raise", "brow lower"}),
        ("The lower face contributes nothing to the overall impression.", set(), {"jaw drop"}),
        ("From the cheekbones up she gave me nothing at all.", set(), EYES),
        ("Everything above the nose remains in its neutral position.", set(), EYES),
        ("Apart from the dropped jaw, nothing in this face is in motion.", {"jaw drop"}, EYES),
        ("The jaw drops; remainder inert.", {"jaw drop"}, EYES),
        ("The jaw drops, every other muscle of the face off duty.", {"jaw drop"}, EYES),
        ("Whole face unchanging through the heel prick.", set(), {*EYES, "jaw drop", "nose wrinkle"}),
        ("No frown accompanies the dropped jaw.", {"jaw drop"}, {"brow lower"}),
        ("The brows look untouched by the smile.", {"lip corner pull"}, {"brow raise"}),
        ("The eyes are not open wide.", set(), {"lid raise"}),
        ("The lids are not opened wider.", set(), {"lid raise"}),
        ("The eyes are not open.", {"eye close"}, set()),
        ("The jaw isn't clenched or dropped.", set(), {"jaw drop"}),
        ("The jaw is unclenched.", {"jaw drop"}, set()),
    ],
)
def test_who_does_nothing(text: str, affirmed: set[str], denied: set[str]) -> None:
    moves, rests = said(text)
    assert affirmed <= moves
    assert denied <= rests
    assert not moves - affirmed - {"lips part"}
