"""Plots: whole files with readable content, the same bytes each time, one line about what cannot be drawn."""

import re
from pathlib import Path

import numpy as np
from PIL import Image
from scoredrows import LABELS, scored

from expllm.evals.metrics.calibration import fit_temperature, reliability, risk_coverage, with_temperature
from expllm.evals.metrics.classification import confusion_matrix
from expllm.evals.plots import (
    confusion_heatmap,
    reliability_diagram,
    risk_curves,
)


def colours_in(path: Path) -> int:
    """How many colours a picture has: a blank one has one."""
    with Image.open(path) as image:
        return len(image.convert("RGB").getcolors(1 << 24) or ())


def drawn_texts(path: Path) -> list[str]:
    """The texts of an SVG: matplotlib draws their letters, and names each text in a comment."""
    return re.findall(r"<!-- (.*?) -->", path.read_text())


def test_a_confusion_matrix_shows_counts_and_shares(tmp_path: Path) -> None:
    matrix = confusion_matrix([0] * 1000 + [1] * 4, [0] * 998 + [1] * 2 + [1] * 3 + [-1], 3)
    confusion_heatmap(matrix, LABELS[:3], tmp_path / "a.svg")
    texts = drawn_texts(tmp_path / "a.svg")
    assert {"neutral (1,000)", "happiness (4)", "sadness (0)", "no answer"} <= set(texts)
    assert texts.count("&lt;1%") == 1
    assert {"100%", "998", "75%", "25%"} <= set(texts)


def test_a_confusion_matrix_without_gaps_has_no_column_for_them(tmp_path: Path) -> None:
    confusion_heatmap(confusion_matrix([0, 1], [0, 0], 2), LABELS[:2], tmp_path / "a.svg")
    assert "no answer" not in drawn_texts(tmp_path / "a.svg")
    confusion_heatmap(confusion_matrix([0, 1], [0, 0], 2), LABELS[:2], tmp_path / "a.png")
    assert colours_in(tmp_path / "a.png") > 20


def test_reliability_and_risk_name_their_figures(tmp_path: Path) -> None:
    logs, truth = scored(0, 300, 7, 4)
    fitted = with_temperature(logs, fit_temperature(logs, truth).value)
    before, after = reliability(np.exp(logs), truth), reliability(fitted, truth)
    reliability_diagram({"before": before, "after": after}, tmp_path / "a.svg")
    assert f"before: calibration error {before.error:.1%}" in drawn_texts(tmp_path / "a.svg")
    assert f"after: calibration error {after.error:.1%}" in drawn_texts(tmp_path / "a.svg")
    risk = risk_coverage(fitted, truth)
    risk_curves({"model": risk}, tmp_path / "b.svg")
    assert f"model: area {risk.area:.3f}" in drawn_texts(tmp_path / "b.svg")
