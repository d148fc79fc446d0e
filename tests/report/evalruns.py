"""Evaluations to report: saved answers of models that never were, over real files."""

import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from expllm.core.vocabulary import AUVector, Expression, label_set
from expllm.cot.rule_writer import write_cot
from expllm.cot.sample_session import RunBudget
from expllm.data.roots import open_named
from expllm.evals.explanation_scores import pairs_of
from expllm.evals.judge.judge_run import JudgeRun, JudgeSettings, RuleJudge, readings_of
from expllm.evals.judge.rubric import JudgeFile
from expllm.evals.judge.scripted_judge import NAME, reply
from expllm.evals.saved_answers import Answer, EvalRun, Settings

SEVEN = label_set(7)
SMILE = AUVector.from_positive({"left lip corner pull": 0.7, "right lip corner pull": 0.7})


def settings(**changed: object) -> Settings:
    values: dict[str, Any] = {
        "task": "accuracy", "model": "runs/small/model", "digest": "small", "dtype": "float32",
        "boxes": False, "labels": list(SEVEN), "dataset": "rafdb:test", "fingerprint": "f",
        "truth_labels": list(SEVEN), "faces": 0, "versions": {},
    }  # fmt: skip
    return Settings.from_dict({**values, **changed})


def answer(name: str, truth: str, label: str | None, sure: float = 0.7, **more: Any) -> Answer:
    """An answer; without a label no face was found."""
    if label is None:
        return Answer(id=name, truth=Expression(truth), status="no_face", reason="no face was found")
    rest = (1 - sure) / 6
    logs = tuple(math.log(sure if one == label else rest) for one in SEVEN)
    return Answer(id=name, truth=Expression(truth), log_probabilities=logs, label=Expression(label), **more)


def pairs(*found: tuple[str, str | None]) -> list[Answer]:
    return [answer(f"s{n:04d}", truth, label) for n, (truth, label) in enumerate(found)]


def save(path: Path, answers: Sequence[Answer], **changed: object) -> Path:
    """A run's folder."""
    run = EvalRun(path)
    with run.folder.locked():
        run.begin(settings(**{"faces": len(answers), **changed}))
        run.add(answers)
    return path


def good(path: Path, **changed: object) -> Path:
    """Forty answers, thirty of them right, and two without a face."""
    right = [("happiness", "happiness")] * 20 + [("fear", "fear")] * 10
    wrong = [("fear", "happiness"), ("anger", "neutral")] * 4
    return save(path, pairs(*right, *wrong, ("anger", None), ("neutral", None)), **changed)


def drawn_faces(path: Path) -> str:
    """Class folders with three pictures each of three classes; the name of the data set."""
    for n, label in enumerate(("happiness", "fear", "anger") * 3):
        (path / label).mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").rotate(40 * n).resize((60, 80)).save(path / label / f"{n}.png")
    return str(path)


def told(path: Path, faces: str, *, wrong: int = 0, **changed: object) -> Path:
    """A run with explanations of all faces; the first `wrong` of them conclude with surprise."""
    dataset = open_named(faces)
    answers = []
    for n, sample in enumerate(dataset):
        assert sample.expression
        label = Expression.SURPRISE if n < wrong else sample.expression
        answers.append(
            answer(sample.id, sample.expression, label, text=write_cot(SMILE, label).text, aus=SMILE,
                   reference=write_cot(SMILE, sample.expression).text, label_after=label)
        )  # fmt: skip
    options = {"task": "cot", "dataset": faces, "fingerprint": dataset.fingerprint, **changed}
    return save(path, answers, truth_labels=list(dataset.labels), **options)


def judge(run: Path) -> None:
    """Asks the judge by rules about a run's texts."""
    file = JudgeFile.load()
    passport = JudgeSettings(judge=NAME, file=file.text, prompt_hash=file.hash)
    asked = JudgeRun.within(run, passport)
    readings = [one for pair in pairs_of(EvalRun(run).answers()) for one in readings_of(pair, 1)]
    with asked.folder.locked():
        asked.begin(passport)
        asyncio.run(asked.ask(RuleJudge(NAME, reply), readings, RunBudget(4)))


def ablation(path: Path, *, trained: Sequence[str] = ("0.75:0.25", "all")) -> Path:
    """A folder of an ablation of which only some variants were trained."""
    rows: list[dict[str, Any]] = []
    for table, row in (("IV", "1:0"), ("IV", "0.75:0.25"), ("V", "without explanations"), ("V", "all")):
        figure = {"estimate": 0.5, "low": 0.45, "high": 0.55, "spread": 0.013} if row in trained else None
        rows.append({
            "table": table, "name": row, "row": row, "override": "", "note": "a note on it" if figure else "",
            "paper": None, "accuracy": figure, "macro_f1": figure, "alarms": [], "seeds": [],
            "trainings": 3 if figure else 0,
        })  # fmt: skip
    path.mkdir(parents=True)
    whole: dict[str, Any] = {
        "recipe": "compact.yaml",
        "data": "ferplus:valid",
        "faces": 3579,
        "variants": rows,
    }
    (path / "ablation.json").write_text(json.dumps(whole))
    return path
