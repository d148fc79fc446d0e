"""The data sets beside the project, where they are: counts of every class, and no picture is read."""

import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from expllm.data import image_bytes, open_dataset
from expllm.files.images import open_image

FERPLUS = {
    "train": {
        "neutral": 10309, "happiness": 7528, "surprise": 3562, "sadness": 3515,
        "anger": 2467, "disgust": 191, "fear": 652, "contempt": 165,
    },
    "valid": {
        "neutral": 1335, "happiness": 899, "surprise": 456, "sadness": 412,
        "anger": 319, "disgust": 34, "fear": 74, "contempt": 24,
    },
    "test": {
        "neutral": 1262, "happiness": 928, "surprise": 444, "sadness": 444,
        "anger": 325, "disgust": 23, "fear": 93, "contempt": 27,
    },
}  # fmt: skip
DROPPED = {"train": (170, 2), "valid": (25, 1), "test": (27, 1)}


def opened(shared: Path, name: str) -> str:
    if not list((shared / "data").glob(f"{name.partition(':')[0]}*")):
        pytest.skip(f"needs ../shared/data/{name}, which is not here")
    return str(shared / "data" / name)


@pytest.mark.parametrize("split", FERPLUS)
def test_ferplus_counts_by_the_majority_protocol(split: str, shared: Path) -> None:
    dataset = open_dataset(opened(shared, f"ferplus:{split}"))
    assert Counter(sample.expression for sample in dataset) == FERPLUS[split]
    reasons = Counter(reason for _, reason in dataset.skipped)
    assert (reasons["most votes are for unknown"], reasons["most votes are for NF"]) == DROPPED[split]
    assert len(dataset) + len(dataset.skipped) == {"train": 28561, "valid": 3579, "test": 3574}[split]


@pytest.mark.slow
def test_ferplus_train_flows_by_without_its_pictures(shared: Path) -> None:
    dataset = open_dataset(opened(shared, "ferplus:train"))
    tracemalloc.start()
    count = sum(1 for _ in dataset)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == len(dataset)
    assert peak < 8 * 2**20


def test_portraits(shared: Path) -> None:
    dataset = open_dataset(opened(shared, "portraits"))
    samples = list(dataset)
    assert (len(samples), dataset.skipped, dataset.splits) == (9613, (), ("train",))
    assert all(sample.identity for sample in samples)
    assert len(dataset.labels) == 8
    last = samples[-1].image
    assert last is not None
    assert max(open_image(image_bytes(last)).full_size) <= 224


def test_reference(shared: Path) -> None:
    dataset = open_dataset(opened(shared, "exp_cot_reference.jsonl"))
    assert Counter(sample.expression for sample in dataset) == {
        "happiness": 831, "neutral": 450, "sadness": 314, "surprise": 213,
        "anger": 111, "disgust": 101, "fear": 50,
    }  # fmt: skip
    assert dataset.skipped == ()
    assert all(sample.text and sample.aus is not None for sample in dataset)
