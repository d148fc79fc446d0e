"""What counts of a language model's reading: claims of the schema whose words stand in the text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.vocabulary import Side
from expllm.evals.claim_reading import ACTION_NAMES, ClaimReading, question, question_hash, read_reply
from expllm.grounding import DegreeWord

TEXT = (
    "**Key Observations:** Both brows come down hard, the left more so. The jaw hasn't dropped.\n\n"
    "**Overall Emotional Interpretation:** Both brows come down hard, like a shutter.\n\n"
    "**Conclusion:** The face shows anger."
)


def reply(*claims: Any, before: str = "", after: str = "") -> str:
    return f"{before}{json.dumps({'claims': list(claims)})}{after}"


def entry(quote: str, action: str = "brow lower", **more: Any) -> dict[str, Any]:
    return {"quote": quote, "action": action, **more}


def read(text: str) -> ClaimReading:
    found = read_reply(text, TEXT)
    assert found is not None
    return found


def test_a_claim_is_tied_to_its_words() -> None:
    found = read(reply(entry("Both brows come down hard", side="both", more_on="left", degree="strong")))
    (claim,) = found.claims
    assert TEXT[claim.start : claim.end] == claim.text == "Both brows come down hard"
    assert (claim.units, claim.side, claim.both) == (("brow lower",), Side.LEFT, True)
    assert (claim.degree, claim.negated, claim.part) == (DegreeWord.STRONG, False, "key_observations")


def test_what_is_not_in_the_text_is_dropped_and_counted() -> None:
    found = read(reply(entry("Both brows come down"), entry("The lips are parted", "jaw drop")))
    assert (len(found.claims), found.misquoted, found.malformed) == (1, 1, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quote": "Both brows", "action": "eyebrow flash"},
        {"quote": "", "action": "brow lower"},
        {"action": "brow lower"},
        {"quote": "Both brows", "action": "brow lower", "side": "up"},
        {"quote": "Both brows", "action": "brow lower", "degree": "enormous"},
        "Both brows",
        None,
    ],
)
def test_what_does_not_fit_the_schema_is_dropped_and_counted(wrong: Any) -> None:
    found = read(reply(wrong, entry("Both brows come down hard")))
    assert (len(found.claims), found.misquoted, found.malformed) == (1, 0, 1)


def test_quotations_may_differ_in_case_blanks_and_marks_only() -> None:
    found = read(
        reply(entry("the jaw  hasn\N{RIGHT SINGLE QUOTATION MARK}t\ndropped", "jaw drop", absent=True))
    )
    assert found.claims[0].text == "The jaw hasn't dropped"
    assert found.claims[0].negated
    assert read(reply(entry("The jaw has dropped", "jaw drop"))).misquoted == 1


def test_the_same_words_twice_are_two_places() -> None:
    twice = entry("Both brows come down hard")
    parts = [claim.part for claim in read(reply(twice, twice)).claims]
    assert parts == ["key_observations", "overall_emotional_interpretation"]
    shared = read(reply(entry("Both brows come down hard"), entry("Both brows come down hard", "lid raise")))
    assert len({(claim.start, claim.end) for claim in shared.claims}) == 1  # one place, two actions


def test_a_movement_without_a_name_in_the_vocabulary() -> None:
    found = read(reply(entry("Both brows come down hard", "other", other="brow  knit")))
    assert (found.claims[0].units, found.claims[0].outside) == ((), "brow knit")


@pytest.mark.parametrize(
    ("said", "only"),
    [
        ({"side": "left", "only": True}, True),
        ({"side": "left"}, False),
        ({"side": "both", "only": True}, False),
        ({"more_on": "left", "only": True}, False),
    ],
)
def test_one_side_alone(said: dict[str, Any], only: bool) -> None:
    (claim,) = read(reply(entry("Both brows come down hard", **said))).claims
    assert claim.only is only


def test_json_may_stand_in_other_words() -> None:
    good = entry("Both brows come down hard")
    for before, after in (("Sure!\n```json\n", "\n```"), ('First {"claims": []} no: ', ""), ("{{ ", " }")):
        assert len(read(reply(good, before=before, after=after)).claims) == 1


@pytest.mark.parametrize(
    "wrong", ["", "Anger.", "{}", '{"claims": "none"}', '{"claims": [{"quote"', "[" * 9999]
)
def test_no_json_of_the_form_is_no_reading_and_not_an_empty_one(wrong: str) -> None:
    assert read_reply(wrong, TEXT) is None
    assert read_reply('{"claims": []}', TEXT) == ClaimReading((), 0, 0)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_reply_raises(text: str, noise: str) -> None:
    read_reply(noise, text)
    found = read_reply(reply(entry(noise or "x"), before=noise), text)
    assert found is not None
    for claim in found.claims:
        assert text[claim.start : claim.end] == claim.text


def test_the_question_names_the_vocabulary_and_fills_no_gap_of_a_text() -> None:
    asked = question("A {degrees} smile {0} {{")
    assert "A {degrees} smile {0} {{" in asked
    assert all(f'"{action}"' in asked for action in ACTION_NAMES)
    assert '{"claims": [{"quote"' in asked
    assert len(question_hash()) == 64
