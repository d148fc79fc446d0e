"""Saved answers: JSON in and out, versions, and runs that were cut."""

import json
from pathlib import Path

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from stubs import SEVEN, given, settings

from expllm.core.errors import ExitCode, RecordError
from expllm.core.vocabulary import AUSource, AUVector, Expression
from expllm.evals.saved_answers import Answer, EvalRun, Explained, Settings
from expllm.files.runs import NoRun, RunError

TWO = given([("fear", "fear"), ("anger", None)])


def begun(path: Path) -> EvalRun:
    run = EvalRun(path)
    path.mkdir(exist_ok=True)
    assert run.begin(settings()) == []
    return run


@drawn(
    st.text(min_size=1).filter(lambda text: text.isprintable()),
    st.sampled_from(SEVEN),
    st.lists(st.floats(-700, 0), min_size=7, max_size=7),
    st.none() | st.text(),
)
def test_an_answer_comes_back(name: str, label: Expression, logs: list[float], text: str | None) -> None:
    answer = Answer(id=name, truth=label, log_probabilities=tuple(logs), label=label, text=text)
    assert Answer.from_json(answer.to_json()) == answer


def test_settings_come_back() -> None:
    assert Settings.from_json(settings().to_json()) == settings()


def test_answers_come_back_and_are_added(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.add(TWO[:1])
    run.add(TWO[1:])
    assert EvalRun(tmp_path).answers() == TWO
    assert EvalRun(tmp_path).settings() == settings()


def test_a_torn_last_line_is_answered_again(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.add(TWO)
    data = run.answers_file.read_bytes()
    for cut in range(len(data)):
        run.answers_file.write_bytes(data[:cut])
        found = run.begin(settings())
        assert found == TWO[: len(found)]
        run.add(TWO[len(found) :])
        assert run.answers_file.read_bytes() == data


def test_another_format_is_refused(tmp_path: Path) -> None:
    run = begun(tmp_path)
    values = json.loads(run.folder.settings_file.read_text())
    run.folder.settings_file.write_text(json.dumps({**values, "answers_format": 3}))
    with pytest.raises(RunError, match="of format 3, and this is format 2: use the version"):
        run.answers()


def test_answers_of_the_first_format_are_read_and_gone_on_with(tmp_path: Path) -> None:
    """As they were saved before there were explanations: without the fields of format 2."""
    run = begun(tmp_path)
    values = json.loads(run.folder.settings_file.read_text())
    old = {name: value for name, value in values.items() if name not in ("seed", "explained")}
    run.folder.settings_file.write_text(json.dumps({**old, "answers_format": 1}))
    new = {"problem", "label_after", "aus", "reference"}
    lines = [{k: v for k, v in json.loads(answer.to_json()).items() if k not in new} for answer in TWO]
    run.answers_file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert run.answers() == TWO
    assert run.settings().answers_format == 1
    assert run.begin(settings()) == TWO
    assert run.settings().answers_format == 2


def test_an_explained_answer_comes_back(tmp_path: Path) -> None:
    aus = AUVector({"jaw drop": 0.5})
    text = "**Key Observations:** a\n\n**Overall Emotional Interpretation:** b\n\n**Conclusion:** fear"
    answer = TWO[0].model_copy(update={"text": text, "aus": aus, "label_after": SEVEN[1], "reference": "r"})
    run = begun(tmp_path)
    run.add([answer])
    (found,) = run.answers()
    assert found == answer
    assert found.cot is not None
    assert found.cot.conclusion == "fear"
    assert found.model_copy(update={"text": "Fear."}).cot is None


@pytest.mark.parametrize(("saved", "hint"), [(True, "measured"), (False, "none"), ("self", "self")])
def test_hints_of_earlier_versions_are_read(saved: object, hint: str) -> None:
    """They saved whether a model was told what had been measured."""
    asked = {"max_new_tokens": 8, "reference": "r", "reference_digest": "0"}
    assert Explained.from_dict({**asked, "hint": saved}).hint == hint
    assert Explained.from_dict(asked).au_source is AUSource.BLENDSHAPES


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    run = begun(tmp_path)
    values = json.loads(run.folder.settings_file.read_text())
    run.folder.settings_file.write_text(json.dumps({**values, "colour": "red"}))
    with pytest.raises(RunError, match="colour"):
        run.settings()


def test_no_run_and_another_run(tmp_path: Path) -> None:
    with pytest.raises(NoRun, match="no evaluation found") as error:
        EvalRun(tmp_path).answers()
    assert error.value.exit_code == ExitCode.USAGE
    EvalRun(tmp_path).folder.begin({"settings": "of an engine"})
    with pytest.raises(RunError, match="is another kind of run, not an evaluation"):
        EvalRun(tmp_path).answers()


def test_other_settings_are_refused_but_a_temperature_is_taken_over(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.begin(settings(temperature=1.7, model="moved"))
    assert run.settings().temperature == 1.7
    with pytest.raises(RunError, match="begun with digest"):
        run.begin(settings(digest="another"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"colour": "red"}, "colour"),
        ({"truth": "smug"}, "truth"),
        ({"label": "contempt"}, "'contempt' is not in the model's label set"),
        ({"label_after": "contempt"}, "'contempt' is not in the model's label set"),
        ({"label": None}, "the status is 'ok', and the label None"),
        ({"status": "no_face"}, "the status is 'no_face', and the label 'fear'"),
        ({"log_probabilities": [-1.0]}, "1 log-probabilities for 7 labels"),
        ({"log_probabilities": [0.5] * 7}, "log_probabilities"),
        ({"id": "s00001"}, "'s00001' is answered twice"),
    ],
)
def test_a_line_that_is_no_answer(tmp_path: Path, change: dict[str, object], problem: str) -> None:
    run = begun(tmp_path)
    run.add(given([("anger", "anger"), ("anger", "anger")])[1:])
    line = {**json.loads(TWO[0].to_json()), **change}
    with run.answers_file.open("a") as file:
        file.write(json.dumps(line) + "\n")
    with pytest.raises(RecordError, match=f"line 2: .*{problem}"):
        run.answers()
