"""Refusals in plain words, and texts that only look like one."""

import json
from pathlib import Path

import pytest

from expllm.chat.refusals import is_refusal

REFUSALS = """
I'm sorry, but I can't assist with that.
I\u2019m sorry, I can\u2019t help with that request.
I'm sorry, but I cannot identify people in images.
Sorry, I can't help with that.
I cannot assist with that request.
I can't provide that.
I am unable to determine the emotions of a person.
I'm unable to help with identifying emotions.
I'm not able to analyze facial expressions.
I won't do that.
I will not comply with this request.
I must decline to answer.
I must respectfully decline this request.
I apologize, but I can't fulfill this request.
I apologise, but I am not able to do that.
Unfortunately, I can't continue with this.
As an AI language model, I cannot infer emotions.
I'm sorry, but as an AI, I am unable to recognize facial expressions.
I'm very sorry, but I'm not able to discuss that.
This request violates our content policy.
Your request was flagged as potentially harmful.
I don't feel comfortable describing this person.
"""

ANSWERS = """
sadness
I see a lowered brow, which may express anger.
The mouth corners are down. I cannot rule out fear.
Incorrect: the label is wrong.
Sorry eyes and drawn-down lip corners point to sadness.
Unfortunately for the first reading, the brows are raised.
No brow is lowered. The lids cannot help but narrow.
I can say that the lips are parted.
The face cannot be said to be neutral.
Correct
"""


@pytest.mark.parametrize("text", REFUSALS.strip().splitlines())
def test_a_refusal(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize("text", ANSWERS.strip().splitlines())
def test_an_answer(text: str) -> None:
    assert not is_refusal(text)


def test_no_published_text_is_a_refusal(shared: Path) -> None:
    lines = (shared / "data" / "exp_cot_reference.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [value for line in lines for value in strings(json.loads(line))]
    assert len(texts) > 2000
    assert [text for text in texts if is_refusal(text)] == []


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in inner for text in strings(part)]


def test_a_long_text_takes_no_time() -> None:
    assert not is_refusal("I'm sorry, " * 100_000)
    assert not is_refusal("sorry " * 60)
