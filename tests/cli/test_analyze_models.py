"""`expllm analyze --model`: a trained model and a chat model through every output."""

import csv
import io
import json
from pathlib import Path

import pytest
from calling import call, faceless
from chatserver import Fault
from conftest import ASTRONAUT
from explanations import UNREADABLE
from randommodels import run_with_model
from replies import CASES
from serving import served

from expllm.core.vocabulary import Expression

TEXT = (
    "**Key Observations:** Both lip corners are strongly pulled up.\n\n"
    "**Overall Emotional Interpretation:** The smile speaks for joy.\n\n"
    "**Conclusion:** The face shows happiness."
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_with_model(tmp_path_factory.mktemp("runs") / "mine")


def test_text_says_what_is_wrong_with_the_text(run: Path) -> None:
    shown = call("analyze", ASTRONAUT, "--model", run)
    assert (shown.code, shown.err) == (0, "")
    words = " ".join(shown.out.replace("│", " ").split())
    assert "Format problem:" in words
    assert "but the text concludes with no one expression" in words
    assert "Active action units mentioned" in words
    assert f"writer: {run / 'model'} (sha256" in "".join(words.split("\n"))


def test_labels_without_text_and_below_a_probability(run: Path) -> None:
    shown = call("analyze", ASTRONAUT, "--model", run, "--no-explain", "--abstain", "1", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(shown.out))
    assert (shown.code, row["expression"], row["uncertain"], row["writer"]) == (0, "", "1", "none")
    assert "Uncertain: the most probable expression" in row["warnings"]
    assert "uncertain" in call("analyze", ASTRONAUT, "--model", run, "--no-explain", "--abstain", "1").out
    offline = call("analyze", ASTRONAUT, "--no-explain", "--abstain", "0.5", "--format", "jsonl").analyses[0]
    assert (offline.expression, offline.uncertain, offline.cot) == (Expression.HAPPINESS, False, None)


def test_many_pictures_in_batches_come_in_order(run: Path, tmp_path: Path) -> None:
    """More than a batch, with pictures that fail or show nothing between."""
    names = []
    for number in range(12):
        names.append(tmp_path / f"{number:02}.jpg")
        data = {3: b"no", 5: faceless()}.get(number, ASTRONAUT.read_bytes())
        names[-1].write_bytes(data)
    shown = call(
        "analyze", *names, "--model", run, "--no-explain", "--format", "jsonl", "--workers", "2", "-q"
    )
    assert shown.code == 3
    assert [one.input for one in shown.analyses] == [str(name) for name in names]
    labels = {one.expression for one in shown.analyses if one.status == "ok"}
    assert len(labels) == 1
    assert [one.status for one in shown.analyses].count("ok") == 10


def test_a_page_shows_a_malformed_text_word_for_word(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert call("analyze", ASTRONAUT, "--model", run, "-o", page, "--overlay", tmp_path / "drawn").code == 0
    html = page.read_text()
    assert '<p class="checks wrong">Format problem:' in html
    assert (tmp_path / "drawn" / "astronaut.png").exists()


def test_a_chat_model_is_asked_and_its_answers_are_kept(tmp_path: Path) -> None:
    with served(lambda _: TEXT) as server:
        asked = ("analyze", ASTRONAUT, "--model", "chat:vision-1", "--base-url", server.url)
        more = ("--key-env", "EXPLLM_TEST_KEY", "--cache", tmp_path / "kept", "--format", "json")
        results = [call(*asked, *more) for _ in range(2)]
        assert len(server.seen) == 1
    (face,) = json.loads(results[0].out)
    assert results[0] == results[1]
    assert (face["expression"], face["probabilities"]) == ("happiness", None)
    assert face["explanation"]["grounding"]["precision"] == 1.0


def test_a_sentence_that_the_audit_cannot_read_is_shown_on_the_page_and_in_the_json(tmp_path: Path) -> None:
    unread = UNREADABLE.removesuffix(".")
    with served(lambda _: TEXT.replace("pulled up.", f"pulled up. {UNREADABLE}")) as server:
        asked = ("analyze", ASTRONAUT, "--model", "chat:m", "--base-url", server.url)
        assert call(*asked, "-o", tmp_path / "page.html").code == 0
        (face,) = call(*asked, "--format", "jsonl").analyses
    page = (tmp_path / "page.html").read_text()
    assert (
        f'<mark class="unread" title="not read: nothing in this sentence was checked">{unread}</mark>' in page
    )
    assert face.explanation is not None
    grounding = face.explanation.grounding
    assert grounding is not None
    (passage,) = grounding.unread
    assert (passage.text, passage.part) == (unread, "key_observations")
    assert (face.explanation.text or "")[passage.start : passage.end] == unread


def test_what_was_rejected_is_in_the_json_and_headings_stay() -> None:
    refuted = "The brows are strongly lowered."
    written = TEXT.replace("pulled up.", f"pulled up. {refuted}")
    with served(lambda asked: written if len(asked["messages"]) == 1 else refuted) as server:
        asked = ("analyze", ASTRONAUT, "--model", "chat:m", "--base-url", server.url, "--json")
        (audited,), (kept,) = (json.loads(call(*asked, how).out) for how in ("--audited", "--as-written"))
        assert len(server.seen) == (1 + 4) + 1
    assert audited["explanation"]["text"] == TEXT
    (one,) = audited["explanation"]["rejected"]
    assert (one["sentence"], one["replacement"]) == (refuted, None)
    assert "measured 0.0" in one["reason"]
    assert (kept["explanation"]["text"], kept["explanation"]["rejected"]) == (written, None)


def test_silence_of_a_chat_model_is_a_failed_input(tmp_path: Path) -> None:
    other = tmp_path / "other.jpg"
    other.write_bytes(ASTRONAUT.read_bytes() + b"\0")
    with served(lambda _: TEXT, faults={0: Fault.TOO_LONG_PROMPT}) as server:
        shown = call(
            "analyze", ASTRONAUT, other, "--model", "chat:m", "--base-url", server.url, "--format", "jsonl"
        )
    assert shown.code == 3
    assert len(shown.analyses) == 2
    (line,) = shown.complaints
    assert "face 0: no answer" in line


@pytest.mark.parametrize(
    ("name", "code", "requests", "words"),
    [
        ("openrouter-403", 3, 2, "a filter at the server declined to answer: The input was flagged"),
        ("context-vllm", 3, 2, "maximum context length is 4096 tokens"),
        ("length-null", 3, 2, "used up its 23 tokens thinking, before it answered: raise --max-new-tokens"),
        ("temperature", 1, 1, "leave it out with --temperature none"),
        ("credit-anthropic", 1, 1, "credit balance is too low"),
        ("key-gemini", 1, 1, "API key not valid"),
        ("model-ollama", 1, 1, "try pulling it first"),
        ("images-llama.cpp", 1, 1, "choose a model that does"),
    ],
)
def test_replies_of_servers_as_they_are(
    tmp_path: Path, name: str, code: int, requests: int, words: str
) -> None:
    """What is one face's own ends that face; what concerns all ends the command."""
    other = tmp_path / "other.jpg"
    other.write_bytes(ASTRONAUT.read_bytes() + b"\0")
    replies = [next(case.reply for case in CASES if case.name == name), None]
    with served(lambda _: TEXT, canned=lambda payload: replies.pop(0)) as server:
        shown = call(
            "analyze", ASTRONAUT, other, "--model", "chat:m", "--base-url", server.url, "--workers", "1",
            "--timeout", "20", "--format", "jsonl", "--max-new-tokens", "77", "--temperature", "none",
        )  # fmt: skip
        sent = [json.loads(seen.body or b"") for seen in server.seen]
    assert shown.code == code, shown.err
    (line,) = shown.complaints
    assert words in line
    assert len(sent) in (requests, 2)  # both faces may be asked about at once
    assert all(one["max_tokens"] == 77 and "temperature" not in one for one in sent)


def test_what_cannot_be_asked(run: Path, tmp_path: Path) -> None:
    table = tmp_path / "aus.csv"
    table.write_text(call("aus", ASTRONAUT, "--format", "csv").out)
    for code, line, arguments in (
        (1, "shows no face to", (table, "--model", run)),
        (2, "label set of its own", (ASTRONAUT, "--model", run, "--labels", "7")),
        (2, "is not a chat model", (ASTRONAUT, "--model", run, "--cache", tmp_path / "kept")),
        (2, "there is no model 'nowhere'", (ASTRONAUT, "--model", "nowhere")),
        (2, "less than or equal to 1", (ASTRONAUT, "--abstain", "2")),
        (2, "--budget is -1", (ASTRONAUT, "--model", "chat:m", "--budget", "-1")),
        (1, "cannot reach", (ASTRONAUT, "--model", "chat:m", "--base-url", "http://127.0.0.1:9/v1")),
    ):
        shown = call("analyze", *arguments)
        assert (shown.code, len(shown.complaints)) == (code, 1), shown.err
        assert line in shown.err


def test_damaged_weights(run: Path) -> None:
    file = run / "model" / "projector.safetensors"
    whole = file.read_bytes()
    try:
        for data in (whole[:-9], whole[:-1] + bytes([whole[-1] ^ 1])):
            file.write_bytes(data)
            shown = call("analyze", ASTRONAUT, "--model", run)
            assert (shown.code, shown.out) == (5, "")
            assert "copy the whole folder again" in shown.complaints[0]
    finally:
        file.write_bytes(whole)
