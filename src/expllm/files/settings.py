"""The user's settings file: where data sets lie on this machine.

`$EXPLLM_SETTINGS`, else `$XDG_CONFIG_HOME/expllm/settings.toml`, else `~/.config/expllm/settings.toml`:

    data_root = "~/data"              # the folder in which data sets lie

    [data]
    ferplus = "/mnt/disk2/ferplus"    # one that lies elsewhere: itself, or the folder that holds it
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import UsageError

SETTINGS_VARIABLE: Final = "EXPLLM_SETTINGS"
KEYS: Final = ("data_root", "data")
NO_HOME: Final = Path("/nonexistent")


@dataclass(frozen=True)
class UserSettings:
    """What the file says.

    Attributes:
        path: The file.
        exists: False where there is none: then nothing is set.
        data_root: The folder in which data sets lie.
        data: Name of a data set -> where it lies, or the folder that holds it.
    """

    path: Path
    exists: bool = False
    data_root: Path | None = None
    data: Mapping[str, Path] = field(default_factory=dict)


def settings_path() -> Path:
    """Where the file is, whether it exists or not."""
    if chosen := os.environ.get(SETTINGS_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else home() / ".config") / "expllm" / "settings.toml"


def home() -> Path:
    """The user's home folder; one that does not exist for a user who has none, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return NO_HOME


def user_settings() -> UserSettings:
    """What the user has set; without a file, nothing.

    Raises:
        UsageError: `EXPLLM_SETTINGS` names no file, or the file is no TOML, has an unknown key or a value of
            the wrong type.
    """
    path = settings_path()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if os.environ.get(SETTINGS_VARIABLE):
            raise UsageError(f"{path}: {SETTINGS_VARIABLE} names this file, and it does not exist") from None
        return UserSettings(path)
    except OSError as error:
        raise UsageError(f"{path}: the settings cannot be read ({error.strerror})") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise UsageError(f"{path}: the settings are no TOML: {error}") from None
    for key in found:
        if key not in KEYS:
            raise UsageError(f"{path}: unknown key {key!r}: {_nearest(key)}")
    roots = found.get("data", {})
    if not isinstance(roots, dict):
        raise UsageError(f"{path}: data is {roots!r}: write a table, [data], with one line a data set")
    root = found.get("data_root")
    return UserSettings(
        path, True, None if root is None else _folder(path, "data_root", root),
        {name: _folder(path, f"data.{name}", value) for name, value in roots.items()},
    )  # fmt: skip


def _folder(settings: Path, key: str, value: Any) -> Path:
    """A relative path counts from the file's own folder: the working directory is another one every time."""
    if not isinstance(value, str) or not value:
        raise UsageError(f'{settings}: {key} is {value!r}: write a path in quotes, such as "~/data"')
    try:
        return settings.parent / Path(value).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{settings}: {key} is {value!r}: {error}: write the whole path") from None


def _nearest(key: str) -> str:
    close = get_close_matches(key, KEYS, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {' and '.join(KEYS)}"
