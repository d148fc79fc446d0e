"""One check of `expllm doctor`."""

from dataclasses import dataclass
from typing import Any

from expllm.core.errors import ExitCode
from expllm.core.packages import distribution, is_installed, remedy


@dataclass(frozen=True)
class Finding:
    """A check, its result, and how to fix it.

    Attributes:
        state: `ok`; `optional` (missing, but only some commands need it); `wrong`.
    """

    subject: str
    state: str
    text: str
    fix: str = ""
    exit_code: ExitCode = ExitCode.FAILURE

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"subject": self.subject, "state": self.state, "text": self.text, "remedy": self.fix}


def package_finding(module: str, absent: str, needed_for: str = "") -> Finding:
    """The version of a package, or how to install it.

    Args:
        absent: The state where it is not installed.
        needed_for: What it is needed for.
    """
    from importlib.metadata import PackageNotFoundError, version

    name = distribution(module)
    try:
        if is_installed(module):
            return Finding(name, "ok", version(name))
    except PackageNotFoundError:  # a folder of that name that no installer wrote
        return Finding(name, "ok", "of an unknown version")
    why = f"; {needed_for}" if needed_for else ""
    return Finding(name, absent, f"not installed{why}", remedy(module).strip('"'))
