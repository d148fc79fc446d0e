"""The engine by batches: the same texts as asked directly; killed and resumed, nothing is asked twice."""

import multiprocessing
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import honest
import pytest
from batchserver import BatchServer
from chatserver import ChatServer
from forking import fork_server
from running import order, write_reference
from serving import running, served
from waiting import wait_until

from expllm.chat.batches import BatchTimes
from expllm.cli.cot_make import work
from expllm.core.errors import UsageError
from expllm.cot.engine_setup import CotMakeOptions
from expllm.cot.export import export
from expllm.files.runs import RunFolder

TIMES = BatchTimes(quiet=0.12, poll=0.02, longest=0.05, held=0.1)


def by_batches(data: Path, run: Path, url: str, **given: Any) -> CotMakeOptions:
    return replace(order(data, run, url, **given), batch_api=True, batch_times=TIMES)


def begin(data: Path, run: Path, url: str) -> None:
    """What a killed process does."""
    work(by_batches(data, run, url))


def exported(run: Path, out: Path) -> bytes:
    export(RunFolder(run), "jsonl", out, statuses=("resolved", "unresolved", "invalid"))
    return out.read_bytes()


def server_of(**given: Any) -> BatchServer:
    return BatchServer(honest.of_payload, **given)


def _has_moved(server: BatchServer, made: int, process: Any) -> bool:
    return len(server.batches) > made or not process.is_alive()


def custom_ids(server: BatchServer) -> list[str]:
    return [row["custom_id"] for batch in server.questions for row in batch]


def test_the_same_texts_as_asked_directly(tmp_path: Path) -> None:
    data = write_reference(tmp_path / "reference.jsonl", 60)
    with served(honest.of_payload) as server:
        work(order(data, tmp_path / "direct", server.url))
    with running(server_of()) as server:
        work(by_batches(data, tmp_path / "batched", server.url))
        # All samples take a step together: a batch for each step of the longest of them.
        assert len(server.questions[0]) == 60
        assert len(server.batches) <= 5 * 4 + 2
        ids = custom_ids(server)
        assert len(ids) == len(set(ids))
    assert exported(tmp_path / "direct", tmp_path / "a.jsonl") == exported(
        tmp_path / "batched", tmp_path / "b.jsonl"
    )


@pytest.mark.parametrize("kills", [pytest.param(12, marks=pytest.mark.slow)])
def test_killed_again_and_again_and_nothing_is_asked_twice(tmp_path: Path, kills: int) -> None:
    data = write_reference(tmp_path / "reference.jsonl", 40)
    with served(honest.of_payload) as direct:
        work(order(data, tmp_path / "direct", direct.url))
    processes: multiprocessing.context.ForkServerContext = fork_server(
        "expllm.cli.cot_make", "expllm.chat.endpoint", "test_engine_batches"
    )
    with running(server_of(looks=3)) as server:
        for number in range(kills):
            made = len(server.batches)
            process = processes.Process(target=begin, args=(data, tmp_path / "run", server.url))
            process.start()
            wait_until(partial(_has_moved, server, made, process))
            time.sleep(0.013 * (number % 7))
            process.kill()
            process.join()
        work(by_batches(data, tmp_path / "run", server.url))
        ids = custom_ids(server)
        assert len(ids) == len(set(ids))
    assert exported(tmp_path / "direct", tmp_path / "a.jsonl") == exported(
        tmp_path / "run", tmp_path / "b.jsonl"
    )


@pytest.mark.parametrize("given", [{"model": "rules"}, {"ray": "local", "shards": 2}])
def test_what_does_not_go_with_batches(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--batch-api does not go with"):
        by_batches(tmp_path / "x.jsonl", tmp_path / "run", "http://127.0.0.1:9/v1", **given)


def test_a_server_without_batches_is_one_line(tmp_path: Path) -> None:
    data = write_reference(tmp_path / "reference.jsonl", 2)
    with (
        running(ChatServer(honest.of_payload)) as server,
        pytest.raises(Exception, match="leave out --batch-api"),
    ):
        work(by_batches(data, tmp_path / "run", server.url))


@pytest.mark.slow
def test_ctrl_c_waits_for_no_batch(tmp_path: Path) -> None:
    """The command line, as a person runs it: interrupted at once, resumed to the end."""
    data, run = write_reference(tmp_path / "reference.jsonl", 6), tmp_path / "run"
    with running(server_of(looks=10**9)) as server:
        command = [
            sys.executable, "-m", "expllm", "cot", "make", str(data), "-o", str(run),
            "--model", "chat:honest", "--base-url", server.url, "--batch-api",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: bool(server.asked) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "Traceback" not in said
        server.looks = 1
        work(by_batches(data, run, server.url, key_env="OPENAI_API_KEY", model="chat:honest"))
        assert len(custom_ids(server)) == len(set(custom_ids(server)))
        assert len(server.questions[0]) == 6
