"""The journal: durable rows, read back exactly, also by another connection while a run writes."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from expllm.core.errors import OutputError
from expllm.cot.journal import Call, Journal, JournalReader, JournalVerdict, SampleOutcome


def call(sample: str, number: int, **given: object) -> Call:
    return Call(sample, number, "AU2Des", 1, f"key-{number}", "prompt", f"text {number}", **given)  # type: ignore[arg-type]


def test_what_was_added_is_read_back_in_order(tmp_path: Path) -> None:
    async def write(journal: Journal) -> None:
        rows = [call(sample, number, cost=0.25) for number in range(20) for sample in "ab"]
        await asyncio.gather(*(journal.add(row) for row in rows))
        await journal.add(JournalVerdict("a", 0, 1, "verify", False, {"problems": ["no"]}))
        await journal.add(SampleOutcome("b", 7, "resolved", None, {"id": "b"}))
        await journal.add(SampleOutcome("a", 3, "invalid", "why", {"id": "a"}))

    with closing(Journal(tmp_path / "j.sqlite")) as journal:
        asyncio.run(write(journal))
    with closing(JournalReader(tmp_path / "j.sqlite")) as reader:
        assert reader.calls("a") == [call("a", number, cost=0.25) for number in range(20)]
        assert reader.verdicts("a") == [JournalVerdict("a", 0, 1, "verify", False, {"problems": ["no"]})]
        assert [outcome.sample for outcome in reader.outcomes()] == ["a", "b"]
        assert reader.finished() == {"a", "b"}
        assert reader.spent() == 10.0


def test_a_row_is_visible_to_others_when_add_returns(tmp_path: Path) -> None:
    async def write(journal: Journal) -> None:
        for number in range(5):
            await journal.add(call("a", number))
            with closing(sqlite3.connect(journal.path)) as other:
                assert other.execute("SELECT COUNT(*) FROM calls").fetchone() == (number + 1,)

    with closing(Journal(tmp_path / "j.sqlite")) as journal:
        asyncio.run(write(journal))


def test_failed_samples_can_be_opened_again_without_losing_their_history(tmp_path: Path) -> None:
    async def write(journal: Journal) -> None:
        await journal.add(call("a", 0))
        await journal.add(call("a", 1, failure="timeout"))
        await journal.add(SampleOutcome("a", 0, "unresolved", "call failed: timeout", {}))
        await journal.add(SampleOutcome("b", 1, "resolved", None, {}))

    with closing(Journal(tmp_path / "j.sqlite")) as journal:
        asyncio.run(write(journal))
    with closing(JournalReader(tmp_path / "j.sqlite")) as reader:
        assert reader.reopen_failed() == 1
        assert reader.finished() == {"b"}
        assert [one.number for one in reader.calls("a")] == [0]
        assert reader.next_number("a") == 2
        assert reader.db.execute("SELECT COUNT(*) FROM calls").fetchone() == (2,)


def test_the_same_call_twice_is_an_error_not_a_silent_loss(tmp_path: Path) -> None:
    async def write(journal: Journal) -> None:
        await journal.add(call("a", 0))
        await journal.add(call("a", 0))

    with (
        closing(Journal(tmp_path / "j.sqlite")) as journal,
        pytest.raises(OutputError, match="cannot be written"),
    ):
        asyncio.run(write(journal))


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(OutputError, match=r"j\.sqlite"):
        Journal(tmp_path / "j.sqlite")
