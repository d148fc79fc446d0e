"""Fits a model's temperature on validation answers and saves it with the model; plots of an evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from expllm.core.errors import UsageError
from expllm.data import Dataset
from expllm.evals.metrics.calibration import (
    Temperature,
    fit_temperature,
    reliability,
    with_temperature,
)
from expllm.evals.saved_answers import CHANGEABLE, Answer, EvalRun, Settings
from expllm.evals.scores import RunScores, log_probabilities

NOT_FOR_VALIDATION: Final = ("train", "test")


def check_validation(dataset: Dataset, name: str) -> None:
    """Whether a temperature may be fitted on these faces.

    Raises:
        UsageError: they are for training or for the test.
    """
    if dataset.split in NOT_FOR_VALIDATION:
        raise UsageError(
            f"{name}: no validation data: a temperature is fitted on faces that were neither learned from "
            f"nor are tested on, not on the split {dataset.split!r}; give the split 'valid' or other faces"
        )


def look_twice(folder: Path, mirrored: bool) -> None:
    """Writes into a model's folder whether its labels are means of a face and its mirror image.

    Raises:
        OutputError, UsageError, MissingWeights, ModelError: as `model.layout.add_extra`.
    """
    from expllm.model.manifest import add_extra

    add_extra(folder, {"mirrored": mirrored})


def calibrated(
    folder: Path, run: Path, settings: Settings, answers: Sequence[Answer]
) -> tuple[Settings, Temperature]:
    """Fits the temperature and writes it into the model's folder, where `FaceVLM.load` reads it.

    Args:
        folder: The model's.
        run: The folder of these answers; it takes the temperature over.
        settings: Of the run.
        answers: On validation faces.

    Returns:
        The run's settings as they are now, and what was fitted.

    Raises:
        RecordError: fewer than 50 faces have an answer, or all of them one label.
        OutputError: a folder cannot be written.
        UsageError, MissingWeights, ModelError: as `model.layout.read_manifest`.
    """
    from expllm.model.manifest import add_extra

    logs, truth = log_probabilities(settings, answers)
    found = fit_temperature(logs, truth)
    before, after = (reliability(with_temperature(logs, t), truth).error for t in (1.0, found.value))
    told = {
        "dataset": settings.dataset, "fingerprint": settings.fingerprint, "rows": found.rows,
        "nll_before": found.nll_before, "nll_after": found.nll_after,
        "calibration_error_before": before, "calibration_error_after": after,
    }  # fmt: skip
    add_extra(folder, {"temperature": found.value, "calibration": told})
    now = settings.model_copy(update={"temperature": found.value})
    folder_of_run = EvalRun(run).folder
    with folder_of_run.locked():
        folder_of_run.resume(now.to_dict(), CHANGEABLE)
    return now, found


def write_plots(scores: RunScores, folder: Path, kind: str = "png") -> None:
    """Confusion matrix, reliability, and risk over coverage, as files in a folder.

    Args:
        scores: Of a run.
        folder: The run's, or another.
        kind: `png` or `svg`.

    Raises:
        OutputError: a file cannot be written.
    """
    from expllm.evals.plots import confusion_heatmap, reliability_diagram, risk_curves

    confusion_heatmap(scores.matrix, scores.labels, folder / f"confusion.{kind}")
    if scores.before is None:
        return
    curves = {"as it is": scores.before}
    if scores.after is not None:
        curves[f"at temperature {scores.settings.temperature:.3g}"] = scores.after
    reliability_diagram(curves, folder / f"reliability.{kind}")
    if scores.risk is not None:
        kept = scores.abstaining
        at = (
            None
            if kept is None or kept.accuracy is None
            else (kept.answered / scores.risk.rows, kept.threshold)
        )
        risk_curves({scores.settings.dataset: scores.risk}, folder / f"risk.{kind}", at=at)
