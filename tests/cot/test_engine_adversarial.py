"""A thousand answers that are wrong on purpose: none crashes the engine, and no wrong one is accepted."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import honest
import pytest
from running import write_reference
from test_engine import honestly, llm, work

from expllm.chat import Message
from expllm.core.vocabulary import Expression
from expllm.data import open_dataset

Spoil = Callable[[str, str], str]
"""A good answer and the right label -> a bad answer."""

OTHER = {label.value: ("anger" if label is not Expression.ANGER else "fear") for label in Expression}

BAD_TEXTS: dict[str, Spoil] = {
    "empty": lambda text, label: "",
    "blank": lambda text, label: " \n\t ",
    "no heading": lambda text, label: text.replace("**Conclusion:**", ""),
    "wrong heading": lambda text, label: text.replace("Conclusion:", "In the end:"),
    "order": lambda text, label: "\n\n".join(reversed(text.split("\n\n"))),
    "twice": lambda text, label: f"{text}\n\n{text}",
    "131 words": lambda text, label: f"{text}{' indeed' * 131}",
    "AU number": lambda text, label: f"{text} AU 12 is active.",
    "AU numbers, glued": lambda text, label: f"{text} See AU12, au_4 and Action Unit 6.",
    "intensity": lambda text, label: f"{text} The intensity is 0.66.",
    "percent": lambda text, label: f"{text} It is 66% sure.",
    "pronoun": lambda text, label: f"{text} She seems to mean it.",
    "your": lambda text, label: f"{text} Trust your eyes.",
    "preamble": lambda text, label: f"Sure! Here is the analysis:\n\n{text}",
    "other label": lambda text, label: re.sub(label, OTHER[label], text, flags=re.IGNORECASE),
    "denied label": lambda text, label: f"{text.split('**C')[0]}**Conclusion:** There is no {label}.",
    "control": lambda text, label: f"{text}\x00\x1b[31m",
    "bidi": lambda text, label: f"{text} \u202egnorw",
    "1 MB": lambda text, label: f"{text} {'very ' * 200_000}",
    "invented": lambda text, label: text.replace(
        "**Overall", "Both cheeks are strongly puffed.\n\n**Overall"
    ),
    "json": lambda text, label: '{"key_observations": "a", "conclusion": "b"}',
    "refusal": lambda text, label: "I'm sorry, but I can't assist with that request.",
    "surrogate": lambda text, label: f"{text} \ud800",
    "html": lambda text, label: f"<script>alert('{label}')</script>",
    "empty part": lambda text, label: text.split("**Conclusion:**")[0] + "**Conclusion:**",
}
BAD_LABELS = (
    "", "Happiness or Fear", "happy", "I think it is Anger", "Label: Sadness", "Happiness\nFear", "none",
    "Happiness, Sadness", "😀", "h a p p i n e s s", "x" * 1_000_000, "\x00Fear",
)  # fmt: skip
BAD_VERDICTS = (
    "", "Correct and Incorrect", "not correct", "Yes", "Correct, but the label is wrong", "InCorrect?",
    "correctly", "1", "Correct\nIncorrect", "**",
)  # fmt: skip


@pytest.mark.slow
def test_no_bad_refined_text_is_accepted(tmp_path: Path) -> None:
    samples = list(open_dataset(str(write_reference(tmp_path / "reference.jsonl", 450))))
    kinds = list(BAD_TEXTS)
    label_of = {honest.positive(s): s for s in samples}

    def spoiled(messages: Sequence[Message]) -> str:
        text = honestly(messages[:1] if "Original description" in messages[0].content else messages)
        if "Original description" not in messages[0].content:
            return text
        label = re.search(r"names the expression (\w+)", messages[0].content)
        assert label is not None
        return BAD_TEXTS[kinds[len(text) % len(kinds)]](text, label[1].lower())

    writer, chat = llm(spoiled)
    records = work(tmp_path, writer, samples)
    spoilt = sum("Original description" in asked[0].content for asked in chat.asked)
    assert len(label_of) == len(records) == 450
    assert spoilt >= 1000
    for record in records.values():
        if record.status == "resolved":
            assert record.cot is not None
            assert record.expression is not None
            assert_acceptable(record.cot.text, record.expression)
    assert Counter(record.status for record in records.values())["resolved"] < 45  # "invented" may be true


def assert_acceptable(text: str, label: Expression) -> None:
    """The promises of the format, checked by other means than the engine's own."""
    for heading in ("Key Observations", "Overall Emotional Interpretation", "Conclusion"):
        assert text.count(f"**{heading}:**") == 1
    assert len(re.sub(r"[*:.,;]", " ", text).split()) <= 130
    assert not re.search(r"\d", text)
    assert label.value in text.split("**Conclusion:**")[1].lower()
    assert {character for character in text if not character.isprintable()} == {"\n"}


def test_no_bad_label_or_verdict_is_accepted(tmp_path: Path) -> None:
    samples = list(open_dataset(str(write_reference(tmp_path / "reference.jsonl", 120))))

    def confused(messages: Sequence[Message]) -> str:
        last, turn = messages[-1].content, sum(len(m.content) for m in messages)
        if "only be one of" in last or "not one of the allowed" in last:
            return BAD_LABELS[turn % len(BAD_LABELS)]
        return honestly(messages)

    writer, _ = llm(confused)
    records = work(tmp_path, writer, samples)
    assert {record.status for record in records.values()} == {"invalid"}

    def mumbling(messages: Sequence[Message]) -> str:
        if "Determine whether" in messages[-1].content:
            return BAD_VERDICTS[sum(len(m.content) for m in messages) % len(BAD_VERDICTS)]
        return honestly(messages)

    (tmp_path / "second").mkdir()
    writer, _ = llm(mumbling)
    records = work(tmp_path / "second", writer, samples)
    assert {record.status for record in records.values()} == {"unresolved"}
