"""`expllm cot`: the way of a run through its commands, and one line for everything that can be wrong."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from calling import call
from explanations import UNREADABLE
from waiting import HANG_S, wait_until

from expllm.data import open_dataset

REFERENCE = "reference.jsonl"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six faces with action units: smiles and frowns, one of them mislabelled."""
    rows = [
        {"id": f"face {number}.jpg", "expression": label, "aus": aus, "cot": text}
        for number, (label, aus, text) in enumerate(
            [
                ("Happiness", SMILE, GOOD),
                ("Happiness", SMILE, GOOD.replace("Both lip corners", "Both brows")),
                ("Anger", FROWN, GOOD),
                ("Fear", SMILE, GOOD),
                ("Sadness", FROWN, ""),
                ("Neutral", {"Jaw Drop": 0.11}, ""),
            ]
        )
    ]
    path = tmp_path / REFERENCE
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


SMILE = {"Left Lip Corner Pull": 0.7, "Right Lip Corner Pull": 0.72}
FROWN = {"Left Brow Lower": 0.5, "Right Brow Lower": 0.52}
GOOD = (
    "**Key Observations:** Both lip corners are strongly raised.\n\n"
    "**Overall Emotional Interpretation:** The raised lip corners suggest joy.\n\n"
    "**Conclusion:** The face shows happiness."
)


def make(data: Path, run: Path, *options: str) -> str:
    done = call("cot", "make", str(data), "-o", str(run), *options)
    assert done.code == 0, done.err
    return done.err


def test_a_run_from_make_to_export(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    make(data, run)
    status = json.loads(call("cot", "status", str(run), "--json").out)
    assert status["status"] == {"resolved": 6}
    assert "6" in call("cot", "status", str(run)).out
    shown = call("cot", "show", str(run), "face 3.jpg").out
    assert "Feedback Reflection" in shown
    assert "fear" in shown.lower()
    for to in ("messages", "hf", "jsonl", "released", "llava", "parquet"):
        done = call("cot", "export", str(run), "--to", to, "-o", str(tmp_path / f"out-{to}"))
        assert done.code == 0, done.err
    assert len((tmp_path / "out-messages").read_text().splitlines()) == 6
    again = list(open_dataset(str(tmp_path / "out-jsonl"), kind="reference"))
    assert [(s.id, s.expression, s.text is not None) for s in again] == [
        (s.id, s.expression, True) for s in open_dataset(str(data))
    ]


def test_the_same_command_again_changes_nothing(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    make(data, run, "--limit", "3")
    make(data, run)
    first = (run / "journal.sqlite").read_bytes()
    make(data, run)
    assert (run / "journal.sqlite").read_bytes() == first
    assert json.loads(call("cot", "status", str(run), "--json").out)["ended"] == 6


def test_audit_prints_each_claim_and_the_total(data: Path) -> None:
    done = call("cot", "audit", str(data))
    assert done.code == 0, done.err
    assert "contradicted" in done.out
    assert "4 texts" in done.out
    rows = [json.loads(line) for line in call("cot", "audit", str(data), "--json").out.splitlines()]
    assert [row["counts"]["contradicted"] > 0 for row in rows] == [False, True, True, False]


def test_estimate_asks_nothing_and_names_a_span(data: Path) -> None:
    done = call("cot", "estimate", str(data), "--model", "gpt-4o", "--json")
    assert done.code == 0, done.err
    estimate = json.loads(done.out)
    assert estimate["calls"][0] == 6 * 4
    assert estimate["calls"][1] == 6 * (3 * 5 + 1)
    assert 0 < estimate["usd"][0] < estimate["usd"][1]
    assert "the price of mine is unknown" in call("cot", "estimate", str(data), "--model", "mine").out


def test_pictures_without_labels_can_be_estimated(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("path\na.png\n")
    done = call("cot", "estimate", str(tmp_path / "t.csv"), "--json")
    assert (done.code, json.loads(done.out)["samples"]) == (0, 1)


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        (["--verify", "maybe"], 2, "'--verify': 'maybe' is not one of 'llm', 'rules', 'both'"),
        (["--budget", "0"], 2, "--budget is 0: give an amount in USD above 0"),
        (["--model", "mine", "--budget", "1", "--base-url", "http://127.0.0.1:9/v1"], 2, "needs a price"),
        (["--prompts", "nowhere"], 1, "holds no prompt"),
        (["--shards", "2"], 2, "--shards needs --ray"),
    ],
)
def test_options_that_make_no_sense(
    data: Path, tmp_path: Path, options: list[str], code: int, line: str
) -> None:
    done = call("cot", "make", str(data), "-o", str(tmp_path / "run"), *options)
    assert (done.code, done.out) == (code, "")
    assert line in done.err
    assert done.err.count("\n") == 1


def test_another_model_or_prompt_is_refused_for_a_run_with_answers(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    make(data, run, "--limit", "2")
    done = call("cot", "make", str(data), "-o", str(run), "--hint-after", "1")
    assert done.code == 1
    assert "begun with hint_after 2, not 1" in done.err
    make(data, run)


def test_a_run_of_another_version_and_none_at_all(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    make(data, run)
    settings = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**settings, "format": 99}))
    for command in (
        ["status", str(run)],
        ["make", str(data), "-o", str(run)],
        ["export", str(run), "--to", "hf"],
    ):
        done = call("cot", *command)
        assert done.code == 1
        assert "format 99" in done.err
    (run / "run.json").write_text(json.dumps(settings))
    make(data, run)
    assert "holds no run" in call("cot", "status", str(tmp_path / "empty")).err


def test_a_folder_that_cannot_be_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("cot", "make", str(data), "-o", str(tmp_path / "file" / "run"))
    assert done.code == 1
    assert "choose another folder" in done.err


@pytest.mark.slow
def test_ctrl_c_ends_cleanly_and_the_run_goes_on(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "cot"))
    import honest
    from running import served, write_reference

    data, run = write_reference(tmp_path / REFERENCE, 60), tmp_path / "run"
    with served(honest.of_payload, latency=0.02) as server:
        command = [
            sys.executable, "-m", "expllm", "cot", "make", str(data), "-o", str(run), "--model", "honest",
            "--base-url", server.url, "--concurrency", "4", "--key-env", "NO_SUCH_KEY",
        ]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: len(server.seen) >= 40 or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANG_S)
        assert process.returncode == 130, errors
        assert errors.strip().splitlines()[-1] == "expllm: interrupted"
        asked = len(server.seen)
        assert asked < 60 * 4
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        status = json.loads(call("cot", "status", str(run), "--json").out)
    assert status["ended"] == 60
    assert status["usage"]["calls"] == len(server.seen)


BOTH = """
import shlex, sys
from expllm.cli.main import run
for command in sys.argv[1:]:
    try:
        run(["cot", *shlex.split(command)])
    except SystemExit as left:
        assert not left.code
"""


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(data: Path, tmp_path: Path) -> None:
    """Sets of strings have another order in every process; nothing of it may reach a record."""
    exports = []
    for seed in ("1", "2"):
        run, target = tmp_path / f"run-{seed}", tmp_path / f"{seed}.jsonl"
        make_it = ["make", str(data), "-o", str(run)]
        export_it = ["export", str(run), "--to", "jsonl", "-o", str(target)]
        command = [sys.executable, "-c", BOTH, shlex.join(make_it), shlex.join(export_it)]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True)
        exports.append(target.read_bytes())
    assert exports[0] == exports[1]


def test_sentences_that_the_audit_could_not_read_are_named_and_counted(data: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    rows[0]["cot"] += f" {UNREADABLE}"
    texts = tmp_path / "unread.jsonl"
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = call("cot", "audit", str(texts))
    assert f"not read  “{UNREADABLE[:-1]}”" in done.out
    assert " sentences about the face (" in done.out
    before, after = (
        json.loads(call("cot", "audit", str(one), "--summary", "--json").out) for one in (data, texts)
    )
    assert [one["unread"] for one in (before, after)] == [0, 1]
    assert [one["unread_texts"] for one in (before, after)] == [0, 1]
    assert after["sentences"] == before["sentences"] + 1
    first = json.loads(call("cot", "audit", str(texts), rows[0]["id"], "--json").out)
    assert [one["text"] for one in first["unread"]] == [UNREADABLE[:-1]]
