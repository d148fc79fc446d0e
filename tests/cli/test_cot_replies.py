"""`expllm cot make` at servers as they are: what concerns all stops the run, all else one sample."""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from calling import Result, call
from chatserver import Canned, ChatServer
from replies import AGAIN, ANSWER, CASES, FILTERED, Case, canned

from expllm.chat import OpenAIChat
from expllm.chat.retries import Backoff
from expllm.core.vocabulary import AUVector
from expllm.cot import engine_setup
from expllm.cot.case import positive_text
from expllm.cot.journal import JournalReader, SampleOutcome
from expllm.cot.ledger import Ledger
from expllm.files.runs import RunFolder

sys.path.append(str(Path(__file__).parent.parent / "cot"))
import honest
from running import KEY_ENV, served, write_reference

SHARED = Path(__file__).parents[3] / "shared" / "cases" / "replies.json"
ODD = canned({"error": {"message": "Request 17 is odd", "type": "invalid_request_error"}}, 400)
"""A refusal in words that no dialect knows."""
FIREWALL = canned("<html><title>403 Forbidden</title></html>", 403, "text/html")


def named(*names: str) -> list[Case]:
    """Some of the replies; `tests/chat/test_replies.py` sends them all."""
    by_name = {case.name: case for case in CASES}
    return [by_name[name] for name in names]


def shared(*names: str) -> list[Case]:
    if not SHARED.is_file():
        return []
    rows = [row for row in json.loads(SHARED.read_text("utf-8")) if row["name"] in names]
    return [
        Case(f"shared {r['name']}", Canned(r["body"].encode(), r["status"], r["content_type"])) for r in rows
    ]


SAMPLE_S_OWN = [
    *named("azure-prompt", "openrouter-403", "openrouter-upstream", "xai", "finish-SAFETY-no-message"),
    *named("context-vllm", "context-gemini", "context-llama.cpp-500", "context-413", "context-with-limit"),
    *named("length-null", "length-unclosed"),
    *named("moderation-403", "safety-policy-403"),
    Case("unknown words", ODD, "http-400", ("Request 17 is odd",)),
    Case("a firewall", FIREWALL, "http-403", ("403 Forbidden",)),
    *shared("flagged-403", "context-llama.cpp", "filtered-no-message", "empty-by-length"),
]
EVERYBODY_S = [
    *named("credit-anthropic", "credit-xai", "credit-minimax", "key-gemini", "key-page", "model-403"),
    *named("model-ollama", "path-lm-studio", "images-llama.cpp"),
    *shared("no-credit-in-200", "error-list", "no-temperature"),
]


def make(data: Path, run: Path, server: ChatServer, *more: str) -> Result:
    """`expllm cot make` as a shell calls it."""
    address = ("--base-url", server.url, "--key-env", KEY_ENV, "--concurrency", "4", "--quiet")
    return call("cot", "make", data, "-o", run, "--model", "honest", *address, *more)


def question_of(data: Path, number: int) -> str:
    """What only the prompts about one sample hold."""
    row = json.loads(data.read_text().splitlines()[number])
    return positive_text(AUVector.from_positive({name.lower(): value for name, value in row["aus"].items()}))


def about(question: str, reply: Canned) -> Any:
    """Replies this to questions about one sample; all others are answered."""
    return lambda payload: reply if question in payload["messages"][0]["content"] else None


def outcomes(run: Path) -> dict[str, SampleOutcome]:
    with closing(JournalReader(RunFolder(run).journal)) as reader:
        return {outcome.sample: outcome for outcome in reader.outcomes()}


@pytest.mark.parametrize("case", SAMPLE_S_OWN, ids=lambda case: case.name)
def test_one_sample_s_trouble_ends_that_sample_now_and_after_every_restart(
    tmp_path: Path, case: Case
) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", 4, fitting=True), tmp_path / "run"
    limit = ("--max-new-tokens", str(case.options["max_tokens"])) if "max_tokens" in case.options else ()
    with served(honest.of_payload, canned=about(question_of(data, 0), case.reply)) as server:
        first = make(data, run, server, *limit)
        sent = len(server.seen)
        again = make(data, run, server, *limit)
        assert len(server.seen) == sent
    assert first.code == again.code != 1, first.err
    ended = outcomes(run)
    assert [one.status for one in ended.values()] == ["unresolved", "resolved", "resolved", "resolved"]
    reason = ended["f00000.jpg"].reason or ""
    assert reason.startswith("filtered: ") == (
        case.expect == FILTERED or "filtered" in case.name or "flagged" in case.name
    )
    assert all(word in reason for word in case.words if case.expect != ANSWER)
    assert "\n" not in reason
    assert all(word in first.err for word in case.words if case.expect != ANSWER)
    ledger = Ledger.of(RunFolder(run))
    assert sum(ledger.reasons["unresolved"].values()) == 1
    assert ledger.refusals == (1 if reason.startswith("filtered") else 0)


def test_a_run_that_was_killed_behind_the_failed_call_ends_the_sample_alike(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", 3, fitting=True), tmp_path / "run"
    for reply in (
        canned({"error": "prompt is too long: 9 > 8"}, 400),
        canned({"error": "it was flagged"}, 403),
    ):
        folder = run / str(reply.status)
        with served(honest.of_payload, canned=about(question_of(data, 1), reply)) as server:
            make(data, folder, server)
            before = outcomes(folder)
            with closing(sqlite3.connect(RunFolder(folder).journal)) as journal, journal:
                journal.execute("DELETE FROM outcomes")
            sent = len(server.seen)
            make(data, folder, server)
            assert len(server.seen) == sent
        assert outcomes(folder) == before
        assert before["f00001.jpg"].status == "unresolved"


def test_a_failed_sample_is_tried_again_with_more_tokens(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", 2, fitting=True), tmp_path / "run"
    thinking = next(case.reply for case in CASES if case.name == "length-null")

    def reply(payload: dict[str, Any]) -> Canned | None:
        return thinking if payload["max_tokens"] < 900 else None

    with served(honest.of_payload, canned=reply) as server:
        make(data, run, server, "--max-new-tokens", "64")
        assert {one.status for one in outcomes(run).values()} == {"unresolved"}
        shown = call("cot", "show", run).out
        assert "raise --max-new-tokens" in " ".join(shown.split())
        make(data, run, server, "--max-new-tokens", "900", "--retry-failed")
    assert {one.status for one in outcomes(run).values()} == {"resolved"}


@pytest.mark.parametrize("case", EVERYBODY_S, ids=lambda case: case.name)
def test_what_concerns_all_stops_the_run_at_once_in_the_server_s_words(tmp_path: Path, case: Case) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", 12, fitting=True), tmp_path / "run"
    with served(honest.of_payload, canned=lambda payload: case.reply) as server:
        stopped = make(data, run, server)
        assert stopped.code == 1
        (line,) = stopped.complaints
        assert all(word in line for word in case.words if case.expect != ANSWER)
        assert len(server.seen) <= 6  # as many as are at work at once
        assert outcomes(run) == {}
        server.canned = lambda payload: None
        assert make(data, run, server).code == 0
    assert {one.status for one in outcomes(run).values()} == {"resolved"}


def test_unknown_words_for_every_request_stop_the_run(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", 12, fitting=True), tmp_path / "run"
    with served(honest.of_payload, canned=lambda payload: ODD) as server:
        stopped = make(data, run, server)
    assert stopped.code == 1
    assert "Request 17 is odd" in stopped.err
    assert outcomes(run) == {}


def test_a_temperature_that_is_refused_can_be_left_out(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", 3, fitting=True), tmp_path / "run"
    refusal = next(case.reply for case in CASES if case.name == "temperature")
    with served(honest.of_payload, canned=lambda p: refusal if "temperature" in p else None) as server:
        stopped = make(data, run, server)
        assert stopped.code == 1
        assert "leave it out with --temperature none" in stopped.err
        assert make(data, run, server, "--temperature", "none").code == 0
    assert json.loads((run / "run.json").read_text())["temperature"] is None


@pytest.mark.parametrize("given", ["warm", "2.1", "nan", "-1"])
def test_a_temperature_that_is_none_is_refused(tmp_path: Path, given: str) -> None:
    data = write_reference(tmp_path / "reference.jsonl", 1)
    refused = call("cot", "make", data, "-o", tmp_path / "run", "--temperature", given)
    assert refused.code == 2
    assert "none" in refused.err


def test_a_token_limit_reaches_the_server_under_the_name_that_it_takes(tmp_path: Path) -> None:
    data, run = write_reference(tmp_path / "reference.jsonl", 2, fitting=True), tmp_path / "run"
    said = "Unsupported parameter: 'max_tokens' is not known. Use 'max_completion_tokens' instead."
    refusal = canned(
        {"error": {"message": said, "param": "max_tokens", "code": "unsupported_parameter"}}, 400
    )
    with served(honest.of_payload, canned=lambda p: refusal if "max_tokens" in p else None) as server:
        assert make(data, run, server, "--max-new-tokens", "700").code == 0
        sent = [json.loads(seen.body or b"") for seen in server.seen]
    assert 1 <= sum("max_tokens" in one for one in sent) <= 4  # those that were under way
    assert {one["max_completion_tokens"] for one in sent if "max_tokens" not in one} == {700}


@pytest.mark.parametrize(
    "case",
    named("error-in-200", "error-in-stream", "empty-body", "reasoning-only", "page-502"),
    ids=lambda case: case.name,
)
def test_what_does_not_pass_ends_one_sample_after_all_attempts(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chat(asked: engine_setup.CotMakeOptions) -> OpenAIChat:
        quick = Backoff(base=0.005, cap=0.02)
        return OpenAIChat(
            asked.model, base_url=asked.base_url, api_key_env=asked.key_env, max_attempts=3, backoff=quick
        )

    monkeypatch.setattr(engine_setup, "_chat", chat)
    data, run = write_reference(tmp_path / "reference.jsonl", 3, fitting=True), tmp_path / "run"
    question = question_of(data, 0)
    with served(honest.of_payload, canned=about(question, case.reply)) as server:
        made = make(data, run, server)
        sent = [json.loads(seen.body or b"")["messages"][0]["content"] for seen in server.seen]
    assert made.code != 1
    assert sum(question in one for one in sent) == 3
    ended = outcomes(run)
    assert [one.status for one in ended.values()] == ["unresolved", "resolved", "resolved"]
    reason = ended["f00000.jpg"].reason or ""
    assert reason.startswith(f"call failed: {case.expect.removesuffix(AGAIN)}")
    assert all(word in reason for word in case.words)
