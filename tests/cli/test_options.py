"""Options of all commands: one meaning each, groups in long helps, old names with a warning."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from calling import call
from test_every_command import commands

from expllm.cli.command import RENAMED_OPTIONS, group_of

MOST_IN_SIGHT = 12
SEVERAL = {
    "--columns", "--dry-run", "--dtype", "--json", "--judge", "--key-env", "--labels", "--limit",
    "--max-new-tokens", "--model", "--no-explain", "--output", "--quiet", "--ray", "--seed", "--temperature",
    "--timeout", "--to", "--verbose", "--workers",
}  # fmt: skip
"""Options whose help differs between commands, for a reason: what they are for stands in it."""


@pytest.mark.parametrize(
    ("name", "command"), [*commands()], ids=lambda one: one if isinstance(one, str) else ""
)
def test_few_options_come_before_the_groups(name: str, command: Any) -> None:
    shown = [
        one for one in command.params if group_of(one) == "Options" and not getattr(one, "hidden", False)
    ]
    assert len(shown) + 1 <= MOST_IN_SIGHT  # with --help


def test_an_option_means_the_same_everywhere() -> None:
    helps: dict[str, set[str]] = defaultdict(set)
    for _, command in commands():
        for one in command.params:
            if one.param_type_name == "option" and one.opts[0].startswith("--"):
                helps[one.opts[0]].add(one.help or "")
    assert {name for name, texts in helps.items() if len(texts) > 1} <= SEVERAL


def test_the_groups_stand_in_the_help() -> None:
    done = call("analyze", "--help")
    assert done.code == 0
    order = [
        "Arguments:",
        "Options:",
        "Trained models:",
        "Chat models and servers:",
        "Faces and action units:",
    ]
    places = [done.out.index(f"\n{heading}\n") for heading in order]
    assert places[:2] == sorted(places[:2])
    assert min(places[2:]) > places[1]
    assert "<blendshapes|pixels|both>" in done.out
    assert "auto|cpu|cuda[:N]|mps" in done.out


def test_an_old_name_works_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for old, new in (
        ("--batch", "--batch-size"),
        ("--batch=", "--batch-size"),
        ("--max-tokens", "--max-new-tokens"),
    ):
        given = (f"{old}2",) if old.endswith("=") else (old, "2")
        done = call("eval", "accuracy", "rules", tmp_path / "empty", *given)
        warning = (
            f"expllm: warning: {old.rstrip('=')} is called {new} now; the old name goes with the next release"
        )
        assert done.complaints[0] == warning
        assert "No such option" not in done.err


def test_an_old_name_is_not_taken_where_it_means_something_else() -> None:
    done = call("aus", "--mirrored", "--list")
    assert (done.code, done.complaints) == (0, [])
    assert "No such option" in call("data", "check", "--batch", "2").err
    assert set(RENAMED_OPTIONS) >= {"--batch", "--max-tokens"}


def test_an_old_flag_is_a_value_of_its_option_now() -> None:
    old, new = (
        call("eval", "cot", "compact", "nowhere", *said) for said in (("--no-hint",), ("--hint", "none"))
    )
    warning, *rest = old.err.splitlines()
    assert warning.endswith("--no-hint is called --hint=none now; the old name goes with the next release")
    assert (old.code, rest) == (new.code, new.err.splitlines())


def test_a_word_that_is_no_choice_is_one_line() -> None:
    done = call("analyze", "x.jpg", "--on-no-face", "shrug")
    line = "expllm: Invalid value for '--on-no-face': 'shrug' is not one of 'row', 'skip', 'error'. "
    assert (done.code, done.complaints) == (2, [f"{line}(see 'expllm --help')"])
    assert call("analyze", "x.jpg", "--device", "gpu").complaints == [
        "expllm: --device is 'gpu': use auto, cpu, cuda, cuda:N or mps"
    ]


def test_shells_complete_commands() -> None:
    environment = {
        **os.environ, "_EXPLLM_COMPLETE": "complete_bash", "COMP_WORDS": "expllm mod", "COMP_CWORD": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "expllm"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["model", "models"]


def test_environment_variables_stand_in_the_epilog() -> None:
    out = call("--help").out
    for name in ("EXPLLM_MODEL", "EXPLLM_LICENCE", "EXPLLM_DATA", "EXPLLM_SETTINGS", "OPENAI_API_KEY"):
        assert re.search(rf"^ +{name}  ", out, re.M)


def test_a_command_at_its_old_place_says_where_it_is_now() -> None:
    old, new = (call(group, "calibrate", "rules", "FACES") for group in ("eval", "model"))
    warning, *rest = old.err.splitlines()
    assert warning.startswith("expllm: warning: eval calibrate is called model calibrate now")
    assert (old.code, rest) == (new.code, new.err.splitlines()) == (2, rest)
