"""What holds of every command that prints figures: `--json`, a reader that leaves early, a full disk."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from calling import call, class_folders
from conftest import ASTRONAUT, ROOT
from randommodels import run_with_model

from expllm.cli.figures import print_json
from expllm.cli.main import app

WITHOUT = {
    "serve": "answers over HTTP until it is ended",
}
"""Commands that print no figures, and what they do instead."""


def commands(group: Any = None, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command by its name, such as `eval accuracy`."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*prefix, name))
        else:
            yield " ".join((*prefix, name)), command


def test_every_command_that_prints_figures_has_the_option() -> None:
    without = {
        name for name, command in commands() if not any("--json" in one.opts for one in command.params)
    }
    assert without == set(WITHOUT)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces, a run of the engine, runs of evaluations, and a trained model."""
    path, face = tmp_path_factory.mktemp("json"), ASTRONAUT.read_bytes()
    other = (ROOT / "examples" / "faces" / "render_sadness.jpg").read_bytes()
    class_folders(path / "faces", {"happiness/a.jpg": face, "sadness/b.jpg": other})
    assert call("cot", "make", path / "faces", "-o", path / "made").code == 0
    assert call("cot", "export", path / "made", "--to", "jsonl", "-o", path / "texts.jsonl").code == 0
    assert call("eval", "accuracy", "offline", path / "faces", "-o", path / "scored").code == 0
    run_with_model(path / "trained")
    return path


RECIPE = ROOT / "recipes" / "rafdb.yaml"
CALLS: dict[str, tuple[object, ...]] = {
    "analyze": ("analyze", ASTRONAUT),
    "aus": ("aus", ASTRONAUT),
    "aus --list": ("aus", "--list"),
    "doctor": ("doctor",),
    "cot make": ("cot", "make", "PLACE/faces", "-o", "PLACE/made"),
    "cot estimate": ("cot", "estimate", "PLACE/faces"),
    "cot audit": ("cot", "audit", "PLACE/texts.jsonl", "--summary"),
    "cot status": ("cot", "status", "PLACE/made"),
    "cot show": ("cot", "show", "PLACE/made"),
    "cot export": ("cot", "export", "PLACE/made", "--to", "jsonl", "-o", "PLACE/again.jsonl"),
    "data check": ("data", "check", "folder", "PLACE/faces"),
    "data preview": ("data", "preview", "PLACE/faces", "-o", "PLACE/sheet.png"),
    "datasets list": ("datasets", "list"),
    "models list": ("models", "list"),
    "model show": ("model", "show", "tiny"),
    "model push": ("model", "push", "PLACE/trained/model", "somebody/model", "--dry-run"),
    "model show FOLDER": ("model", "show", "PLACE/trained/model"),
    "eval accuracy": ("eval", "accuracy", "offline", "PLACE/faces", "-o", "PLACE/scored"),
    "eval transfer": ("eval", "transfer", "offline", "PLACE/faces", "-o", "PLACE/transferred"),
    "eval rescore": ("eval", "rescore", "PLACE/scored"),
    "eval compare": ("eval", "compare", "PLACE/scored", "PLACE/scored"),
    "eval report": ("eval", "report", "PLACE/scored", "-o", "PLACE/page.html"),
    "eval cot": ("eval", "cot", "offline", "PLACE/faces", "-o", "PLACE/explained"),
    "eval ladder": ("eval", "ladder", "PLACE/texts.jsonl", "-o", "PLACE/ladder"),
    "eval ablate": ("eval", "ablate", RECIPE, "--dry-run"),
    "train": ("train", RECIPE, "train.precision=fp32", "--dry-run"),
}
"""A call of each command; those that `test_every_command_is_called` names are in their own files."""


def words(place: Path, name: str) -> list[str]:
    """The call of a command."""
    return [str(word).replace("PLACE", str(place)) for word in CALLS[name]]


def test_every_command_is_called() -> None:
    elsewhere = {"eval calibrate", "model calibrate", "model import", "model merge", "video"}
    assert {name for name, _ in commands()} - set(CALLS) - elsewhere == set(WITHOUT)


@pytest.mark.parametrize("name", CALLS)
def test_standard_output_holds_json_and_nothing_else(place: Path, name: str) -> None:
    told, done = call(*words(place, name)), call(*words(place, name), "--json")
    assert told.code == done.code == 0, done.err
    assert told.out != done.out
    found = json.loads(done.out, parse_constant=forbidden)
    assert found
    assert done.complaints == told.complaints


def forbidden(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def value(place: Path, name: str) -> Any:
    return json.loads(call(*words(place, name), "--json").out)


def test_the_figures_are_those_that_are_printed(place: Path) -> None:
    assert value(place, "cot make")["status"] == {"resolved": 2}
    assert value(place, "cot export")["explanations"] == 2
    audit = value(place, "cot audit")
    assert (audit["texts"], sum(audit["verdicts"].values())) == (2, audit["claims"])
    shown = value(place, "cot show")
    assert (shown["sample"], shown["record"]["status"]) == ("happiness/a.jpg", "resolved")
    assert [one["kind"] for one in shown["talks"][0]].count("verdict") > 0
    assert [unit["number"] for unit in value(place, "aus --list")] == [*range(1, 25), *[None] * 7]
    assert [row["status"] for row in value(place, "analyze")] == ["ok"]
    assert value(place, "doctor")["well"] is True
    assert value(place, "eval report")["runs"] == 1
    variants = value(place, "eval ablate")
    assert {row["table"] for row in variants["variants"]} == {"IV", "V"}
    plan = value(place, "train")
    stage = plan["stages"][0]
    assert stage["memory"]["total"] == sum(
        stage["memory"][part] for part in ("weights", "learned", "kept", "logits")
    )
    assert stage["seconds"] > 0


def test_json_and_another_format_contradict_each_other() -> None:
    done = call("aus", ASTRONAUT, "--json", "--format", "csv")
    assert (done.code, done.complaints) == (
        2, ["expllm: --json and --format csv exclude each other"],
    )  # fmt: skip


def test_names_that_are_not_utf8_and_figures_that_are_none_stay_json(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    print_json({"name": "a\udcff é", "shares": (0.5, math.nan), "least": -math.inf})
    out = capfdbinary.readouterr().out
    assert "é".encode() in out
    found = json.loads(out, parse_constant=forbidden)
    assert found == {"name": "a\udcff é", "shares": [0.5, None], "least": None}


@pytest.mark.parametrize("option", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("name", CALLS)
def test_a_reader_that_leaves_early_is_no_error(place: Path, name: str, option: tuple[str, ...]) -> None:
    """`expllm ... | head`: the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = call(*words(place, name), *option, stdout=pipe)
    assert done.code == 0
    assert [line for line in done.complaints if "explanations in" not in line] == []


@pytest.mark.parametrize("name", CALLS)
def test_a_full_standard_output_is_one_line(place: Path, name: str) -> None:
    with open("/dev/full", "wb") as full:
        done = call(*words(place, name), "--json", stdout=full)
    advice = "the disk is full; free some space or choose another place"
    assert done.code == 1
    assert done.complaints[-1] == f"expllm: cannot write to standard output: {advice}"
