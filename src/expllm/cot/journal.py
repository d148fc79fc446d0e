"""The journal of a run: every call and verdict, durable before the next step starts (SQLite, WAL).

One thread owns the connection. What many samples write at the same moment shares one commit, so that a
durable journal costs a call little; a writer's `await` ends when its row is on the disk.
"""

import asyncio
import json
import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from expllm.chat.protocol import is_filtered
from expllm.core.errors import OutputError

_SCHEMA: Final = 1
"""Changes when old journals cannot be read any more."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS calls (
    sample TEXT, number INTEGER, step TEXT, round INTEGER, key TEXT, prompt TEXT, text TEXT, failure TEXT,
    model TEXT, finish TEXT, prompt_tokens INTEGER, completion_tokens INTEGER, cost REAL, seconds REAL,
    attempts INTEGER, refused INTEGER, cached INTEGER, retried INTEGER DEFAULT 0,
    PRIMARY KEY (sample, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verdicts (
    sample TEXT, number INTEGER, round INTEGER, step TEXT, passed INTEGER, detail TEXT,
    PRIMARY KEY (sample, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
    sample TEXT PRIMARY KEY, position INTEGER, status TEXT, reason TEXT, record TEXT) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One question to a writer, and what came of it.

    Attributes:
        number: 0 for the sample's first call, and so on.
        key: SHA-256 of what was asked; a journaled answer serves only the same question.
        text: The answer; where none came, what the server said.
        failure: Why no answer came, as a slug; None where one came.
        cost: USD; None where no price is known.
        attempts: Requests that were sent for it, failed ones included.
    """

    sample: str
    number: int
    step: str
    round: int
    key: str
    prompt: str
    text: str
    failure: str | None = None
    model: str | None = None
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    seconds: float = 0.0
    attempts: int = 1
    refused: bool = False
    cached: bool = False

    @property
    def filtered(self) -> bool:
        """A filter at the server declined, not the model."""
        return is_filtered(self.refused, self.finish)


@dataclass(frozen=True, slots=True)
class JournalVerdict:
    """What a check said of a text: `detail` holds its views and problems."""

    sample: str
    number: int
    round: int
    step: str
    passed: bool
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SampleOutcome:
    """How a sample ended: `record` is a `CotRecord` as JSON values."""

    sample: str
    position: int
    status: str
    reason: str | None
    record: dict[str, Any]


JournalRow = Call | JournalVerdict | SampleOutcome
_CALL_COLUMNS: Final = tuple(field.name for field in fields(Call))
_INTO: Final = {
    Call: f"INSERT INTO calls ({', '.join(_CALL_COLUMNS)}) VALUES",
    JournalVerdict: "INSERT OR REPLACE INTO verdicts VALUES",
    SampleOutcome: "INSERT INTO outcomes VALUES",
}
WITHOUT_ANSWER: Final = "(COALESCE(reason, '') LIKE 'call failed%' OR COALESCE(reason, '') LIKE 'filtered%')"
"""SQL: an outcome for want of an answer; its sample might have been resolved."""
_MOST_ROWS: Final = 500
"""Rows of one statement: SQLite allows 32,766 values."""


def _insert(connection: sqlite3.Connection, kind: type[JournalRow], values: list[tuple[Any, ...]]) -> None:
    """All rows in one statement: each statement gives up the interpreter's lock, and waits to get it back."""
    gaps = f"({', '.join('?' * len(values[0]))})"
    connection.execute(f"{_INTO[kind]} {', '.join([gaps] * len(values))}", [v for row in values for v in row])


def _values(row: JournalRow) -> tuple[Any, ...]:
    if isinstance(row, Call):
        return tuple(getattr(row, name) for name in _CALL_COLUMNS)
    if isinstance(row, JournalVerdict):
        return row.sample, row.number, row.round, row.step, row.passed, _json(row.detail)
    return row.sample, row.position, row.status, row.reason, _json(row.record)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


class Journal:
    """Writes a journal; `JournalReader` reads it.

    Raises:
        OutputError: the file cannot be made or is no journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: queue.SimpleQueue[tuple[JournalRow, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._failed: OutputError | None = None
        with closing(_connect(path)) as connection:
            try:
                connection.executescript(_TABLES)
            except sqlite3.DatabaseError as error:
                raise OutputError(f"{path}: not a journal that can be written ({error})") from None
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    async def add(self, row: JournalRow) -> None:
        """Returns when the row is on the disk.

        Raises:
            OutputError: it cannot be written (disk full, for one).
        """
        if self._failed:
            raise self._failed
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rows.put((row, done))
        await done

    def close(self) -> None:
        """Ends the writing thread after what was added."""
        self._rows.put(None)
        self._thread.join()

    def _write(self) -> None:
        with closing(_connect(self.path)) as connection:
            while batch := self._batch():
                error = self._commit(connection, [row for row, _ in batch])
                loop = batch[0][1].get_loop()
                try:
                    loop.call_soon_threadsafe(_resolve, [done for _, done in batch], error)
                except RuntimeError:  # the loop was closed under us: the rows are safe, nobody waits
                    continue

    def _batch(self) -> list[tuple[JournalRow, asyncio.Future[None]]]:
        """Waits for a row, then takes all that wait with it; an empty list at the end."""
        first = self._rows.get()
        if first is None:
            return []
        batch = [first]
        while not self._rows.empty():
            following = self._rows.get()
            if following is None:
                self._rows.put(None)
                break
            batch.append(following)
        return batch

    def _commit(self, connection: sqlite3.Connection, rows: list[JournalRow]) -> OutputError | None:
        try:
            with connection:
                for kind in _INTO:
                    values = [_values(row) for row in rows if type(row) is kind]
                    for start in range(0, len(values), _MOST_ROWS):
                        _insert(connection, kind, values[start : start + _MOST_ROWS])
        except sqlite3.Error as error:
            self._failed = OutputError(
                f"{self.path}: the journal cannot be written ({error}): free space, then run again"
            )
        return self._failed


def _resolve(waiting: list["asyncio.Future[None]"], error: OutputError | None) -> None:
    for done in waiting:
        if done.cancelled():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection
    except sqlite3.Error as error:
        raise OutputError(f"{path}: cannot open the journal ({error})") from None


class JournalReader:
    """Reads a journal, also while a run writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = _connect(path)

    def close(self) -> None:
        self.db.close()

    def finished(self) -> set[str]:
        """Ids of the samples that have ended."""
        return {sample for (sample,) in self.db.execute("SELECT sample FROM outcomes")}

    def count_finished(self) -> int:
        """How many samples have ended."""
        return int(self.db.execute("SELECT COUNT(*) FROM outcomes").fetchone()[0])

    def begun(self) -> set[str]:
        """Ids of the samples that have calls and have not ended."""
        query = "SELECT DISTINCT sample FROM calls WHERE sample NOT IN (SELECT sample FROM outcomes)"
        return {sample for (sample,) in self.db.execute(query)}

    def calls(self, sample: str) -> list[Call]:
        """The calls of a sample in their order, less those that were asked again later."""
        query = (
            f"SELECT {', '.join(_CALL_COLUMNS)} FROM calls WHERE sample = ? AND retried = 0 ORDER BY number"
        )
        return [_call(row) for row in self.db.execute(query, (sample,))]

    def next_number(self, sample: str) -> int:
        """The number of the sample's next call."""
        query = "SELECT COALESCE(MAX(number) + 1, 0) FROM calls WHERE sample = ?"
        return int(self.db.execute(query, (sample,)).fetchone()[0])

    def verdicts(self, sample: str) -> list[JournalVerdict]:
        rows = self.db.execute("SELECT * FROM verdicts WHERE sample = ? ORDER BY number", (sample,))
        return [
            JournalVerdict(s, n, r, step, bool(p), json.loads(detail)) for s, n, r, step, p, detail in rows
        ]

    def outcomes(self) -> Iterator[SampleOutcome]:
        """How samples ended, in the order of the data set."""
        query = "SELECT sample, position, status, reason, record FROM outcomes ORDER BY position, sample"
        for sample, position, status, reason, record in self.db.execute(query):
            yield SampleOutcome(sample, position, status, reason, json.loads(record))

    def outcome(self, sample: str) -> SampleOutcome | None:
        query = "SELECT sample, position, status, reason, record FROM outcomes WHERE sample = ?"
        row = self.db.execute(query, (sample,)).fetchone()
        if row is None:
            return None
        ended, position, status, reason, record = row
        return SampleOutcome(ended, position, status, reason, json.loads(record))

    def spent(self) -> float:
        """USD of all calls so far, those of unknown price left out."""
        return float(self.db.execute("SELECT COALESCE(SUM(cost), 0) FROM calls").fetchone()[0])

    def reopen_failed(self) -> int:
        """Lets samples that ended on a failed call be tried again; returns how many. Their history stays."""
        failed = "SELECT sample FROM calls WHERE failure IS NOT NULL AND retried = 0"
        with self.db:
            count = self.db.execute(f"DELETE FROM outcomes WHERE sample IN ({failed})").rowcount
            self.db.execute("UPDATE calls SET retried = 1 WHERE failure IS NOT NULL")
        return count


def _call(row: tuple[Any, ...]) -> Call:
    values = dict(zip(_CALL_COLUMNS, row, strict=True))
    return Call(**{**values, "refused": bool(values["refused"]), "cached": bool(values["cached"])})
