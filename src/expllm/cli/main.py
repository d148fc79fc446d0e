"""`expllm`: the group of commands, and the one place where errors become a line and an exit code."""

import errno
import os
import sys
import traceback
from functools import cache
from typing import Annotated, Any

import typer

from expllm import __version__
from expllm.cli import (
    analyze,
    cot,
    data,
    doctor,
    evaluate,
    evaluate_ablate,
    evaluate_cot,
    listings,
    model,
    model_calibrate,
    serve,
    train,
    video,
)
from expllm.cli.command import SETTINGS, Command
from expllm.cli.ending import complain
from expllm.cli.terminal import silence_libraries, take_stderr
from expllm.core.errors import ExitCode, ExpllmError, one_line
from expllm.core.licences import LICENCE_VARIABLE as LICENCE
from expllm.files.signals import unwind_on_signals

COMPLETION = "_EXPLLM_COMPLETE"
"""Set by the shell that asks for completions."""
EPILOG = """
Environment variables:

\b
  EXPLLM_MODEL      default model, as for --model
  EXPLLM_LICENCE    any or permissive, as for --licence
  EXPLLM_DATA       folder of the data sets, as for --data-root
  EXPLLM_PRICES     prices of chat models, as for --prices
  EXPLLM_SETTINGS   settings file, in place of the one in the user's configuration folder
  EXPLLM_DEBUG      1 prints tracebacks, warnings and the output of native libraries
  OPENAI_API_KEY    key of chat models (another variable: --key-env)
  OPENAI_BASE_URL   endpoint of chat models, as for --base-url
  HF_HOME           cache of the Hugging Face hub

Exit codes: 0 done, 1 failure, 2 usage error, 3 done but some inputs failed, 4 no face in any input, 5 weights
missing, 130 interrupted.

Documentation: README.md and docs/.
"""

app = typer.Typer(
    name="expllm",
    help="Facial expressions, explained through action units.",
    epilog=EPILOG,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=SETTINGS,
)
app.command("analyze", cls=Command, short_help="Explain faces: action units, text, expression.")(
    analyze.analyze_command
)
app.command("aus", cls=Command, short_help="Measure action units only.")(analyze.aus)
app.command("doctor", cls=Command, short_help="Check dependencies and model files, and suggest fixes.")(
    doctor.doctor
)
app.add_typer(cot.cot_app, name="cot")
app.add_typer(data.data_app, name="data")
app.add_typer(listings.datasets_app, name="datasets")
model.model_app.command(
    "calibrate", cls=Command, short_help="Fit a model's temperature on validation data, and save it."
)(model_calibrate.calibrate)
app.add_typer(model.model_app, name="model")
app.add_typer(listings.models_app, name="models")
evaluate.eval_app.command("calibrate", cls=Command, hidden=True)(model_calibrate.calibrate)
evaluate.eval_app.command(
    "ablate", cls=Command, short_help="Train a recipe with one setting changed at a time: Tables IV and V."
)(evaluate_ablate.ablate)
evaluate_cot.register(evaluate.eval_app)
app.add_typer(evaluate.eval_app, name="eval")
app.command("serve", cls=Command, short_help="Serve over HTTP: REST, and OpenAI's chat protocol.")(
    serve.serve
)
app.command("train", cls=Command, short_help="Train a model from a recipe.")(train.train_command)
app.command("video", cls=Command, short_help="Follow faces through videos: what moves, and when.")(
    video.video
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"expllm {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Facial expressions, explained through action units."""


def run(arguments: list[str] | None = None) -> None:
    """Runs a command line and leaves with its exit code."""
    _open_closed_streams()
    take_stderr()
    silence_libraries()
    if arguments is None:
        unwind_on_signals()
    given = sys.argv[1:] if arguments is None else arguments
    code = _call(given or ["--help"])
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _end_output(error)
    sys.exit(code if given else ExitCode.USAGE)


@cache
def _command() -> Any:
    """All commands, made once a process: that costs more than many a call of `run`."""
    return typer.main.get_command(app)


def _call(arguments: list[str]) -> int:
    command, licence = _command(), os.environ.get(LICENCE)
    if COMPLETION in os.environ:
        command.main(args=list(arguments), prog_name="expllm")
    try:
        # What `app()` does, less its own answers to Ctrl-C and to a closed pipe.
        with command.make_context("expllm", list(arguments)) as context:
            command.invoke(context)
        return ExitCode.DONE
    except typer.Exit as left:
        return left.exit_code
    except (Exception, KeyboardInterrupt) as error:
        return _answer(error)
    finally:  # what `--licence` settled ends with the call
        if licence is None:
            os.environ.pop(LICENCE, None)
        else:
            os.environ[LICENCE] = licence


def _answer(error: BaseException) -> ExitCode:
    """One line for what went wrong, if anyone needs it, and the exit code."""
    if isinstance(error, BrokenPipeError) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return _end_output(error)
    if isinstance(error, ExpllmError):
        complain(error.line)
        return error.exit_code
    if isinstance(error, typer.TyperException):
        what = error.format_message().replace("Value error, ", "")  # typer's own words for any conversion
        complain(f"{what} (see 'expllm --help')")
        return ExitCode.USAGE
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        complain("interrupted")
        return ExitCode.INTERRUPTED
    if os.environ.get("EXPLLM_DEBUG"):
        traceback.print_exception(error)
    complain(_unforeseen(error))
    return ExitCode.FAILURE


def _unforeseen(error: BaseException) -> str:
    """What to say of an error that no part of the program has taken: the machine's trouble, or our fault."""
    from expllm.core.packages import import_line

    if isinstance(error, ImportError) and (line := import_line(error)):
        return line
    if isinstance(error, OSError) and error.filename is not None:
        return f"{one_line(str(error.filename))}: {error.strerror}"
    what = f"{type(error).__name__}: {one_line(str(error))}"
    return f"internal error: {what} (please report it; EXPLLM_DEBUG=1 shows the traceback)"


def _end_output(error: BaseException) -> ExitCode:
    """Standard output takes no more: its reader has what it wanted (`expllm ... | head`), or it is full."""
    from expllm.files.atomic import discard_stdout, write_reason

    discard_stdout()
    if isinstance(error, BrokenPipeError):
        return ExitCode.DONE
    assert isinstance(error, OSError)
    where = "to standard output" if error.filename is None else one_line(str(error.filename))
    complain(f"cannot write {where}: {write_reason(error)}")
    return ExitCode.FAILURE


def _open_closed_streams() -> None:
    """Gives a process that was started without standard streams (`2>&-`) empty ones.

    Else the next files that are opened take their numbers, and native messages go into them.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)
            if nowhere > 2:
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


if __name__ == "__main__":
    run()
