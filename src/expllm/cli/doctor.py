"""`expllm doctor`: dependencies and model files, checked one by one, with suggested fixes."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Final

import typer

from expllm.cli.doctor_model import model_packages, the_model
from expllm.cli.ending import Ending, leave
from expllm.cli.figures import JsonOption, print_json
from expllm.cli.finding import Finding, package_finding
from expllm.cli.terminal import keep_stderr_to_ourselves
from expllm.core.errors import ExpllmError
from expllm.core.packages import CORE, SERVER, distribution

PACKAGES: Final = tuple(sorted(map(distribution, CORE)))


def doctor(
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="NAME",
            help="Check one model instead: compact, paper, another preset, hf:REPO, or a folder.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Check dependencies and model files, and suggest fixes.

    The default model (EXPLLM_MODEL, else compact) is loaded and run once. With --model: which of its
    weights are present or missing, their size, and the memory that the model needs. Nothing is
    downloaded. Exit code 5: weights are missing or damaged.
    """
    keep_stderr_to_ourselves()
    figures: dict[str, Any] = {}
    if model is None:
        findings = [finding for check in CHECKS for finding in check()]
    else:
        from expllm.cli.doctor_weights import examined_model

        found = examined_model(model)
        findings, figures = found.findings, found.figures
    wrong = [finding for finding in findings if finding.state == "wrong"]
    if as_json:
        rows = [finding.to_dict() for finding in findings]
        print_json({"well": not wrong, "findings": rows, **figures})
    else:
        _print(findings)
    if wrong:
        worst = max(finding.exit_code for finding in wrong)
        leave(Ending(worst, f"{len(wrong)} problem(s): {', '.join(one.subject for one in wrong)}"))


def _print(findings: Sequence[Finding]) -> None:
    marks = {"ok": "ok      ", "optional": "optional", "wrong": "WRONG   "}
    width = max((len(finding.subject) for finding in findings), default=0)
    for finding in findings:
        typer.echo(f"{marks[finding.state]}  {finding.subject:<{width}}  {finding.text}")
        if finding.fix:
            typer.echo(f"{'':8}  {'':{width}}  -> {finding.fix}")
    wrong = sum(finding.state == "wrong" for finding in findings)
    typer.echo(f"{wrong} problem(s) found." if wrong else "No problems found.")


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    fix = "" if fits else "use Python 3.11, 3.12 or 3.13"
    yield Finding("Python", "ok" if fits else "wrong", f"{version} ({sys.executable})", fix)


def _packages() -> Iterator[Finding]:
    yield from (package_finding(package, "wrong") for package in CORE)
    yield package_finding("onnxruntime", "optional", "only --detector FILE.onnx needs it")
    yield package_finding("pillow_heif", "optional", "only HEIC pictures need it")
    yield package_finding("ray", "optional", "only the option --ray needs it")
    yield from (package_finding(module, "optional", "only 'expllm serve' needs it") for module in SERVER)


def _system_libraries() -> Iterator[Finding]:
    from expllm.files.native import load_mediapipe

    try:
        load_mediapipe()
    except ExpllmError as error:
        what, _, fix = error.line.partition(": run ")
        yield Finding("system libraries", "wrong", what, fix.strip("'"))
    else:
        yield Finding("system libraries", "ok", "libGL, libEGL, libGLESv2, libglib")


def _model_file() -> Iterator[Finding]:
    from expllm.files.weights import FACE_LANDMARKER, locate

    try:
        path = locate(FACE_LANDMARKER)
    except ExpllmError as error:
        yield Finding("face landmarker", "wrong", error.line, exit_code=error.exit_code)
    else:
        yield Finding("face landmarker", "ok", f"{path}, SHA-256 checked, {FACE_LANDMARKER.licence}")


def _assets() -> Iterator[Finding]:
    from expllm.core.vocabulary import AU_NAMES
    from expllm.faces.au_classifier import FITTED, AUClassifier
    from expllm.faces.au_reader import BlendshapeReader

    try:
        reader = BlendshapeReader()
        classifiers = [AUClassifier.from_asset(source=source).identity for source in FITTED]
    except (ExpllmError, OSError) as error:
        yield Finding("calibration", "wrong", str(error), "pip install --force-reinstall expllm")
    else:
        measured = len(reader.measured)
        text = f"{reader.identity}: {measured} of {len(AU_NAMES)} units measured"
        yield Finding("AU calibration", "ok", text)
        yield Finding("AU classifier", "ok", ", ".join(classifiers))


def _settings() -> Iterator[Finding]:
    """The settings file, and whether the folders that it names are there."""
    from expllm.files.settings import user_settings

    try:
        found = user_settings()
    except ExpllmError as error:
        yield Finding("settings", "wrong", error.line, "correct this file or remove it", error.exit_code)
        return
    if not found.exists:
        yield Finding("settings", "optional", f"{found.path} not found; it may name the folders of data sets")
        return
    roots = {"data_root": found.data_root, **{f"data.{name}": path for name, path in found.data.items()}}
    named = {key: path for key, path in roots.items() if path is not None}
    text = ", ".join(f"{key} = {path}" for key, path in named.items()) or "empty"
    yield Finding("settings", "ok", f"{found.path}: {text}")
    for key, path in named.items():
        # A data set's own place may also be the beginning of the names of its Parquet files.
        if not path.exists() and not (key != "data_root" and any(path.parent.glob(f"{path.name}*.parquet"))):
            yield Finding("settings", "wrong", f"{key}: {path} does not exist", f"correct it in {found.path}")


def _run_through() -> Iterator[Finding]:
    """Opens the models and looks at an empty picture: no face, no error."""
    import numpy as np

    from expllm.predict.predictor import Predictor

    try:
        with Predictor() as predictor:
            faces = predictor.analyze(np.zeros((64, 64, 3), np.uint8))
    except (ExpllmError, RuntimeError, OSError) as error:
        yield Finding("trial run", "wrong", str(error), "fix the problems above, then try again")
    else:
        yield Finding("trial run", "ok", f"{len(faces)} faces found in a blank image")


CHECKS: Final[tuple[Callable[[], Iterator[Finding]], ...]] = (
    _python,
    _packages,
    _system_libraries,
    _model_file,
    _assets,
    _settings,
    model_packages,
    the_model,
    _run_through,
)
