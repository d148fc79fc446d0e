"""The docs say what the code does: generated parts, links, command lines, the bundled example."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from expllm.cli.main import app
from expllm.faces import AU_NAMES
from expllm.predict import Predictor
from expllm.records import FaceAnalysis

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
FENCED = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
END_OF_COMMAND = ("|", "||", "&&", ";", ">", "2>", ">>", "<")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def shown_commands() -> Iterator[Any]:
    """Every line of a shell block that calls `expllm`, as (page, words after the program's name)."""
    for page in PAGES:
        for block in FENCED.finditer(page.read_text(encoding="utf-8")):
            if block["language"] not in ("sh", "bash", "console"):
                continue
            for line in block["code"].replace("\\\n", " ").splitlines():
                for words in calls(line):
                    yield pytest.param(words, id=f"{named(page)}: {shlex.join(words)}")


def calls(line: str) -> Iterator[list[str]]:
    """The calls of `expllm` in a line: `cat a | expllm analyze - > b` has one."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in END_OF_COMMAND:
            words.append(word)
            continue
        while words and words[0] in ("$", "!"):
            words.pop(0)
        if words and Path(words[0]).name == "expllm":
            yield words[1:]
        words = []


def test_generated_parts_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "make_docs.py"), "--check"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page: Path) -> None:
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    targets = [found["target"] for found in LINK.finditer(prose)]
    relative = [t.partition("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert [t for t in relative if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("words", list(shown_commands()))
def test_shown_commands_parse(words: list[str]) -> None:
    group: Any = typer.main.get_command(app)
    if words[0].startswith("-"):
        group.make_context("expllm", words, resilient_parsing=True)
        return
    assert words[0] in group.commands
    command = group.commands[words[0]]
    command.make_context(words[0], words[1:])  # raises for an option that does not exist


def test_a_wrong_option_would_be_noticed() -> None:
    group: Any = typer.main.get_command(app)
    with pytest.raises(typer.TyperException, match="--no-such-option"):
        group.commands["analyze"].make_context("analyze", ["a.jpg", "--no-such-option"])
    assert list(calls("cat a.jpg | expllm analyze - --format json > b.json")) == [
        ["analyze", "-", "--format", "json"]
    ]


def test_the_example_is_what_the_reader_reads_now() -> None:
    kept = FaceAnalysis.from_json((ROOT / "docs" / "example.json").read_text(encoding="utf-8"))
    with Predictor() as predictor:
        (found,) = predictor.analyze(ROOT / kept.input)
    assert kept.aus is not None
    assert found.aus is not None
    assert found.aus.measured == kept.aus.measured
    for name in AU_NAMES:
        assert found.aus[name] == pytest.approx(kept.aus[name], abs=0.02), name
    assert found.expression == kept.expression
