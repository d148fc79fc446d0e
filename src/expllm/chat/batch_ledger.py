"""Which questions lie in which batch at the server, and the answers that came back: one SQLite file.

A batch may take a day. Whatever ends the process meanwhile, the next one asks for nothing twice: a question
that lies at the server is waited for, an answer that was fetched is read from here.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.chat.batch_files import BatchAnswerLine
from expllm.chat.transport import HttpReply
from expllm.core.errors import OutputError

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS batches (file TEXT PRIMARY KEY, batch TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS questions (key TEXT PRIMARY KEY, file TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, status INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS questions_of_file ON questions (file);
"""


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch whose answers have not been fetched.

    Attributes:
        file: The server's id of its input file.
        batch: The server's id of the batch; None where the process ended before it learned it.
    """

    file: str
    batch: str | None


class BatchLedger:
    """The file.

    Args:
        path: It is made if it does not exist; its folder must.

    Raises:
        OutputError: it cannot be written, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._named():
            self._file = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.executescript(_TABLES)

    def answer(self, key: str) -> HttpReply | None:
        """The answer to a question, if it was fetched."""
        with self._named():
            row = self._file.execute("SELECT status, body FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else HttpReply(row[0], {}, row[1])

    def forget(self, key: str) -> None:
        """Drops an answer that is no use: the question may be asked again."""
        with self._named():
            self._file.execute("DELETE FROM answers WHERE key = ?", (key,))

    def lies_at_server(self, key: str) -> bool:
        """Whether the question is in a batch whose answers have not been fetched."""
        with self._named():
            row = self._file.execute("SELECT 1 FROM questions WHERE key = ?", (key,)).fetchone()
        return row is not None

    def uploaded(self, file: str, keys: Iterable[str]) -> None:
        """Writes down a file before its batch is made: a lost answer to that must not pay for it twice."""
        with self._transaction():
            self._file.execute("INSERT INTO batches VALUES (?, NULL)", (file,))
            self._file.executemany(
                "INSERT OR REPLACE INTO questions VALUES (?, ?)", ((key, file) for key in keys)
            )

    def begun(self, file: str, batch: str) -> None:
        """The server has made the batch."""
        with self._named():
            self._file.execute("UPDATE batches SET batch = ? WHERE file = ?", (batch, file))

    def open_batches(self) -> list[OpenBatch]:
        """All whose answers have not been fetched."""
        with self._named():
            return [OpenBatch(*row) for row in self._file.execute("SELECT file, batch FROM batches")]

    def count(self, file: str | None = None) -> int:
        """Questions that lie at the server, in one batch or in all."""
        where, values = ("WHERE file = ?", (file,)) if file else ("", ())
        with self._named():
            return int(self._file.execute(f"SELECT count(*) FROM questions {where}", values).fetchone()[0])

    def close_batch(self, file: str, found: Iterable[tuple[str, BatchAnswerLine]] = ()) -> set[str]:
        """Keeps the answers of a batch and forgets the batch, in one step; the keys of all its questions.

        Args:
            found: Answers by key. Those without a reply are not kept.
        """
        with self._transaction():
            keys = {row[0] for row in self._file.execute("SELECT key FROM questions WHERE file = ?", (file,))}
            for key, answer in found:
                if isinstance(answer, HttpReply) and key in keys:
                    row = (key, answer.status, answer.body)
                    self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", row)
            self._file.execute("DELETE FROM questions WHERE file = ?", (file,))
            self._file.execute("DELETE FROM batches WHERE file = ?", (file,))
        return keys

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._named():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise OutputError(f"cannot use the list of batches {self.path}: {error}") from None
