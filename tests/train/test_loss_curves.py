"""Losses of a training as whole files with readable content, the same bytes each time."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from expllm.core.errors import OutputError, RecordError
from expllm.train.loss_curves import loss_curves, running_mean


def colours_in(path: Path) -> int:
    """How many colours a picture has: a blank one has one."""
    with Image.open(path) as image:
        return len(image.convert("RGB").getcolors(1 << 24) or ())


def drawn_texts(path: Path) -> list[str]:
    """The texts of an SVG: matplotlib draws their letters, and names each text in a comment."""
    return re.findall(r"<!-- (.*?) -->", path.read_text())


def test_losses_are_drawn(tmp_path: Path) -> None:
    steps = list(range(200))
    falling = [3 * math.exp(-step / 50) + 0.05 for step in steps]
    gaps = [None if step % 3 else 0.5 * loss for step, loss in enumerate(falling)]
    loss_curves(steps, {"explanation": falling, "label": gaps}, tmp_path / "loss.png")
    assert colours_in(tmp_path / "loss.png") > 20


def test_losses_without_a_value_are_named(tmp_path: Path) -> None:
    path = tmp_path / "loss.svg"
    loss_curves([1, 2], {"label": [1.0, math.inf], "explanation": [None, math.nan]}, path)
    assert "explanation: not measured" in drawn_texts(path)
    ElementTree.parse(path)


def test_the_same_losses_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        loss_curves([1, 2, 3], {"label": [3.0, 2.0, 1.0]}, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("curves", "reason"),
    [({}, "no loss to plot"), ({"label": [1.0]}, "cannot plot label: it has 1 losses for 2 steps")],
)
def test_what_cannot_be_drawn_leaves_no_file(
    tmp_path: Path, curves: dict[str, list[float]], reason: str
) -> None:
    with pytest.raises(RecordError, match=reason):
        loss_curves([1, 2], curves, tmp_path / "loss.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["loss.gif", "loss", "gone/loss.png"])
def test_paths_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        loss_curves([1], {"label": [1.0]}, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=30),
    st.integers(min_value=0, max_value=40),
)
def test_running_means_are_means_of_neighbours(values: list[float], reach: int) -> None:
    expected = [np.mean(values[max(i - reach, 0) : i + reach + 1]) for i in range(len(values))]
    assert running_mean(np.array(values), reach) == pytest.approx(expected, abs=1e-9)
