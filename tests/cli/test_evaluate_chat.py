"""`expllm eval` with a chat model in the place of a trained one."""

import json
from pathlib import Path

import pytest
from calling import call
from conftest import ASTRONAUT
from replies import CASES
from serving import served


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    rows = "\n".join(f"{name},{ASTRONAUT},{label}" for name, label in (("a", "happiness"), ("b", "fear")))
    (tmp_path / "faces.csv").write_text(f"id,image,label\n{rows}\n")
    return tmp_path / "faces.csv"


def test_an_evaluation_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "\n".join(f"{name},{ASTRONAUT},{label}" for name, label in (("a", "happiness"), ("b", "fear")))
    (tmp_path / "faces.csv").write_text(f"id,image,label\n{rows}\n")
    with served(lambda _: "happiness") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        out = ("-o", tmp_path / "run")
        shown = call("eval", "accuracy", "chat:m", tmp_path / "faces.csv", *out, "--quiet")
    assert shown.code == 0, shown.err
    assert "50" in shown.out
    assert call("eval", "rescore", tmp_path / "run").out == shown.out


@pytest.mark.parametrize("name", ["openrouter-403", "context-gemini", "length-null"])
def test_a_face_s_own_trouble_is_its_answer_s_reason(faces: Path, tmp_path: Path, name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    replies = [case.reply, None]
    run = ("eval", "accuracy", "chat:m", faces, "-o", tmp_path / "run", "--quiet")
    with served(lambda _: "happiness", canned=lambda payload: replies.pop(0)) as server:
        asked = (*run, "--base-url", server.url, "--max-new-tokens", "5", "--temperature", "0.5")
        first = call(*asked)
        again = call(*asked)
        sent = [json.loads(seen.body or b"") for seen in server.seen]
    assert first.code == again.code != 1, first.err
    assert len(sent) == 2
    assert {(one["max_tokens"], one["temperature"]) for one in sent} == {(5, 0.5)}
    rows = [json.loads(line) for line in (tmp_path / "run" / "answers.jsonl").read_text().splitlines()]
    (row,) = [row for row in rows if row["status"] == "no_label"]
    assert all(word in row["reason"] for word in case.words)
    assert all(word in first.err for word in case.words)


@pytest.mark.parametrize("name", ["credit-xai", "key-401", "model-404", "temperature"])
def test_what_concerns_every_face_stops_the_evaluation(faces: Path, tmp_path: Path, name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    with served(lambda _: "happiness", canned=lambda payload: case.reply) as server:
        shown = call(
            "eval", "accuracy", "chat:m", faces, "-o", tmp_path / "run", "--quiet", "--base-url", server.url
        )
    assert shown.code == 1
    (line,) = shown.complaints
    assert all(word in line for word in case.words)
    assert len(server.seen) <= 2


def test_options_of_an_endpoint_are_for_chat_models(faces: Path, tmp_path: Path) -> None:
    shown = call("eval", "accuracy", "offline", faces, "-o", tmp_path / "run", "--max-new-tokens", "5")
    assert shown.code == 2
    assert "is not a chat model" in shown.err
