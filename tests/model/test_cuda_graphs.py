"""Recorded steps, an experiment of the benchmarks, beside plain ones. Without a GPU they are played."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import taught
import torch

from expllm.model.inference.generate import FaceVLM

ROOT = Path(__file__).parents[2]


def graphs() -> Any:
    """`benchmarks/cuda_graphs.py`, which is not part of the package."""
    spec = importlib.util.spec_from_file_location("cuda_graphs", ROOT / "benchmarks" / "cuda_graphs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_texts_of_different_lengths_are_those_of_plain_steps() -> None:
    """Rows that are done go on in the recording until half of them are: no other row may see that."""
    pictures = [taught.picture(taught.LABELS[place]) for place in (0, 1, 1, 1, 0, 1, 1)]
    plain = FaceVLM(taught.new())
    texts, after = (
        plain.explanations(pictures, max_new_tokens=120),
        plain.generate(pictures, max_new_tokens=120),
    )
    with graphs().recorded_steps() as made:
        same = FaceVLM(taught.new())
        assert same.explanations(pictures, max_new_tokens=120) == texts
        again = same.generate(pictures, max_new_tokens=120)
    assert again.explanations == after.explanations
    assert abs(again.labels_after.sums - after.labels_after.sums).max() < 1e-4
    assert len({text.tokens for text in texts}) > 1
    assert [one.recordings for one in made] == [[7, 2], [7, 2]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_records_what_the_processor_does() -> None:
    pictures = [taught.picture(label) for label in taught.LABELS[:2]] * 2
    bundle = taught.new()
    bundle.model.to("cuda")
    plain = FaceVLM(taught.new()).explanations(pictures, max_new_tokens=120)
    with graphs().recorded_steps():
        assert FaceVLM(bundle).explanations(pictures, max_new_tokens=120) == plain


@pytest.mark.slow
def test_the_whole_benchmark_runs_on_the_smallest_model(tmp_path: Path) -> None:
    """Every part leaves its lines, and all ways to write give the same tokens."""
    out = tmp_path / "gpu.jsonl"
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--tiny", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line for line in lines if "left_out" in line] == []
    parts = {line["part"] for line in lines}
    assert parts == {"device", "same", "explain", "label", "generate", "train"}
    (same,) = (line for line in lines if line["part"] == "same")
    assert same["static cache"] == same["plain steps"] == same["CUDA graphs"] == same["tokens"] > 0
    assert same["recordings"]
    texts = [line for line in lines if line["part"] == "explain"]
    assert {(line["cuda_graphs"], line["batch"]) for line in texts} == {
        (a, b) for a in (False, True) for b in (1, 2)
    }
    assert all(
        line["samples_a_second"] > 0 and len(line["losses"]) == 4 for line in lines if line["part"] == "train"
    )


@pytest.mark.slow
def test_what_does_not_fit_in_its_time_is_named(tmp_path: Path) -> None:
    out = tmp_path / "gpu.jsonl"
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "gpu.py"),
        "--tiny",
        "--seconds",
        "0",
        "--out",
        str(out),
    ]
    subprocess.run([*command, "--parts", "same,generate"], capture_output=True, check=True)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    left_out = [line["left_out"] for line in lines if "left_out" in line]
    assert len(left_out) == 3
    assert all("no time is left" in reason for reason in left_out)
