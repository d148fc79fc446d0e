"""How much of a low balanced accuracy is a matter of where the line between labels is drawn.

    python scripts/shift_labels.py runs/compact/portraits

To each label's log-probability a number is added, the same for all faces, so that the balanced accuracy
over the labels with many faces is as high as can be. The numbers are fitted on three quarters of the
faces and read on the fourth, four times. What is won so could be won by other shares of labels in
training; what is not has to be seen in the faces.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from expllm.evals.saved_answers import EvalRun
from expllm.evals.scores import log_probabilities

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FOLDS: Final = 4
ROUNDS: Final = 6
SHIFTS: Final = np.arange(-5.0, 5.01, 0.25)
"""Parts of the faces, passes over the labels, and what is tried for each, in nats."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("run", type=Path, help="folder of 'expllm eval accuracy'")
    parser.add_argument("--least", type=int, default=50, help="faces that a label needs to count")
    options = parser.parse_args()
    run = EvalRun(options.run)
    settings = run.settings()
    logs, truth = log_probabilities(settings, run.answers())
    counted = np.flatnonzero(np.bincount(truth, minlength=len(settings.labels)) >= options.least)
    shifted = _shifted_apart(logs, truth, counted)
    print(f"{len(truth):,} faces")
    print(
        f"{'':<16}" + "".join(f"{settings.labels[label]:>11}" for label in counted) + "   balanced   accuracy"
    )
    for name, answered in (("as answered", logs.argmax(1)), ("shifted", shifted)):
        recalls = _recalls(answered, truth, counted)
        shown = "".join(f"{recall:>11.1%}" for recall in recalls)
        print(f"{name:<16}{shown}{recalls.mean():>11.1%}{(answered == truth).mean():>11.1%}")


def _recalls(answered: Ints, truth: Ints, counted: Ints) -> Floats:
    return np.array([(answered[truth == label] == label).mean() for label in counted])


def _shifted_apart(logs: Floats, truth: Ints, counted: Ints) -> Ints:
    """The answer for each face, with shifts that were fitted without it."""
    part = np.random.default_rng(0).integers(0, FOLDS, len(truth))
    answered = np.zeros(len(truth), np.int64)
    for fold in range(FOLDS):
        rest = part != fold
        answered[~rest] = (logs[~rest] + _fitted(logs[rest], truth[rest], counted)).argmax(1)
    return answered


def _fitted(logs: Floats, truth: Ints, counted: Ints) -> Floats:
    """One label after the other, as long as it helps: a shift for each [C]."""
    shifts = np.zeros(logs.shape[1])
    best = _recalls(logs.argmax(1), truth, counted).mean()
    for label in np.tile(np.arange(len(shifts)), ROUNDS):
        for tried in SHIFTS:
            others = shifts.copy()
            others[label] = tried
            found = _recalls((logs + others).argmax(1), truth, counted).mean()
            if found > best:
                best, shifts = found, others
    return shifts


if __name__ == "__main__":
    main()
