"""A run over a Ray cluster of two nodes, one of them killed in the middle: nothing lost, nothing twice."""

import os
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import honest
import pytest
from ray_cluster import two_nodes
from running import order, served, write_reference
from waiting import wait_until

from expllm.cli.cot_make import work
from expllm.cot.cluster import Opening, WorkerShard, run_on_cluster
from expllm.cot.engine import Engine
from expllm.cot.export import export
from expllm.cot.prompt_set import Prompts
from expllm.cot.sample_session import RunBudget
from expllm.cot.writers import LLMWriter
from expllm.data import Sample, open_dataset
from expllm.files.runs import RunFolder

SAMPLES = 40


def opening(data: Path, url: str) -> Opening:
    """What a worker opens; it travels, so it names only files and addresses."""

    def opened() -> tuple[Engine, Iterable[tuple[int, Sample]]]:
        from expllm.chat import OpenAIChat

        os.environ["EXPLLM_TEST_KEY"] = "sk-test"
        dataset = open_dataset(str(data))
        chat = OpenAIChat("honest", base_url=url, api_key_env="EXPLLM_TEST_KEY", concurrency=4)
        prompts = Prompts.load()
        writer = LLMWriter(chat, prompts)
        return Engine(
            writer=writer, labels=dataset.labels, gate=RunBudget(4), prompt_hash=prompts.hash
        ), enumerate(dataset)

    return opened


def test_every_sample_has_one_shard() -> None:
    shards = [WorkerShard(index, 3, Path("run")) for index in range(3)]
    for number in range(100):
        assert sum(shard.holds(f"sample {number}") for shard in shards) == 1


@pytest.mark.slow
def test_a_node_dies_and_the_result_is_the_same(tmp_path: Path) -> None:
    data = write_reference(tmp_path / "reference.jsonl", SAMPLES)
    with served(honest.of_payload, latency=0.05) as server:
        work(order(data, tmp_path / "single", server.url))
        run = RunFolder(tmp_path / "cluster")
        run.path.mkdir()
        run.begin(RunFolder(tmp_path / "single").settings() | {"shards": 2})
        before = len(server.seen)
        with two_nodes() as kill_second:

            def kill() -> None:
                wait_until(lambda: len(server.seen) >= before + 20)
                kill_second()

            killer = threading.Thread(target=kill)
            killer.start()
            ended = run_on_cluster(run.path, 2, opening(data, server.url), lambda _: None)
            killer.join()
    assert ended == SAMPLES
    ids = Counter(o for path in run.journals() for o in _ended(path))
    assert set(ids.values()) == {1}
    assert len(ids) == SAMPLES
    assert _exported(run, tmp_path / "a.jsonl") == _exported(
        RunFolder(tmp_path / "single"), tmp_path / "b.jsonl"
    )


def _ended(path: Path) -> set[str]:
    from expllm.cot.journal import JournalReader

    reader = JournalReader(path)
    try:
        return reader.finished()
    finally:
        reader.close()


def _exported(run: RunFolder, target: Path) -> bytes:
    export(run, "jsonl", target, statuses=("resolved", "unresolved", "invalid"))
    return target.read_bytes()
