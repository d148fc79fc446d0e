"""What `expllm cot status` and `expllm cot show` print, read as a person would."""

from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from runs_by_hand import begin, call, outcome, record, run_of, verdict, write

from expllm.cli.cot_show import sample_view
from expllm.cli.cot_view import ledger_view
from expllm.core.errors import UsageError
from expllm.core.vocabulary import Expression
from expllm.cot.journal import JournalRow
from expllm.cot.ledger import Ledger
from expllm.files.runs import RunFolder

HAPPY, SAD = Expression.HAPPINESS, Expression.SADNESS


def printed(view: RenderableType, *, width: int = 100, encoding: str = "utf-8") -> str:
    """The text on a terminal of this width and encoding, without colours."""
    out = TextIOWrapper(BytesIO(), encoding=encoding)
    Console(file=out, width=width, no_color=True, force_terminal=False).print(view)
    out.seek(0)
    return out.read()


def words(view: RenderableType) -> str:
    """In one line, for sentences that a terminal breaks."""
    return " ".join(printed(view).split())


def a_run(folder: Path) -> RunFolder:
    failed = record("c", status="unresolved", cot=None, reason="verification: label", rounds=5, hinted=True,
                    predictions=(SAD,) * 5)  # fmt: skip
    rows: list[JournalRow] = [
        call("b", 0, prompt="Describe {'jaw drop': 0.4}."),
        verdict("b", 0, False, label=False, problems=["Wrong."]),
        call("b", 1, round=2, step="Feedback Reflection", text="", failure="timeout", model=None, cost=None,
             attempts=4),
        call("b", 2, round=2, step="Feedback Reflection", text="A sad face.\nIts brows are down.", cost=None),
        call("b", 3, round=2, step="Format Refinement", text="Draft one"),
        call("b", 4, round=2, step="Format Refinement", text="Draft two", cached=True),
    ]  # fmt: skip
    made = [record("a"), record("b", rounds=2, expression=SAD, predictions=(HAPPY, SAD)), failed]
    rows += [outcome(number, item) for number, item in enumerate(made)]
    return write(begin(folder), rows)


def test_the_status_says_what_was_done_and_what_it_cost(tmp_path: Path) -> None:
    said = words(ledger_view(Ledger.of(a_run(tmp_path / "faces"))))
    for sentence in (
        "faces: 3 samples have ended: 2 resolved, 1 unresolved.",
        "resolved in round 1 1 of 3 33.3 % 6.1-79.2 %",
        "given the label 1 of 3 33.3 %",
        "Before any hint the writer named the label of 33.3 % of 3 faces",
        "Always naming happiness, the commonest label, gets 66.7 %.",
        "This is not significantly better than always naming happiness",
        "unresolved verification: label 1",
        "Result Verification: 0 passed, 1 did not (wrong: the label 1).",
        "5 calls, 8 requests, 4 answers; no answer: timeout 1.",
        "Cost: 0.0300 USD, and 1 call of unknown price.",
        "answered by: a-model-2 (4)",
    ):
        assert sentence in said


def test_an_unknown_price_is_said_and_not_zero(tmp_path: Path) -> None:
    run = write(begin(tmp_path), [call("a", cost=None, prompt_tokens=None, completion_tokens=None)])
    said = words(ledger_view(Ledger.of(write(run, [outcome(0, record("a"))]))))
    assert "Cost: unknown, no price is known for 1 call." in said
    assert "Tokens: unknown" in said
    assert "0.0000 USD" not in said


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    assert "0 samples have ended." in words(ledger_view(Ledger.of(begin(tmp_path))))


def test_accuracy_above_chance_is_not_called_chance(tmp_path: Path) -> None:
    records = [record(f"{n}", expression=e, predictions=(e,)) for n in range(20) for e in (HAPPY,)]
    records += [record(f"s{n}", expression=SAD, predictions=(SAD,)) for n in range(20)]
    said = words(ledger_view(Ledger.of(run_of(tmp_path, records))))
    assert "named the label of 100.0 % of 40 faces" in said
    assert "no better" not in said


def test_a_sample_is_shown_with_all_that_was_said(tmp_path: Path) -> None:
    said = printed(sample_view(a_run(tmp_path), "b"))
    expected = (
        "Round 1", "AU2Des", "Describe {'jaw drop': 0.4}.", "A smile.", "10 + 5 tokens, 0.010000 USD",
        "Result Verification by rules: did not pass", "- Wrong.", "Round 2", "no answer: timeout",
        "Its brows are down.", "price unknown", "Draft one", "Draft two", "from the cache",
        "resolved", "Key Observations", "named: happiness, sadness",
        "Cost: 0.0300 USD, and 1 call of unknown price.",
    )  # fmt: skip
    place = 0
    for piece in expected:  # in this order
        found = said.find(piece, place)
        assert found >= 0, piece
        place = found


def test_the_first_sample_is_shown_if_none_is_named(tmp_path: Path) -> None:
    assert printed(sample_view(a_run(tmp_path))).startswith("a\n")


def test_a_sample_under_way_and_one_that_is_not_there(tmp_path: Path) -> None:
    run = write(begin(tmp_path), [call("x")])
    assert "It has not ended yet." in printed(sample_view(run))
    with pytest.raises(UsageError, match="no sample 'y'"):
        sample_view(run, "y")
    with pytest.raises(UsageError, match="no sample has begun"):
        sample_view(begin(tmp_path / "empty"))


def test_a_failed_call_that_was_tried_again_is_still_shown(tmp_path: Path) -> None:
    from contextlib import closing

    from expllm.cot.journal import JournalReader

    run = write(begin(tmp_path), [call("a", failure="timeout", text="", cost=None)])
    with closing(JournalReader(tmp_path / "journal.sqlite")) as reader:
        reader.reopen_failed()
    write(run, [call("a", 1), outcome(0, record("a"))])
    assert "no answer: timeout; tried again later" in printed(sample_view(run, "a"))
    assert "1 of these were tried again" in words(ledger_view(Ledger.of(run)))


def test_both_workers_that_had_a_sample_are_shown(tmp_path: Path) -> None:
    run = begin(tmp_path)
    write(run, [call("a", text="First try.")], shard=0)
    write(run, [call("a", text="Second try."), outcome(0, record("a"))], shard=1)
    said = printed(sample_view(run, "a"))
    assert said.index("First try.") < said.index("another worker") < said.index("Second try.")


def test_what_a_model_says_cannot_move_the_cursor_or_style_the_text(tmp_path: Path) -> None:
    evil = "[bold red]x[/] \x1b[2J\x07 \u202e"
    run = write(begin(tmp_path), [call(evil, text=evil), outcome(0, record(evil, reason=evil))])
    for view in (sample_view(run, evil), ledger_view(Ledger.of(run))):
        said = printed(view)
        assert "\x1b" not in said
        assert "\x07" not in said
    assert "[bold red]x[/]" in printed(sample_view(run, evil))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_narrow_wide_and_ascii_terminals(tmp_path: Path, width: int) -> None:
    run = a_run(tmp_path)
    write(run, [call("é", text="ü"), outcome(9, record("é"))])
    for view in (ledger_view(Ledger.of(run)), sample_view(run, "é")):
        said = printed(view, width=width, encoding="ascii")
        assert max(map(len, said.splitlines())) <= min(width, 110)
    assert "\\xfc" in printed(sample_view(run, "é"), encoding="ascii")
