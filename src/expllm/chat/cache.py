"""Response cache: an SQLite file keyed by the SHA-256 of the request.

The key is that of the request body, so it covers model, messages and every parameter. It does not cover the
address: servers that call different models by one name need files of their own. Refusals are not kept.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from expllm.chat.chat_errors import ChatError
from expllm.chat.protocol import NOTHING_USED, Reply
from expllm.core.errors import OutputError

_SCHEMA: Final = 1
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY, model TEXT NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL, at REAL NOT NULL
) WITHOUT ROWID
"""


class ReplyCache:
    """A file of replies; several processes may share it.

    Args:
        path: The file; it is made if it does not exist, its folder must.

    Raises:
        OutputError: the file cannot be written.
        ChatError: the file is something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._named():
            # Autocommit; in WAL mode NORMAL loses at most the last replies to a power cut, never the file.
            # Opened where the model is made, used on the thread of its loop: never by two at once.
            self._file = sqlite3.connect(
                self.path, timeout=30.0, isolation_level=None, check_same_thread=False
            )
            try:
                self._set_up()
            except BaseException:
                self._file.close()
                raise

    def _set_up(self) -> None:
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")
        version = self._file.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _SCHEMA):
            raise ChatError(
                f"{self.path} is a cache of another version of ExpLLM: delete it or name another file"
            )
        self._file.execute(_TABLE)
        self._file.execute(f"PRAGMA user_version = {_SCHEMA}")

    def get(self, key: str) -> Reply | None:
        """The reply to the request with this key, at no cost; None if there is none."""
        with self._named():
            row = self._file.execute(
                "SELECT text, model, finish FROM replies WHERE key = ?", (bytes.fromhex(key),)
            ).fetchone()
        if row is None:
            return None
        text, model, finish = row
        return Reply(text, model, finish, NOTHING_USED, 0.0, 0.0, 0, refused=False, cached=True)

    def put(self, key: str, reply: Reply) -> None:
        """Keeps a reply; the first one stays if another process was faster."""
        row = (bytes.fromhex(key), reply.model, reply.text, reply.finish, time.time())
        with self._named():
            self._file.execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(f"cannot use the response cache {self.path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise ChatError(
                f"{self.path} is not a response cache ({error}): delete it or name another file"
            ) from None
