"""Reads all journals of a run as one: a run on a cluster has several; each sample counts once."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from expllm.core.errors import UsageError
from expllm.cot.journal import JournalReader, SampleOutcome
from expllm.files.runs import RunError, RunFolder


@dataclass(frozen=True, slots=True)
class Ended:
    """A sample that has ended: its place in the data set, how it ended, and the journal that says so."""

    position: int
    sample: str
    status: str
    journal: int


class Merged:
    """The journals of a run at one moment, also while the run works.

    Attributes:
        run: The run.
        readers: One a journal.
        second: That of the second pass among them; None where there was none.
        ended: Each ended sample once, in the order of the data set.
    """

    def __init__(self, run: RunFolder, readers: Sequence[JournalReader]) -> None:
        self.run = run
        self.readers = readers
        self.second = next((one for one in readers if one.path == run.second_journal), None)
        self.ended = _ended(readers, self.second)
        self._owner = {ended.sample: ended.journal for ended in self.ended} if len(readers) > 1 else {}

    def rows(self, columns: str) -> Iterator[tuple[Any, ...]]:
        """These SQL columns of each ended sample, in no particular order."""
        for number, reader in enumerate(self.readers):
            for sample, *values in reader.db.execute(f"SELECT sample, {columns} FROM outcomes"):
                if self._owner.get(sample, number) == number:
                    yield tuple(values)

    def grouped(self, query: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query of every journal, one journal after the other."""
        for reader in self.readers:
            yield from reader.db.execute(query, tuple(parameters))

    def outcome(self, ended: Ended) -> SampleOutcome:
        """How a sample ended, with its record."""
        found = self.readers[ended.journal].outcome(ended.sample)
        if found is None:
            raise self._vanished(ended)
        return found

    def record_text(self, ended: Ended) -> str:
        """The record of a sample as the journal has it: JSON with sorted keys."""
        query = "SELECT record FROM outcomes WHERE sample = ?"
        found = self.readers[ended.journal].db.execute(query, (ended.sample,)).fetchone()
        if found is None:
            raise self._vanished(ended)
        return str(found[0])

    def _vanished(self, ended: Ended) -> RunError:
        path = self.readers[ended.journal].path
        return RunError(f"{path}: {ended.sample} has vanished from the journal")

    def under_way(self) -> int:
        """Samples that have begun and have not ended in any journal."""
        ended = {ended.sample for ended in self.ended}
        return len(set().union(*(reader.begun() for reader in self.readers)) - ended)

    def identify(self, name: str | None) -> str:
        """The id of a sample that the run has begun; for None that of the first one.

        Raises:
            UsageError: the run has no such sample.
        """
        if name is None:
            begun = sorted(set().union(*(reader.begun() for reader in self.readers)))
            first = [ended.sample for ended in self.ended[:1]] or begun[:1]
            if first:
                return first[0]
            raise UsageError(f"{self.run.path}: no sample has begun yet")
        if self.find(name) or any(reader.next_number(name) for reader in self.readers):
            return name
        example = f"; its ids look like {self.ended[0].sample!r}" if self.ended else ""
        raise UsageError(f"{self.run.path}: the run has no sample {name!r} yet{example}")

    def find(self, sample: str) -> Ended | None:
        """Where it says how a sample ended; None if it has not."""
        return next((ended for ended in self.ended if ended.sample == sample), None)


@contextmanager
def merged_journals(run: RunFolder) -> Iterator[Merged]:
    """Opens all journals of a run.

    Raises:
        RunError: a journal cannot be read.
        OutputError: it cannot be opened.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(closing(JournalReader(path))) for path in run.journals()]
        where = run.path
        try:
            opened = []
            for reader in readers:
                where = reader.path
                reader.db.execute("BEGIN")  # every query sees the same moment
                if reader.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'outcomes'").fetchone():
                    opened.append(reader)  # else its writer was killed before it had a table
            where = run.path
            yield Merged(run, opened)
        except sqlite3.Error as error:
            raise RunError(f"{where}: a journal cannot be read ({error})") from None


def _ended(readers: Sequence[JournalReader], second: JournalReader | None) -> list[Ended]:
    """A sample that two workers ended counts as resolved if one resolved it, else as in the first journal.

    Resolved in the second pass, it counts as there: that text needed no label.
    """
    found = [
        Ended(position, sample, status, number)
        for number, reader in enumerate(readers)
        for position, sample, status in reader.db.execute("SELECT position, sample, status FROM outcomes")
    ]

    def rank(one: Ended) -> int:
        return 2 if one.status != "resolved" else int(readers[one.journal] is not second)

    found.sort(key=lambda one: (one.position, one.sample, rank(one), one.journal))
    first: dict[str, Ended] = {}
    for ended in found:
        first.setdefault(ended.sample, ended)
    return list(first.values())


def add_up(pairs: Iterator[tuple[Any, ...]]) -> Counter[Any]:
    """Sums rows of (name, count) that several journals give for the same name."""
    totals: Counter[Any] = Counter()
    for name, count in pairs:
        totals[name] += count
    return totals
