"""The audit on the page: every claim is marked with its verdict, and no character of the text is lost."""

import html
import re

from explanations import UNREADABLE
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.cot.rule_writer import write_cot
from expllm.grounding import audit
from expllm.report.audit_html import audited_html, marked_text
from expllm.report.html_shell import render

SMILE = AUVector.from_positive({"left lip corner pull": 0.7, "right lip corner pull": 0.7})


def cot(key: str) -> CoT:
    return CoT(
        key_observations=key,
        overall_emotional_interpretation="The raised lip corners suggest joy.",
        conclusion="The face shows happiness.",
    )


def test_claims_are_marked_with_their_verdict_and_reason() -> None:
    page = audited_html(cot("Both lip corners are strongly raised. Both brows are strongly lowered."), SMILE)
    assert re.search(r'<mark class="supported" title="supported: [^"]*0\.70[^"]*">[^<]*lip corners', page)
    assert re.search(r'<mark class="contradicted" title="contradicted: [^"]+">[^<]*brows', page)
    assert "Of the others: 1 contradicted." in page


def test_a_text_without_claims_says_so() -> None:
    blank = CoT(key_observations="Nothing.", overall_emotional_interpretation="Nothing.", conclusion="Calm.")
    assert "The text claims no movement." in audited_html(blank, AUVector.from_positive({}))


def test_what_is_not_told_is_named() -> None:
    aus = AUVector.from_positive({**SMILE.active(), "jaw drop": 0.8})
    assert "Not mentioned: jaw drop 0.80." in audited_html(cot("Both lip corners are strongly raised."), aus)


def test_markup_in_a_text_stays_text() -> None:
    page = audited_html(cot('<script>alert(1)</script> & "both lip corners are raised"'), SMILE)
    assert "<script>" not in page


def test_words_for_expressions_are_marked_where_they_are_asked_for() -> None:
    text = cot("Both lip corners are strongly raised, with joy.")
    assert "emotion" not in audited_html(text, SMILE)
    page = audited_html(text, SMILE, emotions=True)
    assert page.count('<b class="emotion">joy</b>') == 2
    assert '<b class="emotion">happiness</b>' in page


def test_a_text_without_the_three_parts_stands_as_it_is() -> None:
    page = marked_text("Lip corners strongly raised: <b>joy</b>!", SMILE)
    plain = html.unescape(re.sub(r"</?(?:mark|b|div|p)[^>]*>", "", page))
    assert plain.startswith("Lip corners strongly raised: <b>joy</b>!")
    assert '<b class="emotion">joy</b>' in page


@given(
    st.dictionaries(st.sampled_from(AU_NAMES), st.floats(0, 1), min_size=1), st.sampled_from(list(Expression))
)
def test_no_character_is_lost_and_every_claim_is_covered(values: dict[str, float], label: Expression) -> None:
    aus = AUVector(values)
    text = write_cot(aus, label)
    page = audited_html(text, aus)
    paragraphs = re.findall(r"<p>(.*?)</p>", page)
    plain = [html.unescape(re.sub(r"</?mark[^>]*>", "", paragraph)) for paragraph in paragraphs]
    assert tuple(plain) == text.parts
    marked = sum(len(html.unescape(piece)) for piece in re.findall(r"<mark[^>]*>(.*?)</mark>", page))
    covered = {i for c in audit(text, aus).checked for i in range(c.claim.start, c.claim.end)}
    assert marked == len(covered)


def test_a_sentence_that_could_not_be_read_is_hatched_and_counted() -> None:
    page = audited_html(cot(f"Both lip corners are strongly raised. {UNREADABLE}"), SMILE)
    assert re.search(rf'<mark class="unread" title="not read: [^"]+">{UNREADABLE[:-1]}</mark>', page)
    assert re.search(
        r"1 of \d sentences about the face were not read: nothing in it was checked\.</p>$", page
    )
    assert "not read" not in audited_html(cot("Both lip corners are strongly raised."), SMILE)


def test_a_text_of_which_nothing_was_read_does_not_claim_nothing() -> None:
    page = marked_text(UNREADABLE, SMILE)
    assert "No claim was read from the text. 1 of 1 sentence about the face was not read" in page
    assert "claims no movement" not in page


def test_the_legend_has_every_kind_of_mark() -> None:
    listed = re.findall(r'<mark class="([\w-]+)"', render("legend.html"))
    assert listed == ["supported", "contradicted", "unsupported", "not-measurable", "unread"]
