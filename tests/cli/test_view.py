import io
from typing import Any

import pytest
from explanations import UNREADABLE
from rich.console import Console, RenderableType

from expllm.cli.view import analysis_view, aus_view, vocabulary_view
from expllm.core.records import Box, CoT, FaceAnalysis, Provenance, UnitReading
from expllm.core.vocabulary import AU_NAMES, AUSource, AUVector, Expression
from expllm.predict.base import examined_text

COT = CoT(
    key_observations="The lip corners are pulled up, an [bold]open[/bold] smile \N{EM DASH} on both sides.",
    overall_emotional_interpretation="The pattern most often labelled happiness.",
    conclusion="Happiness.",
)
AUS = AUVector(
    dict.fromkeys(AU_NAMES, 0.0)
    | {"left lip corner pull": 0.5, "right lip corner pull": 1.0, "upper lip raise": 0.25}
    | {"cheeks puff": None, "left brow lower": None, "right brow lower": 0.4}
)


def face(**changes: Any) -> FaceAnalysis:
    known: dict[str, Any] = {
        "input": "a.png", "face_id": 0, "status": "ok", "aus": AUS, "expression": Expression.HAPPINESS,
        "probabilities": {Expression.NEUTRAL: 0.25, Expression.HAPPINESS: 0.75}, "cot": COT,
        "warnings": ("The face is small.",),
        "provenance": Provenance(expllm="1", detector="d", au_reader="a", classifier="c", writer="offline"),
    }  # fmt: skip
    return FaceAnalysis(**known | changes)


def shown(view: RenderableType, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    console = Console(
        file=io.TextIOWrapper(raw, encoding=encoding, write_through=True), width=width, no_color=True
    )
    console.print(view)
    return raw.getvalue().decode(encoding)


def line_with(text: str, words: str) -> str:
    return next(line for line in text.splitlines() if words in line)


@pytest.mark.parametrize("width", [20, 34, 60, 80, 140, 300])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("verbose", [False, True])
def test_fits_any_terminal(width: int, encoding: str, verbose: bool) -> None:
    text = shown(analysis_view([face()], verbose=verbose), width, encoding)
    assert max(len(line) for line in text.splitlines()) <= min(width, 132)
    assert "happiness" in text
    if width >= 80:
        assert "\N{HORIZONTAL ELLIPSIS}" not in text  # nothing was cut


def test_ascii_terminals_get_ascii_bars() -> None:
    line = line_with(shown(analysis_view([face()]), encoding="ascii"), "lip corner pull")
    left, right = line.split("lip corner pull")
    assert abs(right.count("#") - left.count("#") / 2) <= 0.5  # 0.50 and 1.00


def test_bars_of_both_sides_share_a_row_and_are_proportional() -> None:
    left, right = line_with(shown(analysis_view([face()])), "lip corner pull").split("lip corner pull")
    assert "1.00" in left
    assert "0.50" in right
    assert right.count("█") == left.count("█") // 2


def test_only_active_units_unless_verbose() -> None:
    short, long = shown(analysis_view([face()])), shown(analysis_view([face()], verbose=True))
    assert "jaw drop" not in short
    assert "25 more at 0.05 or below" in short
    assert "0.00" in line_with(long, "jaw drop")


def test_not_measured_is_neither_zero_nor_left_out() -> None:
    text = shown(analysis_view([face()]))
    assert "not measured: left brow lower, cheeks puff" in text
    row = line_with(text, " brow lower ").split("brow lower")
    assert "0.40" in row[0]
    assert row[1].split("│")[0].strip() == "not measured"


def test_the_explanation_names_its_writer_and_keeps_its_words() -> None:
    text = " ".join(shown(analysis_view([face()])).replace("│", " ").split())
    for heading in COT.HEADINGS:
        assert heading in text
    assert "an [bold]open[/bold] smile" in text
    assert "warning: The face is small." in text
    assert "composed by rules from the action units, not by a language model" in text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("too_small", "too few pixels"),
        ("no_landmarks", "no landmarks fit"),
        ("no_face", "No face was found"),
        ("error", "cannot read 'b': not a picture"),
    ],
)
@pytest.mark.parametrize("view", [analysis_view, aus_view])
def test_what_was_not_measured_gets_a_sentence(status: Any, words: str, view: Any) -> None:
    error = "cannot read 'b': not a picture" if status == "error" else None
    box = Box(x=0, y=0, width=9, height=9) if status in ("too_small", "no_landmarks") else None
    analysis = FaceAnalysis(input="b", status=status, error=error, box=box, face_id=0 if box else None)
    text = shown(view([analysis]))
    assert words in text
    assert ("face 0: " in text) == (box is not None)
    assert "0.00" not in text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_hostile_name_is_printed_as_it_is(encoding: str) -> None:
    text = shown(analysis_view([face(input="[red]a[/red]\x1b[31m\nb\udc80é.png")]), encoding=encoding)
    name = text.splitlines()[0].strip()
    assert name.startswith(r"[red]a[/red]\x1b[31m\nb\udc80")
    assert "\x1b" not in text


def test_faces_of_one_input_share_a_heading() -> None:
    text = shown(analysis_view([face(), face(face_id=1), face(input="clip.mp4", frame=7)]))
    assert text.splitlines().count("a.png") == 1
    assert "clip.mp4, frame 7" in text


def test_action_unit_table_has_every_unit_with_its_numbers() -> None:
    text = shown(aus_view([face(cot=None)]))
    numbers = [line.split()[0] for line in text.splitlines() if line.strip() and line.split()[0].isdigit()]
    assert numbers == [str(n) for n in range(1, 25)]
    assert [name for name in AU_NAMES if name not in text] == []
    assert "43+45" in line_with(text, "left eye close")
    assert "not measured" in line_with(text, "cheeks puff")
    assert "0.00" in line_with(text, "jaw drop")


def test_action_unit_table_has_bands_where_they_are_known() -> None:
    readings = {"jaw drop": UnitReading(source=AUSource.BLENDSHAPES, low=0.0, high=0.125)}
    text = shown(aus_view([face(au_readings=readings)]))
    assert "0.00-0.12" in line_with(text, "jaw drop")
    assert "0.00-0.12" not in shown(aus_view([face()]))
    assert max(map(len, text.splitlines())) <= 80


def test_vocabulary_lists_every_name() -> None:
    text = shown(vocabulary_view())
    assert [name for name in AU_NAMES if name not in text] == []
    assert "eyeBlinkLeft" in line_with(text, "left eye close")
    assert "mouthUpperUpLeft, mouthUpperUpRight" in line_with(text, "upper lip raise")


def test_a_face_without_label_or_reading_is_shown_too() -> None:
    text = shown(analysis_view([face(aus=None, expression=None, probabilities=None, cot=None)]))
    assert "face 0: no label" in text
    assert text.count("not measured") == 1


def test_sentences_that_were_not_read_are_underlined_and_named() -> None:
    cot = COT.model_copy(update={"key_observations": f"An open smile. {UNREADABLE}"})
    written = examined_text(cot.text, None, AUS, Expression.HAPPINESS)
    view = analysis_view([face(cot=cot, explanation=written)])
    plain = shown(view, 105)
    assert "Sentences about the face that were not understood, and so not checked: 1 of " in plain
    assert f'not read: "{UNREADABLE[:-1]}"' in plain
    raw = io.StringIO()
    Console(file=raw, force_terminal=True, width=105).print(view)
    assert raw.getvalue().count(f"\x1b[4m{UNREADABLE[:-1]}\x1b[0m") == 1  # in the text
    unmarked = shown(analysis_view([face(explanation=examined_text(COT.text, None, AUS, None))]), 105)
    assert "not read" not in unmarked
