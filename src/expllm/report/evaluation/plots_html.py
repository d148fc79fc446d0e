"""The plots of a run as pictures that stand in the page."""

import base64
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from expllm.evals.calibrate import write_plots
from expllm.report.evaluation.evaluated_runs import ScoredRun


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        address: The picture itself, as a `data:` address.
        told: What it shows, for who does not see it.
    """

    address: str
    told: str


def plots(run: ScoredRun) -> Iterator[Plot]:
    """Confusion matrix, reliability, and risk over coverage, as far as the answers have probabilities."""
    scores = run.scores
    found = scores.figures
    told = {
        "confusion": f"Confusion matrix: {100 * found.accuracy:.1f} % of {found.rows:,} faces lie on its "
        "diagonal. The table above has each class's recall.",
        "reliability": "Reliability: accuracy over confidence. Calibration error "
        + " and ".join(f"{100 * one.error:.1f} %" for one in (scores.before, scores.after) if one),
        "risk": f"Risk over coverage: area {100 * scores.risk.area:.1f} %." if scores.risk else "",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        write_plots(scores, Path(folder), "svg")
        for name, text in told.items():
            file = Path(folder) / f"{name}.svg"
            if file.exists():
                encoded = base64.b64encode(file.read_bytes()).decode("ascii")
                yield Plot(f"data:image/svg+xml;base64,{encoded}", text)
