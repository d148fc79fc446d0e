"""Samples dealt out to workers: each once, as they were, and not again without need."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import write_reference

from expllm.core.records import TimedUnit
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.cluster import WorkerShard
from expllm.cot.sample_shards import SampleShards
from expllm.data import ImageRef, Sample, open_dataset
from expllm.files.runs import RunError

WHOLE = Sample(
    id="naïve \u2028 face.jpg",
    expression=Expression.FEAR,
    aus=AUVector.from_positive({"jaw drop": 0.1 + 0.2, "left lip corner pull": None}),
    image=ImageRef(path="/a/b.parquet", row=3, column="image"),
    box=(1.0, 2.0, 3.5, 4.0),
    split="train",
    identity="p7",
    votes={"fear": 3},
    text="Both brows are raised.",
    au_source="by hand",
    course=(TimedUnit(unit="jaw drop", onset=0.1, apex_start=0.2, apex_end=0.3, offset=0.4, peak=0.5),),
)


def test_every_sample_comes_back_as_it_was_at_one_worker(tmp_path: Path) -> None:
    samples = [
        *open_dataset(str(write_reference(tmp_path / "reference.jsonl", 50))),
        WHOLE,
        Sample(id="bare"),
    ]
    shards = SampleShards(tmp_path / "run", 3)
    assert shards.deal(enumerate(samples), {"fingerprint": "f"})
    parts = [list(shards.read(index)) for index in range(3)]
    assert dict(pair for part in parts for pair in part) == dict(enumerate(samples))
    for index, part in enumerate(parts):
        assert part
        assert all(WorkerShard(index, 3, tmp_path).holds(sample.id) for _, sample in part)
        assert [place for place, _ in part] == sorted(place for place, _ in part)


def test_what_was_dealt_is_dealt_anew_only_if_its_source_differs(tmp_path: Path) -> None:
    shards = SampleShards(tmp_path, 2)
    assert shards.deal([(0, WHOLE)], {"fingerprint": "f", "limit": None})
    nobody = (pytest.fail("the data set was read") for _ in range(1))
    assert not shards.deal(nobody, {"fingerprint": "f", "limit": None})
    assert shards.deal([(0, WHOLE), (1, Sample(id="b"))], {"fingerprint": "f", "limit": 2})
    assert sum(len(list(shards.read(index))) for index in range(2)) == 2


def test_a_deal_that_broke_off_is_done_again(tmp_path: Path) -> None:
    def breaking() -> Iterator[tuple[int, Sample]]:
        yield 0, WHOLE
        raise KeyboardInterrupt

    shards = SampleShards(tmp_path, 1)
    assert shards.deal([(0, Sample(id="old"))], {"fingerprint": "old"})
    with pytest.raises(KeyboardInterrupt):
        shards.deal(breaking(), {"fingerprint": "new"})
    assert shards.deal([(0, WHOLE)], {"fingerprint": "old"})  # half of another deal may lie there
    assert list(shards.read(0)) == [(0, WHOLE)]


def test_a_file_that_is_gone_or_damaged_is_said_in_one_line(tmp_path: Path) -> None:
    shards = SampleShards(tmp_path, 1)
    with pytest.raises(RunError, match=r"samples-0000\.jsonl: cannot be read"):
        list(shards.read(0))
    shards.deal([(0, WHOLE)], {})
    shards.path(0).write_text(json.dumps([0]) + "\n")
    with pytest.raises(RunError, match=r"samples-0000\.jsonl: cannot be read"):
        list(shards.read(0))
