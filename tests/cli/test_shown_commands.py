"""README and docs show commands, options and choices that exist; and those commands that can do run."""

import ast
import re
import shutil
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

import pytest
import typer.main
from calling import Result, call
from conftest import ASTRONAUT
from PIL import Image
from randommodels import run_with_model
from shown import (
    CANNOT_RUN,
    HISTORY,
    PAGES,
    PYTHON_CANNOT_RUN,
    ROOT,
    Shown,
    calls,
    named,
    python_blocks,
    shown_commands,
)

from expllm.cli.main import app

COMMANDS = list(shown_commands())
RUNNABLE = [one for one in COMMANDS if one.whole and one.obstacle is None and one.page not in HISTORY]


def command_of(words: tuple[str, ...]) -> tuple[Any, list[str]]:
    """The command that words name, and the words behind it; groups are followed down."""
    found: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(found, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in found.commands, f"no command {rest[0]!r}: there are {', '.join(found.commands)}"
        found = found.commands[rest.pop(0)]
    return found, rest


def values(command: Any, rest: list[str]) -> Iterator[tuple[Any, str]]:
    """The options among words, each with its value; "" for a flag."""
    options = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts)}
    place = 0
    while place < len(rest):
        name, equals, value = rest[place].partition("=")
        place += 1
        if re.fullmatch(r"--?[a-z][\w-]*", name) and name not in ("-h", "--help"):
            assert name in options, f"no option {name}: there are {', '.join(options)}"
            if not equals and not options[name].is_flag and place < len(rest):
                value, place = rest[place], place + 1
            yield options[name], value


def check_choice(option: Any, value: str) -> None:
    """A value is one of those that the option's own help names: `row|skip|error`, `chat:NAME`."""
    choices = (option.metavar or "").split("|")
    words = [choice for choice in choices if choice != choice.upper()]
    if len(choices) < 2 or not value or len(words) < len([c for c in choices if not c.isdecimal()]):
        return  # some of the choices are names of the user's own
    patterns = (re.sub("[A-Z]+", ".+", choice) for choice in choices)
    assert any(re.fullmatch(pattern, value) for pattern in patterns), f"{option.opts[0]} {value}"


@pytest.mark.parametrize("page", ["Makefile", "Dockerfile"])
def test_python_of_the_installation_finds_its_names(page: str) -> None:
    """A renamed module would stop everybody's first minute: an installation calls it once by `python -c`."""
    snippets = re.findall(r'python -c "(.+?)"', (ROOT / page).read_text())
    assert snippets
    for snippet in snippets:
        tree = ast.parse(snippet)
        modules: dict[str, Any] = {}
        exec(ast.unparse(tree.body[0]), modules)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                getattr(modules[node.value.id], node.attr)


@pytest.mark.parametrize("shown", COMMANDS, ids=lambda one: f"{one.page}: {one.line}")
def test_shown_commands_exist(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLLM_LICENCE", "any")  # a parsed --licence is kept there until the command ends
    command, rest = command_of(shown.words)
    for option, value in values(command, rest):
        if not value.isupper():  # the place of a value, such as RUN
            check_choice(option, value)
    if shown.whole and not hasattr(command, "commands"):
        command.make_context(command.name, rest)  # also raises for a missing argument, or one too many


@pytest.mark.parametrize(
    "words",
    [
        "analyse photo.jpg", "eval acuracy compact x", "analyze a.jpg --no-such-option",
        "cot make faces -o run --verify perhaps", "eval report run --faces all", "model show a b c",
    ],
)  # fmt: skip
def test_a_wrong_command_would_be_noticed(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, typer.TyperException)):
        test_shown_commands_exist(Shown("a page", tuple(words.split()), True), monkeypatch)


def test_pipes_and_variables_are_no_part_of_a_call() -> None:
    assert list(calls("cat a.jpg | KEY=x expllm analyze - --format json > b.json")) == [
        ["analyze", "-", "--format", "json"]
    ]


def test_each_reason_is_needed_and_most_commands_run() -> None:
    shown = [one for one in COMMANDS if one.whole and one.page not in HISTORY]
    idle = [
        why for pattern, why in CANNOT_RUN.items() if not any(re.search(pattern, one.line) for one in shown)
    ]
    assert idle == []
    assert len(RUNNABLE) > len(shown) / 3
    code = "\n".join(block for _, blocks in python_blocks() for block in blocks)
    assert [words for words in PYTHON_CANNOT_RUN if words not in code] == []


SCRIPT = re.compile(r"(?:python|sh) ((?:scripts|benchmarks|recipes|tests)/[\w/.]+)")


def test_shown_scripts_exist() -> None:
    for page in PAGES:
        for script in SCRIPT.findall(page.read_text(encoding="utf-8")):
            assert (ROOT / script).exists(), f"{named(page)}: {script}"


def test_shown_targets_of_make_exist() -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        if named(page) not in HISTORY:
            text = page.read_text(encoding="utf-8")
            for target in re.findall(r"(?:`|^|\$ )make ([a-z][a-z-]*)", text, re.MULTILINE):
                assert re.search(rf"^{target}:", rules, re.MULTILINE), f"{named(page)}: make {target}"


def test_recipes_that_are_shown_exist() -> None:
    for shown in COMMANDS:
        for word in shown.words:
            if word.startswith("recipes/"):
                assert (ROOT / word).is_file(), shown


PLACEHOLDERS = {"FILE": "texts.jsonl", "ID": "happiness/a.jpg", "group.jpg": "photo.jpg"}
"""Words of the docs that stand for something of the reader's own, and what stands for them here."""
EVALUATIONS = ("rafdb", "expw", "cot", "other", "ferplus", "portraits", "texts")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the names that the docs use stand for something: pictures, tables, runs, models."""
    path = tmp_path_factory.mktemp("docs")
    for name in ("examples", "recipes"):
        (path / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        lay_out_pictures(path)
        done("cot", "make", "DATASET", "-o", "RUN")
        done("cot", "export", "RUN", "--to", "jsonl", "-o", "texts.jsonl")
        done("cot", "export", "RUN", "--to", "released", "-o", "released.json")
        done("aus", "photo.jpg", "--columns", "openface", "-o", "openface.csv")
        done("eval", "accuracy", "offline", "DATASET", "-o", "runs/eval/rafdb")
        for name in EVALUATIONS[1:]:
            shutil.copytree(path / "runs" / "eval" / "rafdb", path / "runs" / "eval" / name)
        shutil.copytree(path / "runs" / "eval" / "rafdb", path / "EVALUATION")
    for name in ("mine", "rafdb"):
        run_with_model(path / "runs" / name)
    (path / "runs" / "mine" / "2-instruct").symlink_to(path / "runs" / "mine")
    return path


def lay_out_pictures(path: Path) -> None:
    face = Image.open(ASTRONAUT).convert("RGB").crop((120, 20, 340, 240))
    for name in ("photo.jpg", "a.jpg", "b.jpg", "selfie.png", "face.png"):
        face.save(path / name)
    sets = (
        "DATASET/happiness/a.jpg",
        "DATASET/sadness/b.jpg",
        "faces/happiness/anna/1.jpg",
        "faces/sadness/b.jpg",
    )
    for name in ("holiday/1.jpg", "album/1.jpg", "scans/1.png", *sets):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        face.save(path / name)


def done(*words: str, stdin: bytes = b"") -> Result:
    """A call that ends well."""
    result = call(*words, stdin=stdin)
    assert result.code == 0, (words, result.err)
    return result


def spread(words: tuple[str, ...]) -> Iterator[str]:
    """Words as a shell gives them: placeholders filled, `runs/eval/*` spread out."""
    for word in words:
        filled = PLACEHOLDERS.get(word, word)
        yield from sorted(glob(filled)) if "*" in filled and not filled.endswith(("jpg", "png")) else [filled]


@pytest.mark.slow
@pytest.mark.parametrize("shown", RUNNABLE, ids=lambda one: f"{one.page}: {one.line}")
def test_shown_commands_run(place: Path, monkeypatch: pytest.MonkeyPatch, shown: Shown) -> None:
    monkeypatch.chdir(place)
    words = list(spread(shown.words))
    if words[:2] == ["eval", "rescore"] and words[2] == "RUN":
        words[2] = "EVALUATION"
    done(*words, stdin=ASTRONAUT.read_bytes() if "-" in words else b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "blocks"), list(python_blocks()), ids=lambda one: one if isinstance(one, str) else ""
)
def test_shown_python_runs(
    place: Path, monkeypatch: pytest.MonkeyPatch, page: str, blocks: list[str]
) -> None:
    """The examples of a page in order, as somebody would type them one after the other."""
    monkeypatch.chdir(place)
    names: dict[str, Any] = {}
    for block in blocks:
        code = compile(block, page, "exec")
        if not any(words in block for words in PYTHON_CANNOT_RUN):
            exec(code, names)
