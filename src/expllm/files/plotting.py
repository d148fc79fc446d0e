"""What all plots share: readable fonts, colours that colour-blind readers tell apart, whole files.

matplotlib is imported inside functions: it takes half a second, and MediaPipe must not meet it half loaded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from expllm.core.errors import OutputError
from expllm.files.atomic import whole_file
from expllm.files.formats import OUR_MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's palette (2008), without yellow, which is lost on white."""

DASHES: Final = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
"""Lines differ in more than colour, so that a grey print can be read too."""

GREY: Final = "#767676"
_FORMATS: Final = ("png", "svg")

_STYLE: Final[dict[str, Any]] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "legend.fontsize": 10,
    "svg.hashsalt": "expllm",  # the same figures give the same bytes
}


@contextmanager
def canvas(path: Path | str, width: float, height: float) -> Iterator["Axes"]:
    """Axes to draw on, saved to `path` when the block ends well.

    Args:
        path: Ends with .png or .svg; its folder must exist.
        width: Of the whole picture, in inches; a PNG has 150 pixels an inch.
        height: The same.

    Raises:
        OutputError: `path` cannot be written, or has another ending.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in _FORMATS:
        raise OutputError(f"cannot write {path}: plots are PNG or SVG; end the name with .png or .svg")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Settings of a user's own stay below ours, and come back afterwards.
    with rc_context(cast(Any, _STYLE)):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.add_subplot()
        with whole_file(path, "wb") as file:
            # SVG's default date would make every file another one.
            metadata = {"Date": None} if kind == "svg" else dict(OUR_MARK)
            figure.savefig(file, format=kind, dpi=150, metadata=metadata)


def line_style(number: int) -> dict[str, Any]:
    """Colour and dashes of the line with this number, from 0."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}


def logarithmic(axes: "Axes") -> None:
    """A logarithmic scale upwards, with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def percent_axis() -> "FuncFormatter":
    """Shares of 0-1 written as percent."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda share, _: f"{share:.0%}")
