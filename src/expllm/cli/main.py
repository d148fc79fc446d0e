"""`expllm`: the group of commands, and the one place where errors become a line and an exit code."""

import os
import sys
import traceback
from typing import Annotated

import typer

from expllm import __version__
from expllm.cli import analyze, doctor
from expllm.errors import ExitCode, ExpllmError, one_line

EPILOG = (
    "Exit codes: 0 done, 1 failure, 2 usage, 3 done but some inputs failed, 4 no face anywhere, "
    "5 weights missing, 130 interrupted. Documentation: README.md and docs/."
)

app = typer.Typer(
    name="expllm",
    help="Facial expressions, explained through action units.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("analyze")(analyze.analyze)
app.command("aus")(analyze.aus)
app.command("doctor")(doctor.doctor)


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
    code = _call(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_pipe()
    sys.exit(code)


def _call(arguments: list[str] | None) -> int:
    try:
        return int(app(arguments, prog_name="expllm", standalone_mode=False) or ExitCode.DONE)
    except ExpllmError as error:
        return _complain(error.line, error.exit_code)
    except typer.TyperException as error:
        return _complain(f"{one_line(error.format_message())} (see 'expllm --help')", ExitCode.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:  # `expllm ... | head`: the reader has what it wanted
        _leave_pipe()
        return ExitCode.DONE
    except Exception as error:
        if os.environ.get("EXPLLM_DEBUG"):
            traceback.print_exc()
        what = f"{type(error).__name__}: {one_line(str(error))}"
        return _complain(
            f"internal error: {what} (please report it; EXPLLM_DEBUG=1 shows the traceback)", ExitCode.FAILURE
        )


def _complain(line: str, code: ExitCode) -> ExitCode:
    typer.echo(f"expllm: {line}", err=True)
    return code


def _leave_pipe() -> None:
    """Points stdout to nowhere, so that Python's own flush at exit stays quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    run()
