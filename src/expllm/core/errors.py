"""Everything that ExpLLM raises on purpose.

A message says what is wrong, where, and what to do. The command line prints it in one line and
leaves with the error's exit code; a Python caller catches [`ExpllmError`][expllm.core.errors.ExpllmError]
or one of its children.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What `expllm` returns to the shell."""

    DONE = 0
    FAILURE = 1
    USAGE = 2
    SOME_INPUTS_FAILED = 3
    NO_FACE = 4
    MISSING_WEIGHTS = 5
    ALARM = 6
    INTERRUPTED = 130


class ExpllmError(Exception):
    """The base of every error of this package."""

    exit_code = ExitCode.FAILURE

    @property
    def line(self) -> str:
        """The message as one printable line: control characters and line breaks are escaped."""
        return one_line(str(self))


class UsageError(ExpllmError):
    """An option or argument makes no sense."""

    exit_code = ExitCode.USAGE


class VocabularyError(ExpllmError, ValueError):
    """An action unit, expression or intensity that the vocabulary does not know."""


class RecordError(ExpllmError, ValueError):
    """A record (JSON, CSV row) is not what its format says."""


class ImageError(ExpllmError):
    """A picture cannot be read; the message names the input."""


class VideoError(ExpllmError):
    """A video cannot be read; the message names the input."""


class NoFaceError(ExpllmError):
    """No face was found and the caller asked for an error in that case."""

    exit_code = ExitCode.NO_FACE


class MissingWeights(ExpllmError):  # noqa: N818 - named for what is missing
    """A model file is neither on disk nor obtainable, or is not the file that was expected."""

    exit_code = ExitCode.MISSING_WEIGHTS


class MissingDependency(ExpllmError):  # noqa: N818
    """A Python extra or a system library is not installed."""


class MissingData(ExpllmError):  # noqa: N818
    """A data set, or a file that it needs, is not where it was looked for."""


class OutputError(ExpllmError):
    """A result cannot be written: disk full, folder missing, no permission."""


def one_line(text: str) -> str:
    """`text` without control characters or line breaks, so that it cannot break a log or a terminal.

    >>> one_line("a\\nb")
    'a\\\\nb'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text
    )
