"""A language model's part, played by rules: it reads the prompts, as a server behind a chat endpoint would.

It answers from nothing but the messages, so it can stand in a process of its own. The same messages always
get the same answer.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from expllm.chat.endpoint import PROBE
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.case import positive_text
from expllm.cot.rule_writer import describe, write_cot
from expllm.data import Sample

POSITIVE = re.compile(r"\{'.*?'\s*:.*?\}|\{\}")
_REFINABLE: dict[str, AUVector] = {}
"""Descriptions that were given -> what they describe: a refiner sees the description alone."""

LABELS = tuple(label for label in Expression if label is not Expression.CONTEMPT)


def answer(messages: Sequence[Mapping[str, str]]) -> str:
    """What the model says to a conversation of the shipped prompts."""
    last = messages[-1]["content"]
    if last == PROBE[0].content:
        return "Yes"
    if "Original description:" in messages[0]["content"]:
        return _refine(messages[0]["content"])
    if last.startswith("Based on the description") or last.startswith("That was not one"):
        return _guess(messages).capitalize()
    if last.startswith("Determine whether"):
        wanted = re.search(r"label matches (\w+)", last)
        assert wanted is not None
        return "Correct" if wanted[1] == messages[-2]["content"] else "Incorrect"
    return _description(messages[0]["content"], _guess(messages))


@lru_cache(maxsize=100_000)
def _description(prompt: str, guess: Expression) -> str:
    aus = _aus(prompt)
    text = " ".join(write_cot(aus, guess).parts)
    _REFINABLE[text] = aus
    return text


@lru_cache(maxsize=100_000)
def ranked(prompt: str) -> list[Expression]:
    """The expressions that a prompt's action units speak for, the likeliest first."""
    scores = describe(_aus(prompt)).scores
    return sorted(LABELS, key=lambda label: -scores[label])


@lru_cache(maxsize=100_000)
def _aus(prompt: str) -> AUVector:
    found = POSITIVE.search(prompt)
    assert found is not None, prompt
    return AUVector.from_positive(ast.literal_eval(found[0]))


def _guess(messages: Sequence[Mapping[str, str]]) -> Expression:
    """The likeliest expression; after each feedback the next one, or the one that was told."""
    told = [m["content"] for m in messages if m["role"] == "user"]
    for text in reversed(told):
        if hint := re.search(r"The correct expression is (\w+)\.", text):
            return Expression(hint[1].lower())
    rejected = sum("are incorrect" in text for text in told)
    return ranked(messages[0]["content"])[rejected % len(LABELS)]


@lru_cache(maxsize=100_000)
def _refine(prompt: str) -> str:
    description = prompt.split("Original description: ", 1)[1]
    label = re.search(r"names the expression (\w+)", prompt)
    assert label is not None
    aus = _REFINABLE.get(description)
    return write_cot(aus, Expression(label[1].lower())).text if aus else "Which description?"


def of_payload(payload: Mapping[str, Sequence[Mapping[str, str]]]) -> str:
    """The same, for the server in `chatserver`."""
    return answer(payload["messages"])


def positive(sample: Sample) -> str:
    """What tells the prompts of two samples apart."""
    assert sample.aus is not None
    return positive_text(sample.aus)
