"""A run's folder: begun once, resumed with the same settings, held by one process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from expllm.core.errors import OutputError
from expllm.files.runs import NoRun, RunError, RunFolder


def begun(tmp_path: Path, **settings: object) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        folder.begin({"expllm": "1", **settings})
    return folder


def test_settings_come_back(tmp_path: Path) -> None:
    assert begun(tmp_path, model="m").settings() == {"format": 1, "expllm": "1", "model": "m"}


def test_no_run_says_how_to_begin_one(tmp_path: Path) -> None:
    with pytest.raises(NoRun, match="expllm cot make"):
        RunFolder(tmp_path).settings()


def test_another_setting_is_refused_unless_it_may_change(tmp_path: Path) -> None:
    folder = begun(tmp_path, model="m", base_url="http://a")
    with pytest.raises(RunError, match='model "m", not "n"'):
        folder.resume({"model": "n"})
    folder.resume({"model": "m", "base_url": "http://b"}, frozenset({"base_url"}))
    assert folder.settings()["base_url"] == "http://b"


def test_a_run_of_another_version_is_named(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.settings_file.write_text(json.dumps({"format": 99, "expllm": "9.1"}))
    with pytest.raises(RunError, match=r"format 99, made by expllm 9\.1"):
        folder.settings()


def test_torn_settings_are_an_error(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.settings_file.write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        folder.settings()


def test_a_second_process_is_refused_and_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from expllm.files.runs import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    folder = RunFolder(tmp_path / "run")
    command = [sys.executable, "-c", code, str(folder.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"process {other.pid} is at work"), folder.locked():
            pass
        other.kill()
    with folder.locked():
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="choose another folder"),
        RunFolder(tmp_path / "file" / "run").locked(),
    ):
        pass
