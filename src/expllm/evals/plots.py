"""Plots of evaluations, as PNG or SVG.

Functions take arrays and a path, and give nothing back. A file appears whole or not at all.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from expllm.files.plotting import GREY, canvas, line_style, percent_axis

if TYPE_CHECKING:
    from expllm.evals.metrics.calibration import Reliability, RiskCoverage
    from expllm.evals.metrics.classification import Ints


def confusion_heatmap(matrix: "Ints", labels: Sequence[str], path: Path | str) -> None:
    """A confusion matrix: each row is a truth, shaded by the share of its rows that got each answer.

    Args:
        matrix: Counts [C, C+1] as from `metrics.confusion_matrix`; the last column is left out where every
            row has an answer.
        labels: [C] names of the classes.
        path: Ends with .png or .svg; its folder must exist.

    Raises:
        OutputError: the file cannot be written.
    """
    import numpy as np

    shown = matrix if matrix[:, -1].any() else matrix[:, :-1]  # [C, K]
    support = matrix.sum(1)
    shares = shown / np.maximum(support, 1)[:, None]
    side = 2.4 + 0.85 * len(labels)
    with canvas(path, side + 0.6, side - 0.4) as axes:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(
            range(shown.shape[1]), [*labels, "no answer"][: shown.shape[1]], rotation=35, ha="right"
        )
        axes.set_yticks(
            range(len(labels)), [f"{label} ({n:,})" for label, n in zip(labels, support, strict=True)]
        )
        for (row, column), share in np.ndenumerate(shares):
            text = _cell(share, int(shown[row, column]))
            axes.text(column, row, text, ha="center", va="center", fontsize=9, color=_ink(share))
        # White lines between the cells.
        axes.set_xticks(np.arange(shown.shape[1] + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(labels) + 1) - 0.5, minor=True)
        axes.grid(visible=False)
        axes.grid(which="minor", color="white", linewidth=2)
        axes.set_axisbelow(False)
        axes.set(xlabel="answer", ylabel="truth (rows)", title="Share of each truth that got each answer")
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)


def _cell(share: float, rows: int) -> str:
    if not rows:
        return "0"
    return f"{share:.0%}\n{rows:,}" if share >= 0.005 else f"<1%\n{rows:,}"


def _ink(share: float) -> str:
    """A colour that can be read on a cell of this shade; zeros step back."""
    if share == 0:
        return GREY
    return "white" if share > 0.62 else "black"


def reliability_diagram(curves: Mapping[str, "Reliability"], path: Path | str) -> None:
    """Accuracy over confidence, one line each, such as before and after a temperature was fitted.

    The larger a point, the more rows stand behind it.

    Args:
        curves: Name -> what `calibration.reliability` gave.
        path: Ends with .png or .svg; its folder must exist.

    Raises:
        OutputError: the file cannot be written.
    """
    with canvas(path, 6, 5.6) as axes:
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="confidence = accuracy")
        for number, (name, curve) in enumerate(curves.items()):
            filled = curve.count > 0
            x, y, rows = curve.confidence[filled], curve.accuracy[filled], curve.count[filled]
            style = line_style(number)
            axes.plot(x, y, **style, linewidth=1.5, label=f"{name}: calibration error {curve.error:.1%}")
            axes.scatter(x, y, s=8 + 250 * rows / rows.sum(), color=style["color"], alpha=0.75, linewidth=0)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence (points: size by rows)", ylabel="accuracy")
        axes.set_title("Reliability: do probabilities mean what they say?")
        axes.xaxis.set_major_formatter(percent_axis())
        axes.yaxis.set_major_formatter(percent_axis())
        axes.legend()


def risk_curves(
    curves: Mapping[str, "RiskCoverage"], path: Path | str, *, at: tuple[float, float] | None = None
) -> None:
    """Wrong answers among the answered rows, while the least sure rows are left unanswered; one line each.

    Args:
        curves: Name -> what `calibration.risk_coverage` gave.
        path: Ends with .png or .svg; its folder must exist.
        at: Coverage, 0-1, and the probability that it belongs to: where a model shall abstain.

    Raises:
        OutputError: the file cannot be written.
    """
    with canvas(path, 7, 4.5) as axes:
        for number, (name, curve) in enumerate(curves.items()):
            label = f"{name}: area {curve.area:.3f}"
            axes.plot(curve.coverage, curve.risk, **line_style(number), linewidth=2, label=label)
        if at is not None:
            coverage, threshold = at
            told = f"answers from {threshold:.0%}: {coverage:.0%} of the rows"
            axes.axvline(coverage, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)), label=told)
        axes.set(xlim=(0, 1), xlabel="answered rows, the surest first", ylabel="wrong answers among them")
        axes.set_ylim(bottom=0)
        axes.set_title("Risk and coverage: what abstaining gains")
        axes.xaxis.set_major_formatter(percent_axis())
        axes.yaxis.set_major_formatter(percent_axis())
        axes.legend()
