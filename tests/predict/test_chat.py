"""A chat model as predictor, at a real endpoint on loopback: its labels, its texts, and its silence."""

import asyncio
import base64
import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from chatserver import REFUSAL, Fault
from conftest import ASTRONAUT
from PIL import Image
from serving import served
from waiting import HANG_S

from expllm import Predictor
from expllm.chat import ChatError, KeyRejected
from expllm.core.errors import UsageError
from expllm.core.records import CoT, FaceAnalysis
from expllm.core.vocabulary import Expression
from expllm.predict import ChatOptions, FaceInput, open_explainer

pytestmark = pytest.mark.usefixtures("impatient")
TEXT = (
    "**Key Observations:** Both lip corners are strongly pulled up. The brows are strongly lowered.\n\n"
    "**Overall Emotional Interpretation:** The smile speaks for joy.\n\n"
    "**Conclusion:** The face shows {}."
)


def analyzed(answer: str, fault: Fault | None = None, **options: Any) -> tuple[FaceAnalysis, list[Any]]:
    """The bundled face, and the requests that were sent."""
    faults = {} if fault is None else dict.fromkeys(range(50), fault)
    with served(lambda _: answer, faults=faults) as server:
        chat = ChatOptions(base_url=server.url, key_env="EXPLLM_TEST_KEY", timeout=HANG_S)
        with Predictor.load("chat:vision-1", chat=chat, **options) as predictor:
            (face,) = predictor.analyze(ASTRONAUT)
        return face, [json.loads(seen.body or b"") for seen in server.seen]


def test_the_face_is_sent_and_the_reply_is_parsed_and_audited() -> None:
    face, (request,) = analyzed(TEXT.format("happiness"))
    picture, question = request["messages"][0]["content"]
    data = base64.b64decode(picture["image_url"]["url"].partition(",")[2])
    assert face.box is not None
    assert Image.open(io.BytesIO(data)).width == pytest.approx(1.2 * face.box.height, abs=2)
    assert all(word in question["text"] for word in (*CoT.HEADINGS, "contempt"))
    assert (face.expression, face.probabilities) == (Expression.HAPPINESS, None)
    assert face.cot is not None
    assert face.cot.conclusion == "The face shows happiness."
    assert face.explanation is not None
    assert (face.explanation.problem, face.explanation.agree) == (None, None)
    assert face.explanation.grounding is not None
    assert face.explanation.grounding.precision == pytest.approx(2 / 3)
    assert any("brow" in problem for problem in face.explanation.grounding.problems)
    assert face.provenance is not None
    assert (face.provenance.writer, face.provenance.classifier) == ("chat:vision-1", "chat:vision-1")


def test_a_label_alone() -> None:
    face, (request,) = analyzed("Happiness.", labels=7, write=False)
    assert (face.expression, face.explanation) == (Expression.HAPPINESS, None)
    assert "contempt" not in request["messages"][0]["content"][1]["text"]


@pytest.mark.parametrize(
    ("answer", "label", "problem"),
    [
        ("It is happiness.", Expression.HAPPINESS, "must have the headings"),
        (TEXT.format("a person"), None, "names no expression"),
        (TEXT.format("contempt"), None, "is contempt, which is not among"),
        (REFUSAL, None, "declined"),
    ],
)
def test_what_cannot_be_read_is_said_and_kept(answer: str, label: Expression | None, problem: str) -> None:
    face, _ = analyzed(answer, labels=7)
    assert face.expression is label
    assert face.explanation is not None
    assert problem in (face.explanation.problem or "")
    assert face.explanation.text == answer


def test_no_answer_is_said_for_the_face() -> None:
    face, _ = analyzed("", Fault.TOO_LONG_PROMPT)
    assert face.expression is None
    assert face.explanation is not None
    assert face.explanation.text is None
    assert "context-length" in (face.explanation.problem or "")


def test_what_nobody_can_answer_ends_the_run() -> None:
    with pytest.raises(KeyRejected, match="does not accept"):
        analyzed("", Fault.KEY)
    with pytest.raises(ChatError, match="request wrong"):
        analyzed("", Fault.BAD_REQUEST)


def test_it_works_beside_a_loop_that_runs() -> None:
    async def notebook() -> FaceAnalysis:
        return analyzed("fear", write=False)[0]

    assert asyncio.run(notebook()).expression is Expression.FEAR


def test_options_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="needs the name"):
        open_explainer("chat:")
    with pytest.raises(UsageError, match="needs a price"):
        open_explainer("chat:nobody", chat=ChatOptions(base_url="http://localhost:1/v1", budget=1.0))
    with pytest.raises(UsageError, match="offline is not a chat model"):
        open_explainer(chat=ChatOptions())
    with pytest.raises(UsageError, match="needs probabilities"):
        Predictor.load("chat:any", chat=ChatOptions(base_url="http://localhost:1/v1"), abstain=0.5)


def test_nothing_is_asked_when_the_budget_is_spent(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(
        json.dumps({"models": {"vision-1": {"input": 100_000, "output": 500_000}}})
    )
    with served(lambda _: "fear") as server:
        chat = ChatOptions(base_url=server.url, budget=1.0, prices=tmp_path / "prices.json")
        with closing(open_explainer("chat:vision-1", chat=chat)) as asked:
            face = FaceInput(Image.new("RGB", (8, 8)), None)
            (first,), (second,) = (asked.explain([face], write=False) for _ in range(2))
            assert asked.spent > 1
        assert len(server.seen) == 1
    assert first.expression is Expression.FEAR
    assert second.explanation is not None
    assert second.explanation.problem == "not asked: the budget is spent"


def rewritten(
    *others: str, observed: str | None = None, audited: bool = True
) -> tuple[FaceAnalysis, list[Any]]:
    """The same, by a model that says `others` in turn where it is asked for a refuted sentence."""
    text = TEXT.format("happiness")
    if observed is not None:
        text = text.replace(
            "Both lip corners are strongly pulled up. The brows are strongly lowered.", observed
        )

    def answer(asked: dict[str, Any]) -> str:
        turns = len(asked["messages"])
        return text if turns == 1 else others[min((turns - 3) // 2, len(others) - 1)]

    with served(answer) as server:
        chat = ChatOptions(base_url=server.url, key_env="EXPLLM_TEST_KEY", timeout=HANG_S)
        with Predictor.load("chat:vision-1", chat=chat, audited=audited) as predictor:
            (face,) = predictor.analyze(ASTRONAUT)
        assert face.explanation is not None
        assert face.explanation.grounding is not None
        assert (face.explanation.grounding.precision == 1) is audited
        assert face.explanation.agree is None
        return face, [json.loads(seen.body or b"") for seen in server.seen]


def test_a_refuted_sentence_is_asked_for_again() -> None:
    face, requests = rewritten("The corners of the mouth are raised.")
    assert [len(request["messages"]) for request in requests] == [1, 3]
    assert "The brows are strongly lowered." in requests[1]["messages"][2]["content"]
    assert face.cot is not None
    assert face.cot.key_observations.endswith("pulled up. The corners of the mouth are raised.")
    assert face.explanation is not None
    (one,) = face.explanation.rejected or ()
    assert (one.sentence, one.sample) == ("The brows are strongly lowered.", 1)
    assert (face.explanation.text or "")[one.start :].startswith(one.replacement or "-")
    assert face.explanation.first_text == TEXT.format("happiness")
    assert FaceAnalysis.from_json(face.to_json()).explanation == face.explanation


def test_it_is_asked_up_to_four_times_each_time_with_what_was_wrong_with_the_last() -> None:
    face, requests = rewritten(
        "Both brows are strongly lowered.", "The face shows fear.", "The corners of the mouth are raised."
    )
    assert [len(request["messages"]) for request in requests] == [1, 3, 5, 7]
    second, third = (requests[-1]["messages"][place]["content"] for place in (4, 6))
    assert "Both brows are strongly lowered" in second
    assert "one new sentence" in third
    assert requests[-1]["messages"][3]["content"] == "Both brows are strongly lowered."
    assert face.explanation is not None
    (one,) = face.explanation.rejected or ()
    assert (one.sample, one.replacement) == (3, "The corners of the mouth are raised.")
    assert face.explanation.first_text == TEXT.format("happiness")


def test_as_written_keeps_what_is_refuted() -> None:
    face, requests = rewritten("The corners of the mouth are raised.", audited=False)
    assert len(requests) == 1
    assert face.explanation is not None
    assert (face.explanation.text, face.explanation.rejected) == (TEXT.format("happiness"), None)


@pytest.mark.parametrize("other", [
    "The brows are strongly lowered.", "", "The face shows fear.", "**Conclusion:** Joy.", "Joy. Bliss.",
    "No.", "I cannot help with that.",
])  # fmt: skip
def test_a_sentence_without_a_better_one_is_left_out(other: str) -> None:
    face, requests = rewritten(other)
    if other:  # no answer at all is not asked for again
        assert len(requests) == 1 + 4
    assert face.cot is not None
    assert face.cot.key_observations == "Both lip corners are strongly pulled up."
    assert face.explanation is not None
    (one,) = face.explanation.rejected or ()
    assert (one.replacement, one.sample) == (None, None)
    assert face.explanation.first_text == TEXT.format("happiness")


def test_a_part_without_a_sentence_gets_one_by_rules() -> None:
    face, requests = rewritten("No.", observed="The brows are strongly lowered. " * 9)
    assert len(requests) == 1 + 12  # three sentences are asked for again, four times each, and no more
    assert face.cot is not None
    assert face.cot.key_observations
    assert face.explanation is not None
    found = face.explanation.rejected or ()
    assert [one.replacement is None for one in found] == [True] * 8 + [False]
    assert {one.sample for one in found} == {None}
