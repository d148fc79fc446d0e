"""Asking about every face: what is saved, and what happens when a run is cut."""

from pathlib import Path

import pytest
from stubs import RAFDB_COUNTS, SEVEN, Stub, table, truthful

from expllm.core.errors import MissingData, UsageError
from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import AUVector, Expression
from expllm.data import Sample, open_dataset
from expllm.evals.runner import Question, answer_all
from expllm.evals.saved_answers import Answer, EvalRun
from expllm.evals.scores import score_run
from expllm.files.runs import RunError

ROWS = [(f"r{number:03d}", SEVEN[number % 7].value) for number in range(50)]


class Cut(Exception):  # noqa: N818
    """Stands for Ctrl-C."""


class Cutting(Stub):
    """Fails at the third batch."""

    def answer(self, samples: object) -> list[Answer]:
        if len(self.asked) >= 20:
            raise Cut
        return super().answer(samples)  # type: ignore[arg-type]


def question(path: Path, rows: list[tuple[str, str]] = ROWS, **options: int) -> Question:
    return Question(open_dataset(str(table(path / "faces.csv", rows))), "faces", **options)  # type: ignore[arg-type]


def test_every_answer_is_saved_as_it_was_given(tmp_path: Path) -> None:
    settings, answers = answer_all(Stub(truthful), question(tmp_path), tmp_path / "run", quiet=True)
    assert [(answer.id, answer.label) for answer in answers] == ROWS
    assert EvalRun(tmp_path / "run").answers() == answers
    assert EvalRun(tmp_path / "run").settings() == settings
    assert (settings.faces, settings.skipped, settings.dataset) == (50, 0, "faces")
    assert "expllm" in settings.versions


def test_a_cut_run_goes_on_by_face(tmp_path: Path) -> None:
    asked, run = question(tmp_path), tmp_path / "run"
    with pytest.raises(Cut):
        answer_all(Cutting(truthful), asked, run, 10, quiet=True)
    second = Stub(truthful)
    settings, answers = answer_all(second, asked, run, 7, quiet=True)
    assert second.asked == [name for name, _ in ROWS[20:]]
    whole = answer_all(Stub(truthful), asked, tmp_path / "whole", quiet=True)
    assert (settings, answers) == whole
    third = Stub(truthful)
    assert answer_all(third, asked, run, quiet=True) == whole
    assert third.asked == []


def test_another_model_or_data_set_does_not_go_on(tmp_path: Path) -> None:
    answer_all(Stub(truthful), question(tmp_path), tmp_path / "run", quiet=True)
    with pytest.raises(RunError, match="begun with digest"):
        answer_all(Stub(truthful, digest="e"), question(tmp_path), tmp_path / "run", quiet=True)
    with pytest.raises(RunError, match="begun with fingerprint"):
        answer_all(Stub(truthful), question(tmp_path, ROWS[:-1]), tmp_path / "run", quiet=True)


def test_ten_unreadable_pictures_of_three_thousand(tmp_path: Path) -> None:
    def rule(sample: Sample) -> Expression | None:
        return None if sample.id.endswith("00") and sample.id < "p1000" else sample.expression

    rows = [(f"p{number:04d}", SEVEN[number % 7].value) for number in range(3000)]
    settings, answers = answer_all(Stub(rule), question(tmp_path, rows), tmp_path / "run", 512, quiet=True)
    scores = score_run(settings, answers)
    assert [name for name, _ in scores.unreadable] == [f"p{number:04d}" for number in range(0, 1000, 100)]
    assert scores.unreadable[0][1] == "p0000: is no picture"
    assert scores.figures.unanswered == 10
    assert scores.figures.accuracy == 2990 / 3000


def test_one_class_on_the_counts_of_rafdb(tmp_path: Path) -> None:
    rows = [(f"{label}{n}", label) for label, count in RAFDB_COUNTS.items() for n in range(count)]
    asked = question(tmp_path, rows)
    found = answer_all(Stub(lambda _: Expression("happiness")), asked, tmp_path / "run", 1024, quiet=True)
    scores = score_run(*found)
    assert (scores.figures.rows, scores.matrix[:, SEVEN.index(Expression("happiness"))].sum()) == (3068, 3068)
    assert [line.split(":")[0] for line in scores.alarms] == [
        "the model answers one class only",
        "the accuracy of 38.6% does not beat the share of the largest class",
    ]


def test_a_limit_draws_from_all_classes_in_order(tmp_path: Path) -> None:
    rows = sorted(ROWS, key=lambda row: row[1])  # as class folders are read
    names = [
        [sample.id for sample in question(tmp_path, rows, limit=limit).samples()] for limit in (9, 21, 80)
    ]
    assert [len(drawn) for drawn in names] == [9, 21, 50]
    assert set(names[0]) < set(names[1]) < set(names[2])
    assert names[1] == [name for name, _ in rows if name in set(names[1])]
    assert len({label for name, label in rows if name in names[1]}) > 3
    settings, answers = answer_all(
        Stub(truthful), question(tmp_path, rows, limit=9), tmp_path / "r", quiet=True
    )
    assert settings.faces == 9
    assert [answer.id for answer in answers] == names[0]


def test_nothing_is_asked_where_labels_do_not_fit(tmp_path: Path) -> None:
    stub = Stub(truthful, SEVEN[:3])
    with pytest.raises(UsageError, match="not trained on"):
        answer_all(stub, question(tmp_path), tmp_path / "run", quiet=True)
    assert stub.asked == []
    assert not (tmp_path / "run").exists()


def test_a_test_set_without_labels(tmp_path: Path) -> None:
    """What `expllm analyze` wrote is a guess, never a label."""
    guess = FaceAnalysis(input="a.jpg", status="ok", aus=AUVector({"jaw drop": 0.5}), expression=SEVEN[0])
    (tmp_path / "guesses.jsonl").write_text(guess.to_json() + "\n")
    dataset = open_dataset(str(tmp_path / "guesses.jsonl"))
    with pytest.raises(MissingData, match="no face with a label"):
        answer_all(Stub(truthful), Question(dataset, "aus"), tmp_path / "run", quiet=True)
