"""Chat models in an evaluation: labels without made-up probabilities, and every silence with its reason."""

from pathlib import Path

import pytest
from conftest import ASTRONAUT
from serving import served

from expllm.core.vocabulary import Expression, label_set
from expllm.data import ImageRef, Sample
from expllm.evals.adapter import GenerationOptions, open_adapter
from expllm.evals.references import EngineReferences
from expllm.predict import ChatOptions

SEVEN = label_set(7)


@pytest.fixture
def faces(tmp_path: Path) -> list[Sample]:
    (tmp_path / "text.jpg").write_text("no")
    names = [ASTRONAUT, tmp_path / "text.jpg"]
    return [Sample(id=one.stem, expression=SEVEN[1], image=ImageRef(path=str(one))) for one in names]


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_labels_only_and_no_probabilities(faces: list[Sample]) -> None:
    answers = iter(["Happiness", "I see contempt."])
    with served(lambda _: next(answers)) as server:
        options = ChatOptions(base_url=server.url, concurrency=1)
        with open_adapter("chat:m", SEVEN, chat=options) as asked:
            first, unreadable = asked.answer(faces)
            (second,) = asked.answer(faces[:1])
            identity = asked.identity
    assert (first.label, first.log_probabilities, first.text) == (Expression.HAPPINESS, None, None)
    assert unreadable.status == "unreadable"
    assert (second.status, second.label, second.text) == ("no_label", None, "I see contempt.")
    assert "not among" in (second.reason or "")
    assert (identity.name, identity.labels, identity.boxes) == ("chat:m", SEVEN, False)
    assert server.url not in repr(identity)


def test_explanations_are_kept_word_for_word(faces: list[Sample]) -> None:
    with (
        served(lambda _: "It is fear.") as server,
        open_adapter(
            "chat:m", SEVEN, boxes=True, chat=ChatOptions(base_url=server.url),
            generation=GenerationOptions(), references=EngineReferences(SEVEN),
        ) as asked,
    ):  # fmt: skip
        (answer,) = asked.answer(faces[:1])
    assert (answer.label, answer.text) == (Expression.FEAR, "It is fear.")
    assert "headings" in (answer.problem or "")
