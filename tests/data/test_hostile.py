"""Whatever a file holds: samples, skipped rows or one clear error, and nothing else."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import ferplus_shard, votes_of

from expllm.core.errors import ExpllmError
from expllm.data import DATASET_KINDS, Dataset, open_dataset

FUZZ = settings(max_examples=150)

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = st.sampled_from(
    "id file_name expression emo aus au cot description status split identity input au_source".split()
)
VALUES = st.one_of(JSON, st.sampled_from(["fear", "a.png", "\ud800", {"Jaw Drop": 0.5}, [0.0] * 24, "test"]))
ROWS = st.lists(st.dictionaries(KEYS, VALUES, max_size=8), min_size=1, max_size=4)


def opened(path: Path, kind: str | None = None) -> Dataset | None:
    try:
        dataset = open_dataset(str(path), kind=kind)
    except ExpllmError:
        return None
    samples = list(dataset)
    assert len(samples) == len(dataset) == len({sample.id for sample in samples})
    assert all(type(sample).from_json(sample.to_json()) == sample for sample in samples)
    assert all(reason for _, reason in dataset.skipped)
    return dataset


@given(ROWS)
@FUZZ
def test_any_objects(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = opened(path, "reference")
    if dataset is not None:
        assert len(dataset) + len(dataset.skipped) == len(rows)
    opened(path)


@given(st.text("path,labeljawdrop \"'\n\r;\t|\0é0.5fear\ud7ff", max_size=60))
@FUZZ
def test_any_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,label,jaw drop\nx,fear,0.5\n" + text, encoding="utf-8", newline="")
    opened(path)


@given(st.binary(max_size=80), st.sampled_from(sorted(DATASET_KINDS)))
@FUZZ
def test_any_bytes(tmp_path: Path, data: bytes, kind: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    opened(path, kind)
    opened(path)


@pytest.mark.parametrize("seed", range(60))
def test_damaged_parquet(seed: int, tmp_path: Path) -> None:
    path = ferplus_shard(tmp_path / "ferplus_test-00000-of-00001.parquet", [votes_of(fear=9)] * 3)
    data, draw = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(3):
        data[draw.randrange(len(data))] = draw.randrange(256)
    path.write_bytes(data)
    opened(path)


def test_half_characters_are_spelled_out(tmp_path: Path) -> None:
    """A run of the fuzzer found a split that no JSON can hold."""
    row = {"id": "a", "expression": "fear", "split": "\ud800", "aus": {}, "cot": "x\udfff"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    dataset = opened(tmp_path / "a.jsonl", "reference")
    assert dataset is not None
    assert dataset.splits == ("\\ud800",)
    assert [sample.text for sample in dataset] == ["x\\udfff"]
