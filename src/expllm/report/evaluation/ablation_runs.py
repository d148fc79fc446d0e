"""The saved tables of `expllm eval ablate`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import RecordError
from expllm.evals.metrics.bootstrap import Interval

_NAME: Final = "ablation.json"


@dataclass(frozen=True)
class AblationRun:
    """A folder of `expllm eval ablate`.

    Attributes:
        about: What was trained and on what it was tested.
        rows: Table and name of a row -> the row as it was saved, its accuracy and its macro-F1; None where it
            was not trained.
    """

    path: Path
    about: str
    rows: Mapping[tuple[str, str], tuple[Mapping[str, Any], Interval | None, Interval | None]]


def is_ablation(path: Path) -> bool:
    return (path / _NAME).is_file()


def read_ablation(path: Path) -> AblationRun:
    """The saved table of an ablation.

    Raises:
        RecordError: the file is damaged.
    """
    file = path / _NAME
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        rows = {
            (row["table"], row["row"]): (
                {**row, "trainings": int(row["trainings"])},
                _interval(row["accuracy"]),
                _interval(row["macro_f1"]),
            )
            for row in found["variants"]
        }
        faces = int(found["faces"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RecordError(f"{file}: is no table of an ablation: run 'expllm eval ablate' again") from None
    about = f"{found.get('recipe')} on {found.get('data')}, {faces:,} faces"
    return AblationRun(path, about, rows)


def _interval(found: Mapping[str, Any] | None) -> Interval | None:
    return (
        None
        if found is None
        else Interval(float(found["estimate"]), float(found["low"]), float(found["high"]))
    )
