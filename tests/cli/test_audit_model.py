"""`--audit-model`: a language model reads claims beside the rules, in `cot audit`, `eval cot`, reports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from calling import call
from chatserver import Fault
from explanations import UNREADABLE, fair, reference_file
from serving import served
from waiting import HANG_S


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Four faces with texts; the first has a sentence that the rules cannot read."""
    path = reference_file(tmp_path / "texts.jsonl", 4)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["cot"] = rows[0]["cot"].replace("\n\n", f" {UNREADABLE}\n\n", 1)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def reads(payload: dict[str, Any]) -> str:
    """Quotes the unreadable sentence, and words that stand in no text."""
    text = payload["messages"][-1]["content"]
    invented = {"quote": "the moustache bristles", "action": "other", "other": "moustache"}
    claims = [{"quote": UNREADABLE, "action": "brow raise", "side": "left"}] if UNREADABLE in text else []
    return json.dumps({"claims": [*claims, invented]})


def model(url: str, *more: str | Path) -> tuple[str | Path, ...]:
    return (
        "--audit-model", "chat:m", "--base-url", url, "--key-env", "EXPLLM_TEST_KEY", "-q", "--timeout",
        str(HANG_S), *more,
    )  # fmt: skip


def test_cot_audit_compares_the_two_readings(texts: Path, tmp_path: Path) -> None:
    with served(reads) as server:
        done = call("cot", "audit", texts, "--summary", *model(server.url, "-o", tmp_path / "read"))
        assert done.code == 0, done.err
        assert len(server.seen) == 4
        again = call("cot", "audit", texts, "--summary", *model(server.url, "-o", tmp_path / "read"))
        assert (again.out, len(server.seen)) == (done.out, 4)  # nothing is asked twice
    plain = " ".join(done.out.split())
    for words in ("claims, read by chat:m", "1 read by the model only", "read by neither: ",
                  "their words do not stand in the text: 4 claims of the model", "audit model: chat:m",
                  f'f000: "{UNREADABLE}": rules nothing; model brow raise, left: contradicted',
                  "cost: unknown"):  # fmt: skip
        assert words in plain, words


def test_the_json_has_every_disagreement(texts: Path, tmp_path: Path) -> None:
    with served(reads) as server:
        options = model(server.url, "-o", tmp_path / "read", "--json")
        whole = json.loads(call("cot", "audit", texts, "--summary", *options).out)
        lines = call("cot", "audit", texts, *options).out.splitlines()
    found = whole["audit_model"]
    assert found["unread"]["rules"] - found["unread"]["both"] == 1
    assert found["counts"]["read by the model only"] == 1
    assert len(found["disagreements"]) == sum(found["counts"].values())
    assert found["misquoted"] == 4
    assert len(lines) == 4 + 1  # a line a text, and what the model read
    assert json.loads(lines[-1])["audit_model"] == found


def test_what_the_model_does_not_answer_is_said_and_ends_with_three(texts: Path, tmp_path: Path) -> None:
    with served(reads, faults={0: Fault.FILTERED_PROMPT}) as server:
        done = call("cot", "audit", texts, "--summary", *model(server.url, "-o", tmp_path / "read"))
    assert done.code == 3
    assert "chat:m: 1 of 4 texts have no reading: a filter at the server declined" in done.err
    assert "1 of 4 texts not read by the model" in " ".join(done.out.split())


def test_an_evaluation_keeps_what_the_model_read(texts: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with served(reads) as server:
        done = call("eval", "cot", "offline", texts, "-o", run, *model(server.url))
        assert done.code == 0, done.err
        assert len(server.seen) == 4
    assert "claims, read by chat:m" in done.out
    again = call("eval", "rescore", run)
    assert (again.code, again.out) == (0, done.out)
    (found,) = json.loads((run / "scores.json").read_text())["audit_models"]
    assert (found["texts"], found["misquoted"], found["unscored"]) == (4, 4, {})
    page = tmp_path / "report.html"
    report = call("eval", "report", run, "-o", page, "--faces", "none")
    assert report.code == 0, report.err
    html = page.read_text()
    assert "Claims read by a language model, beside the rules" in html
    assert re.search(r"chat:m, f00\d: .*rules .*; model nothing", html)


def test_judge_and_audit_model_are_asked_at_the_same_endpoint(texts: Path, tmp_path: Path) -> None:
    def both(payload: dict[str, Any]) -> str:
        return (
            reads(payload) if "Read every statement" in payload["messages"][-1]["content"] else fair(payload)
        )

    with served(both) as server:
        judged = model(server.url, "-o", tmp_path / "run", "--judge", "chat:m", "--json")
        found = json.loads(call("eval", "cot", "offline", texts, *judged).out)
        assert len(server.seen) == 4 + 2 * 4
    assert (len(found["judges"]), len(found["audit_models"])) == (1, 1)
    assert found["judges"][0]["unscored"] == {}


@pytest.mark.parametrize("wrong", ["gpt-4o", "chat:", "offline"])
def test_a_model_that_is_none(texts: Path, wrong: str) -> None:
    for command in (("cot", "audit", texts), ("eval", "cot", "offline", texts)):
        done = call(*command, "--audit-model", wrong)
        assert done.code == 2
        assert done.err.strip().endswith(f"--audit-model is {wrong!r}: use none or chat:NAME")
