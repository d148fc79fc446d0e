"""A run's folder: its settings, its lock, and the files that it holds.

Settings are written once, before any work, and compared when a run is resumed: what a run was begun with
cannot change under it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from expllm.core.errors import ExitCode, ExpllmError, OutputError
from expllm.files.atomic import write_json

_FORMAT: Final = 1
"""Format of a run's folder; a folder of another format is refused, not guessed at."""


SHOWN: Final = 160
"""Most characters of a setting in a message: a path and a SHA-256 are to be seen whole."""


class RunError(ExpllmError):
    """A run's folder is in use, of another version, or was begun with other settings."""


class NoRun(RunError):  # noqa: N818
    """The folder holds no run."""

    exit_code = ExitCode.USAGE


class RunFolder:
    """The folder of a run.

    Args:
        path: The folder; made when the run begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def settings_file(self) -> Path:
        return self.path / "run.json"

    @property
    def exists(self) -> bool:
        return self.settings_file.is_file()

    def journals(self) -> list[Path]:
        """Every journal of the run; that of its second pass is the last."""
        second = self.second_journal
        return [*self.first_journals(), *([second] if second.is_file() else [])]

    def first_journals(self) -> list[Path]:
        """Those of the first pass: the run's own, and those of the workers of a cluster."""
        return sorted(self.path.glob("journal*.sqlite"))

    @property
    def second_journal(self) -> Path:
        """The journal of the samples that are tried again without their label."""
        return self.path / "second_pass.sqlite"

    @property
    def journal(self) -> Path:
        """The journal of a run on one machine."""
        return self.path / "journal.sqlite"

    def shard_journal(self, index: int) -> Path:
        """The journal of one worker of a cluster."""
        return self.path / f"journal-{index:04d}.sqlite"

    def settings(self) -> dict[str, Any]:
        """What the run was begun with.

        Raises:
            NoRun: there is no run.
            RunError: it is of another version, or its settings cannot be read.
        """
        try:
            found = json.loads(self.settings_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NoRun(
                f"{self.path}: holds no run; 'expllm cot make DATASET -o {self.path}' begins one"
            ) from None
        except (OSError, ValueError) as error:
            raise RunError(f"{self.settings_file}: cannot be read ({error})") from None
        version = found.get("format") if isinstance(found, dict) else None
        if version != _FORMAT:
            raise RunError(
                f"{self.path}: of format {version}, made by expllm {found.get('expllm', 'unknown')}; "
                f"this is format {_FORMAT}: go on with that version, or choose another folder"
            )
        return dict(found)

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Writes the settings of a new run.

        Raises:
            OutputError: the folder cannot be made or written.
        """
        write_json(self.settings_file, {"format": _FORMAT, **settings})

    def resume(self, settings: Mapping[str, Any], changeable: frozenset[str] = frozenset()) -> None:
        """Compares with what the run was begun with; `changeable` settings are taken over.

        Raises:
            RunError: another setting differs.
        """
        begun = self.settings()
        for name, value in settings.items():
            if name not in changeable and begun.get(name) != value:
                raise RunError(
                    f"{self.path}: the run was begun with {name} {_short(begun.get(name))}, "
                    f"not {_short(value)}: go on with the same, or choose another folder"
                )
        merged = {**begun, **{name: settings[name] for name in changeable if name in settings}}
        if merged != begun:
            self.begin({name: value for name, value in merged.items() if name != "format"})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run for this process; the lock ends with the process, however it ends.

        Raises:
            OutputError: the folder cannot be made or written.
            RunError: another process works on it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        with held(self.path / "lock"):
            yield


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds a lock file for this process; the lock ends with the process, however it ends.

    Raises:
        OutputError: the file cannot be made.
        RunError: another process holds it.
    """
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise _unwritable(path.parent, error) from None
    with file:
        _lock(file, path.parent)
        yield


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written ({error.strerror}): choose another folder with -o")


def _lock(file: IO[str], path: Path) -> None:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read(40).strip() or "unknown"
        raise RunError(f"{path}: process {owner} is at work on this run: wait for it, or stop it") from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
