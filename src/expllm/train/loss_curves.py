"""The losses of a training over its steps, as PNG or SVG."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from expllm.core.errors import RecordError
from expllm.files.plotting import canvas, line_style, logarithmic

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

SMOOTHED_FROM: Final = 40
"""A curve with as many points is drawn faintly, with its running mean over it."""

LOGARITHMIC_FROM: Final = 30.0
"""Above this ratio of the largest to the smallest loss the scale is logarithmic."""


def loss_curves(
    steps: Sequence[float], curves: Mapping[str, Sequence[float | None]], path: Path | str,
    *, what: str = "loss (nats a token)",
) -> None:  # fmt: skip
    """Losses over the steps of a training, one line each.

    A curve of 40 or more points is drawn faintly, with its running mean (over a twentieth of its points)
    on top. Where the drawn means differ more than thirtyfold, the scale is logarithmic.

    Args:
        steps: [N] numbers of steps, growing.
        curves: Name -> [N] losses. None, NaN and infinity are steps without that loss, and are left out.
        path: Ends with .png or .svg; its folder must exist.
        what: What is drawn, and in which unit.

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
        axes.set(xlabel="step", ylabel=what, title=what.partition(" (")[0].capitalize())
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
