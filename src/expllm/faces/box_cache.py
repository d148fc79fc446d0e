"""The faces that were found in pictures, in an SQLite file: a data set is searched once."""

import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from expllm import __version__
from expllm.core.closing import Closing
from expllm.core.errors import MissingWeights, OutputError, RecordError
from expllm.core.records import Rect
from expllm.files.weights import FACE_LANDMARKER, cache_folder

_SCHEMA: Final = 1
WAIT_S: Final = 60.0
"""For another process that writes."""

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS boxes (
    picture BLOB NOT NULL, detector TEXT NOT NULL, boxes TEXT NOT NULL, PRIMARY KEY (picture, detector)
) WITHOUT ROWID
"""


def detector_identity(detector: str | os.PathLike[str] = "mediapipe") -> str:
    """What a box depends on beside its picture: the models, and the search of this version of ExpLLM.

    Args:
        detector: As for `FaceFinder`: `"mediapipe"`, or the path of a SCRFD file.

    Raises:
        MissingWeights: there is no such file.
    """
    models = [f"landmarks {FACE_LANDMARKER.sha256[:16]}"]
    if os.fspath(detector) != "mediapipe":
        try:
            models.append(f"scrfd {hashlib.sha256(Path(detector).read_bytes()).hexdigest()[:16]}")
        except OSError as error:
            raise MissingWeights(f"no detector at {os.fspath(detector)} ({error.strerror})") from None
    return f"expllm {__version__}, {', '.join(models)}"


class BoxCache(Closing):
    """All faces of a picture, by the SHA-256 of its bytes and by the detector.

    Several processes and threads may share the file, and an entry is on the disk when `put` returns. A
    process that is forked or spawned may use the object that it was given.

    Args:
        path: The file; it is made if it does not exist, its folder must.
        detector: What `detector_identity` says: boxes of another one are not used.

    Raises:
        OutputError: the file cannot be written.
        RecordError: it is something else.
    """

    def __init__(self, path: str | os.PathLike[str], detector: str) -> None:
        self.path, self.detector = Path(path), detector
        self._file: sqlite3.Connection | None = None
        self._begin()
        with self._opened():
            pass

    def get(self, picture: bytes) -> tuple[Rect, ...] | None:
        """The boxes in the picture with this SHA-256, largest first; None if it was not searched yet."""
        with self._opened() as file:
            row = file.execute(
                "SELECT boxes FROM boxes WHERE picture = ? AND detector = ?", (picture, self.detector)
            ).fetchone()
            return None if row is None else tuple(_rect(box) for box in json.loads(row[0]))

    def put(self, picture: bytes, boxes: Sequence[Rect]) -> None:
        """Keeps what was found; what another process found before stays."""
        row = (picture, self.detector, json.dumps([_rect(box) for box in boxes]))
        with self._opened() as file:
            file.execute("INSERT OR IGNORE INTO boxes VALUES (?, ?, ?)", row)

    def close(self) -> None:
        if self._file is not None and self._process == os.getpid():
            self._file.close()
            self._file = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "detector": self.detector}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._file = None
        self._begin()

    def _begin(self) -> None:
        """A process's own lock and connection: after a fork SQLite's may be neither used nor closed."""
        self._inherited = self._file
        self._file = None
        self._lock = threading.Lock()  # the parent may have held the other one
        self._process = os.getpid()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        if self._process != os.getpid():
            self._begin()
        with self._lock, self._trouble():
            if self._file is None:
                self._file = self._open()
            yield self._file

    def _open(self) -> sqlite3.Connection:
        file = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            _write_ahead(file)
            file.execute("PRAGMA synchronous = FULL")
            version = file.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _SCHEMA):
                raise ValueError(f"its version is {version}")
            file.execute(_TABLE)
            file.execute(f"PRAGMA user_version = {_SCHEMA}")
        except BaseException:
            file.close()
            raise
        return file

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(f"cannot use the cache of face boxes {self.path}: {error}") from None
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            what = f"{self.path} is no cache of face boxes of this version"
            raise RecordError(f"{what} ({error}): delete it or name another file") from None


def own_cache() -> BoxCache | None:
    """The user's own cache beside downloaded files, of MediaPipe's boxes; None if it cannot be written.

    It holds no picture and no name: boxes by SHA-256.

    Raises:
        RecordError: the file is something else.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return BoxCache(folder / "boxes.sqlite", detector_identity())
    except (OSError, OutputError):  # a read-only home: faces are found again
        return None


def _write_ahead(file: sqlite3.Connection) -> None:
    """Several may write and read at once. SQLite does not wait here, so two that begin together collide."""
    last = time.monotonic() + WAIT_S
    while True:
        try:
            file.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
            time.sleep(0.01)


def _rect(numbers: Sequence[float]) -> Rect:
    left, top, width, height = numbers
    return float(left), float(top), float(width), float(height)
