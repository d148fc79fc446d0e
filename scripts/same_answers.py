"""Records what the models answer, and compares two records: a change of the code that must change no answer.

    python scripts/same_answers.py --record before.jsonl --data DIR    # with the code before the change
    python scripts/same_answers.py --record after.jsonl --data DIR     # with the code after it
    python scripts/same_answers.py before.jsonl after.jsonl            # exit code 1 where they differ

A record holds labels, probabilities and texts of the rules and of the model that ships: of `expllm eval
accuracy` and `expllm eval cot` on two validation sets, of `Predictor.predict` on some of these faces, and of
`expllm analyze` on every picture of examples/. Records of some `--models` and `--parts` can be joined with
`cat`. Numbers must be equal to the last bit: both records take the same path through the same weights on the
same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

from expllm.data.image_bytes import image_bytes
from expllm.data.roots import open_named
from expllm.evals.runner import Question
from expllm.predict.predictor import Predictor

ROOT: Final = Path(__file__).parents[1]
DATASETS: Final = ("ferplus:valid", "portraits:valid")
EXAMPLES: Final = "examples"
SETTINGS: Final = ("model", "digest", "dtype", "boxes", "labels", "temperature", "explained")
"""What a run records of a model: another value means that an interrupted run cannot be resumed."""
FROM_PYTHON: Final = 20
"""At most so many faces of each data set are analyzed through the Python API."""
MOST_SHOWN: Final = 20
Row = tuple[str, Any]
"""What was asked, and what was answered."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("records", nargs="*", type=Path, metavar="RECORD", help="two records to compare")
    parser.add_argument("--record", type=Path, metavar="OUT", help="write a record")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the data sets")
    parser.add_argument("--models", nargs="+", default=["offline", "compact"], help="who is asked")
    parser.add_argument("--parts", nargs="+", default=[*DATASETS, EXAMPLES], help="about what")
    parser.add_argument("--faces", type=int, default=500, help="of each data set")
    parser.add_argument("--texts", type=int, help="of these faces, so many are explained; all if not given")
    options = parser.parse_args()
    if options.record is not None:
        return _record(options)
    if len(options.records) != 2:
        parser.error("give two records, or --record OUT")
    return _compared(*map(_read, options.records))


def _record(options: argparse.Namespace) -> int:
    texts = options.faces if options.texts is None else options.texts
    with options.record.open("w", encoding="utf-8") as file:
        for model, part in product(options.models, options.parts):
            asked = (
                _analyzed(model)
                if part == EXAMPLES
                else _rows(model, part, options.faces, texts, options.data)
            )
            for key, found in asked:
                file.write(json.dumps({"key": key, "found": found}, sort_keys=True) + "\n")
                file.flush()
    return 0


def _rows(model: str, name: str, faces: int, texts: int, data: Path | None) -> Iterator[Row]:
    yield from _evaluated("accuracy", model, name, faces, data)
    yield from _evaluated("cot", model, name, texts, data)
    yield from _predicted(model, name, min(texts, FROM_PYTHON), data)


def _evaluated(command: str, model: str, name: str, faces: int, data: Path | None) -> Iterator[Row]:
    """The run's settings and the answer for each face, as `expllm eval` saves them."""
    with tempfile.TemporaryDirectory() as folder:
        run, root = Path(folder) / "run", () if data is None else ("--data-root", str(data))
        _expllm("eval", command, model, name, "--limit", str(faces), "--quiet", *root, "-o", str(run))
        settings = json.loads((run / "run.json").read_text())
        yield f"eval {command} {model} {name}", {key: settings.get(key) for key in SETTINGS}
        for line in (run / "answers.jsonl").read_text().splitlines():
            answer = json.loads(line)
            yield f"eval {command} {model} {name} {answer['id']}", answer


def _predicted(model: str, name: str, faces: int, data: Path | None) -> Iterator[Row]:
    """The analyses of the same faces through the Python API."""
    dataset = open_named(name, None if data is None else str(data), None)
    samples = [one for one in Question(dataset, name, limit=faces).samples() if one.image is not None]
    with Predictor.load(model) as predictor:
        found = predictor.predict([image_bytes(one.image) for one in samples if one.image], explain=True)
    for sample, analyses in zip(samples, found, strict=True):
        yield f"predict {model} {name} {sample.id}", [one.to_dict() for one in analyses]


def _analyzed(model: str) -> Iterator[Row]:
    printed = _expllm("analyze", "examples", "--model", model, "--format", "json", "--quiet")
    for place, found in enumerate(json.loads(printed)):
        yield f"analyze {model} {place} {found['input']}", found


def _expllm(*arguments: str) -> str:
    """Standard output of a command; exit codes that count unreadable inputs are no failure."""
    command = [sys.executable, "-m", "expllm", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 3, 4):
        raise SystemExit(f"exit code {done.returncode}: {' '.join(arguments)}")
    return done.stdout


def _read(path: Path) -> dict[str, Any]:
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {row["key"]: row["found"] for row in rows}


def _compared(before: dict[str, Any], after: dict[str, Any]) -> int:
    lines = [*_differences(before, after)]
    print("\n".join(lines[:MOST_SHOWN]), end="\n" if lines else "")
    same = sum(before[key] == after.get(key) for key in before)
    print(f"{same:,} of {len(before):,} answers are the same, {len(after.keys() - before.keys()):,} are new")
    return 1 if lines or not before else 0


def _differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """One line for each answer that is missing, new, or different."""
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            yield f"missing: {key}"
        elif key not in before:
            yield f"new: {key}"
        elif before[key] != after[key]:
            yield f"differs: {key}: {'; '.join(_changes('', before[key], after[key]))[:400]}"


def _changes(where: str, before: Any, after: Any) -> Iterator[str]:
    """The places at which two JSON values differ, with both values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _changes(f"{where}.{name}", before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _changes(f"{where}[{place}]", one, other)
    elif before != after:
        yield f"{where} was {before!r}, is {after!r}"


if __name__ == "__main__":
    raise SystemExit(main())
