"""A home folder that cannot be written to, or none at all, costs no line of another library and no run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from calling import call, checked, class_folders, process
from conftest import ASTRONAUT

from expllm.files.settings import NO_HOME, home

ENDINGS = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR", "HF_HOME")
"""Variables that say where a user's files lie."""


def homes(path: Path) -> dict[str, dict[str, str]]:
    """Ways in which nothing can be kept: name -> variables."""
    file = path / "file"
    file.write_text("")
    return {
        "no such home": {"HOME": "/proc/nobody"},
        "a home that is a file": {"HOME": str(file)},
        "caches that are a file": {name: str(file) for name in ENDINGS},
        "a cache below a file": {"HOME": "/proc/nobody", "XDG_CACHE_HOME": str(file / "cache")},
    }


def environment(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ENDINGS} | variables


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["no such home", "a home that is a file", "caches that are a file", "a cache below a file"]
)
def test_an_evaluation_with_plots(tmp_path: Path, name: str) -> None:
    """matplotlib keeps a list of fonts in the home folder, and would tell of its trouble."""
    faces = class_folders(tmp_path / "faces", {"happiness/a.jpg": ASTRONAUT.read_bytes()})
    run = ("eval", "accuracy", "offline", str(faces), "-o", str(tmp_path / "run"), "--plot")
    result = process(*run, env=environment(homes(tmp_path)[name]), cwd=tmp_path)
    assert (result.code, result.complaints) == (0, [])
    assert (tmp_path / "run" / "confusion.png").stat().st_size > 0


@pytest.mark.slow
def test_what_keeps_files_of_its_own(tmp_path: Path) -> None:
    """Found faces are kept in the cache, settings are read from it: neither stops a run."""
    variables = environment(homes(tmp_path)["caches that are a file"])
    faces = class_folders(tmp_path / "faces", {"happiness/a.jpg": ASTRONAUT.read_bytes()})
    for words in (
        ("analyze", str(ASTRONAUT), "-q"),
        ("cot", "make", str(faces), "-o", str(tmp_path / "run")),
    ):
        result = process(*words, env=variables, cwd=tmp_path)
        assert (result.code, result.complaints) == (0, []), words


@pytest.mark.slow  # without a cache the language model is unpacked each time
def test_the_model_that_ships(tmp_path: Path) -> None:
    variables = environment(homes(tmp_path)["caches that are a file"] | {"EXPLLM_MODEL": "compact"})
    result = process(
        "analyze", str(ASTRONAUT), "--no-explain", "--format", "jsonl", env=variables, cwd=tmp_path
    )
    assert (result.code, result.complaints) == (0, [])
    (face,) = result.analyses
    assert face.expression == "happiness"
    checked_by = process("doctor", "--json", env=variables, cwd=tmp_path)
    assert checked_by.code == 0, checked_by.err
    assert "cannot be written: it is unpacked at every start" in checked_by.out


def test_a_user_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container's user without an entry in the list of users: `~` means nothing."""
    import pwd

    def nobody(_: int) -> None:
        raise KeyError("uid not found")

    for name in ENDINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert home() == NO_HOME
    assert call("aus", ASTRONAUT, "--format", "csv").code == 0
    settings = tmp_path / "settings.toml"
    settings.write_text('data_root = "~/data"')
    monkeypatch.setenv("EXPLLM_SETTINGS", str(settings))
    done = call("eval", "accuracy", "offline", "nothing:test")
    assert (done.code, len(done.complaints)) == (2, 1)
    assert "write the whole path" in done.err


@pytest.mark.parametrize(("debug", "shown"), [("", 0), ("1", 2)])
def test_warnings_of_others_are_for_those_who_look_for_faults(debug: str, shown: int) -> None:
    code = (
        "import logging, warnings\nfrom expllm.cli import main\n"
        "def noisy(_):\n"
        "    logging.getLogger('some.library').warning('cannot write to your home')\n"
        "    warnings.warn('cannot write to your home')\n"
        "    return 0\n"
        "main._call = noisy\nmain.run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor"], capture_output=True, check=False,
        env=os.environ | {"EXPLLM_DEBUG": debug},
    )  # fmt: skip
    if debug:
        assert done.stderr.count(b"cannot write to your home") >= shown
    else:
        assert checked(done.returncode, done.stdout, done.stderr).complaints == []
