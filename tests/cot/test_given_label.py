"""A label that was given beside movements that make another one likelier: no text says that it leads."""

import re
from functools import cache
from typing import Final

import numpy as np
import pytest

from expllm.core.vocabulary import FEAFA_NAMES, AUVector, Expression
from expllm.cot.format_check import WORD_LIMIT
from expllm.cot.rule_writer import conclude, describe, write_cot
from expllm.faces.au_classifier import AUClassifier
from expllm.grounding import audit
from expllm.grounding.audit import WRONG

LEADS: Final = (
    "{0} (comes first|leads|is in front)", "{0} is (somewhat|only a little|not much) likelier",
    "{0} is (preferred to|placed before|put ahead of)", "{0} is likelier", "likelier than {1}",
    "the whole (favours|fits better|speaks for) {0}", "{0} has more support",
    "{0} is (the better fit|a tentative|a cautious)", "not ahead of {0}", "though {1} cannot be ruled out",
    "{1} remains a (plausible|serious|close) alternative",
)  # fmt: skip
"""How a text says that label {0} is ahead of the likelier {1}."""


@cache
def vectors() -> list[AUVector]:
    draw = np.random.default_rng(20)
    found = []
    for _ in range(200):
        names = draw.choice(FEAFA_NAMES, draw.integers(1, 9), replace=False)
        found.append(AUVector.from_positive({str(name): float(draw.uniform()) for name in names}))
    return found


@pytest.mark.parametrize("label", list(Expression))
def test_no_text_says_that_the_given_label_leads(label: Expression) -> None:
    classifier, behind = AUClassifier.from_asset(8), 0
    for aus in vectors():
        shares = classifier.probabilities(aus)
        assert shares is not None
        likeliest = max(shares, key=shares.__getitem__)
        cot = write_cot(aus, label, shares)
        assert all(cot.parts)
        assert cot.word_count <= WORD_LIMIT
        if likeliest is label:
            continue
        behind += 1
        for words in LEADS:
            assert not re.search(words.format(label.value, likeliest.value), cot.text, re.IGNORECASE), (
                cot.text
            )
        report = audit(cot, aus, label)
        assert report.unread == (), cot.text
        assert not any(report.counts.get(verdict, 0) for verdict in WRONG), cot.text
    assert behind > 20


def test_there_is_more_than_one_way_to_say_it() -> None:
    shares = {Expression.HAPPINESS: 0.9, Expression.ANGER: 0.1}
    said = {conclude(describe(aus), Expression.ANGER, shares) for aus in vectors()}
    assert len(said) >= 8
    assert all("anger" in one.lower() and "happiness" in one.lower() for one in said)


def test_a_label_that_leads_gets_the_words_it_always_got() -> None:
    smile = describe(AUVector.from_positive({"left lip corner pull": 0.6, "right lip corner pull": 0.6}))
    ahead = {Expression.HAPPINESS: 0.4, Expression.SURPRISE: 0.35, Expression.NEUTRAL: 0.25}
    assert "given" not in conclude(smile, Expression.HAPPINESS, ahead).replace("is given with", "")
