"""Plots of training and of evaluations, as PNG or SVG.

Functions take arrays and a path, and give nothing back. A file appears whole or not at all.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from expllm.errors import RecordError
from expllm.evals.canvas import GREY, canvas, line_style, logarithmic, percent_axis

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from expllm.evals.calibration import Reliability, RiskCoverage
    from expllm.evals.metrics import Ints

SMOOTHED_FROM: Final = 40
"""A curve with as many points is drawn faintly, with its running mean over it."""

LOGARITHMIC_FROM: Final = 30.0
"""Above this ratio of the largest to the smallest loss the scale is logarithmic."""


def loss_curves(
    steps: Sequence[float], curves: Mapping[str, Sequence[float | None]], path: Path | str
) -> None:
    """Losses over the steps of a training, one line each.

    A curve of 40 or more points is drawn faintly, with its running mean (over a twentieth of its points)
    on top. Where the drawn means differ more than thirtyfold, the scale is logarithmic.

    Args:
        steps: [N] numbers of steps, growing.
        curves: Name -> [N] losses. None, NaN and infinity are steps without that loss, and are left out.
        path: Ends with .png or .svg; its folder must exist.

    Raises:
        OutputError: the file cannot be written.
        RecordError: nothing to plot, or a curve has another length than `steps`.
    """
    if not curves:
        raise RecordError("no loss to plot: give at least one curve")
    for name, values in curves.items():
        if len(values) != len(steps):
            raise RecordError(f"cannot plot {name}: it has {len(values):,} losses for {len(steps):,} steps")
    with canvas(path, 8, 4.5) as axes:
        drawn = [_draw_curve(axes, i, name, steps, curves[name]) for i, name in enumerate(curves)]
        losses = [loss for curve in drawn for loss in curve]
        if losses and 0 < LOGARITHMIC_FROM * min(losses) < max(losses):
            logarithmic(axes)
        axes.set(xlabel="step", ylabel="loss (nats a token)", title="Loss")
        axes.legend()


def _draw_curve(
    axes: "Axes", number: int, name: str, steps: Sequence[float], values: Sequence[float | None]
) -> list[float]:
    """Draws one curve; gives the losses, or their running means, that its main line goes through."""
    import numpy as np

    losses = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    known = np.isfinite(losses)
    x, y = np.asarray(steps, dtype=np.float64)[known], losses[known]  # [M] each
    style = line_style(number)
    if not len(y):
        axes.plot([], [], **style, label=f"{name}: not measured")
    elif len(y) < SMOOTHED_FROM:
        axes.plot(x, y, **style, marker="o", markersize=3.5, label=name)
    else:
        axes.plot(x, y, color=style["color"], alpha=0.25, linewidth=1)
        y = running_mean(y, len(y) // 40)
        axes.plot(x, y, **style, linewidth=2, label=name)
    return [float(loss) for loss in y]


def running_mean(values: "NDArray[np.float64]", reach: int) -> "NDArray[np.float64]":
    """The mean of each value and of up to `reach` values on either side; shape [N], as `values`."""
    import numpy as np

    sums = np.concatenate([[0.0], np.cumsum(values)])  # [N + 1]
    places = np.arange(len(values))
    starts, ends = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    means: NDArray[np.float64] = (sums[ends] - sums[starts]) / (ends - starts)
    return means


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
