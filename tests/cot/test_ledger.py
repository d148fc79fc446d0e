"""The ledger: every figure against one that was counted by hand, or by other software."""

import itertools
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs_by_hand import begin, call, outcome, record, run_of, verdict, write

from expllm.core.errors import UsageError
from expllm.core.vocabulary import Expression
from expllm.cot.journal import JournalRow, JournalVerdict
from expllm.cot.ledger import Ledger, sample_ledger
from expllm.cot.shares import Accuracy, Share, reason_kind
from expllm.cot.usage import Audited
from expllm.files.runs import RunError, RunFolder

HAPPY, SAD, FEAR = Expression.HAPPINESS, Expression.SADNESS, Expression.FEAR


def mixed(folder: Path) -> RunFolder:
    """Five that ended, one under way; nothing is alike."""
    unresolved = {"status": "unresolved", "cot": None, "grounding": None, "recall": None}
    ended = [
        record("a"),
        record("b", rounds=3, hinted=True, expression=SAD, predictions=(HAPPY, HAPPY, SAD), recall=1.0),
        record("c", **unresolved, reason="verification: label", rounds=5, hinted=True, predictions=(SAD,)),
        record("d", expression=None),
        record("e", **unresolved | {"status": "invalid"}, reason="img2au: /x/e.jpg: cannot be opened (gone)",
               predictions=(), rounds=0, model=None, refusals=1),
    ]  # fmt: skip
    rows: list[JournalRow] = [
        call("a"), call("a", 1, model="a-model-3", attempts=3, cached=True),
        call("b", cost=None, prompt_tokens=None, refused=True),
        call("c", failure="timeout", text="", model=None, cost=None, prompt_tokens=None,
             completion_tokens=None, attempts=4, seconds=0.0),
        call("f"), verdict("a"), verdict("c", passed=False, label=False, degrees=None),
        verdict("c", 1, passed=False, label=False, units=False),
    ]  # fmt: skip
    rows += [outcome(i, made) for i, made in enumerate(ended)]
    return write(begin(folder), rows)


def test_samples_and_rounds(tmp_path: Path) -> None:
    ledger = Ledger.of(mixed(tmp_path))
    assert (ledger.ended, ledger.under_way) == (5, 1)
    assert ledger.status == {"resolved": 3, "invalid": 1, "unresolved": 1}
    assert ledger.resolved_in_round == {1: Share(2, 5), 3: Share(1, 5)}
    assert ledger.resolved == Share(3, 5)
    assert ledger.reasons == {
        "invalid": {"img2au: cannot be opened (gone)": 1},
        "unresolved": {"verification: label": 1},
    }
    assert ledger.refusals == 1


def test_hints_are_counted_where_a_label_could_be_told(tmp_path: Path) -> None:
    ledger = Ledger.of(mixed(tmp_path))
    assert ledger.hinted == Share(2, 4)  # one of five has no label
    assert ledger.hinted_resolved == Share(1, 3)


def test_the_first_guess_is_compared_before_any_hint(tmp_path: Path) -> None:
    first = Ledger.of(mixed(tmp_path)).first_guess
    assert first.right == Share(1, 3)  # a right; b and c wrong in round 1, whatever came later
    assert (first.unlabelled, first.unguessed) == (1, 1)
    assert (first.majority, first.majority_share) == ("happiness", Share(2, 3))


def test_by_expression(tmp_path: Path) -> None:
    found = Ledger.of(mixed(tmp_path)).by_expression
    assert list(found) == ["happiness", "sadness"]
    assert found["happiness"].first_right == Share(1, 2)
    assert (found["happiness"].samples, found["happiness"].resolved) == (3, Share(1, 3))
    assert found["sadness"].hinted == Share(1, 1)


def test_calls_tokens_and_cost(tmp_path: Path) -> None:
    usage = Ledger.of(mixed(tmp_path)).usage
    assert (usage.calls, usage.answered, usage.attempts) == (5, 4, 10)
    assert usage.failed == {"timeout": 1}
    assert (usage.cached, usage.refused, usage.asked_again) == (1, 1, 0)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.uncounted) == (30, 20, 1)
    assert usage.cost == pytest.approx(0.03)
    assert usage.unpriced == 1  # never shown as free
    assert usage.seconds == pytest.approx(2.0)


def test_an_unknown_price_is_not_zero(tmp_path: Path) -> None:
    unknown = write(begin(tmp_path / "a"), [call("a", cost=None)])
    free = write(begin(tmp_path / "b"), [call("a", cost=0.0)])
    silent = write(begin(tmp_path / "c"), [])
    assert Ledger.of(unknown).usage.cost is None
    assert Ledger.of(free).usage.cost == 0.0
    assert Ledger.of(silent).usage.cost == 0.0


def test_verdicts_by_view(tmp_path: Path) -> None:
    found = Ledger.of(mixed(tmp_path)).verdicts["Result Verification"]
    assert (found.passed, found.failed) == (1, 2)
    assert found.wrong == {"label": 2, "units": 1}  # a view that nobody judged is not wrong


def test_claims_are_counted_by_the_process_that_wrote_the_text(tmp_path: Path) -> None:
    def judged(number: int, step: str, claims: int, refuted: int, unread: int) -> JournalVerdict:
        counts = {"claims": claims, "refuted": refuted, "sentences": claims + unread, "unread": unread}
        return JournalVerdict("a", number, 1, step, True, {"audit": counts})

    rows: list[JournalRow] = [
        judged(0, "AU2Des", 5, 2, 1), judged(1, "Feedback Reflection", 6, 1, 0), verdict("a", 2),
        judged(3, "Feedback Reflection", 6, 0, 2), judged(4, "Format Refinement", 4, 0, 0), call("a"),
    ]  # fmt: skip
    run = write(write(begin(tmp_path), rows), [judged(0, "AU2Des", 1, 0, 1)], shard=1)
    assert list(Ledger.of(run).verdicts) == ["Format Refinement", "Result Verification"]
    found = Ledger.of(run).audited
    assert found == {
        "AU2Des": Audited(2, 6, 2, 8, 2), "Feedback Reflection": Audited(2, 12, 1, 14, 2),
        "Format Refinement": Audited(1, 4, 0, 4, 0),
    }  # fmt: skip
    assert sample_ledger(run, "a").to_dict()["audited"]["AU2Des"]["unread"] == 2


def test_a_run_that_did_not_count_claims_says_nothing_of_them(tmp_path: Path) -> None:
    assert Ledger.of(mixed(tmp_path)).audited == {}  # not "0 unread": nobody counted


def test_who_and_how_well(tmp_path: Path) -> None:
    ledger = Ledger.of(mixed(tmp_path))
    assert ledger.answered_by == {"a-model-2": 3, "a-model-3": 1}
    assert ledger.writers == {"a-model": 5}
    assert ledger.models == {"a-model-2": 4}
    assert ledger.au_sources == {"by hand": 5}
    assert ledger.grounding == 1.0
    assert ledger.recall == pytest.approx((0.5 + 1.0 + 0.5) / 3)


def test_the_dictionary_is_json_with_intervals(tmp_path: Path) -> None:
    found = json.loads(json.dumps(Ledger.of(mixed(tmp_path)).to_dict()))
    assert found["resolved_in_round"]["3"]["count"] == 1
    assert found["resolved"]["low"] < 0.6 < found["resolved"]["high"]
    assert found["usage"]["unpriced"] == 1


def test_an_empty_run(tmp_path: Path) -> None:
    ledger = Ledger.of(begin(tmp_path))  # no journal yet
    assert (ledger.ended, ledger.under_way, ledger.resolved.value) == (0, 0, None)
    assert (ledger.first_guess.macro_f1, ledger.grounding) == (None, None)


def test_workers_that_did_the_same_sample_count_it_once(tmp_path: Path) -> None:
    run = begin(tmp_path)
    failed = record("b", status="unresolved", reason="call failed: timeout", cot=None)
    write(run, [call("a"), call("b"), call("c"), outcome(0, record("a")), outcome(1, failed)], shard=0)
    write(run, [call("b"), outcome(1, record("b")), call("c"), outcome(2, record("c"))], shard=1)
    write(run, [call("d")], shard=2)
    ledger = Ledger.of(run)
    assert (ledger.ended, ledger.status) == (3, {"resolved": 3})
    assert ledger.under_way == 1  # c began on the worker that died and ended on another
    assert ledger.usage.calls == 6  # what was paid was paid


def test_a_worker_that_died_at_once_left_an_empty_journal(tmp_path: Path) -> None:
    run = run_of(tmp_path, [record("a")])
    (tmp_path / "journal-0007.sqlite").touch()
    assert Ledger.of(run).ended == 1


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    run = begin(tmp_path)
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        db.execute("CREATE TABLE outcomes (something)")
    db.close()
    with pytest.raises(RunError, match=r"journal\.sqlite|cannot be read"):
        Ledger.of(run)


def test_one_sample(tmp_path: Path) -> None:
    run = mixed(tmp_path)
    found = sample_ledger(run, "c")
    assert found.outcome is not None
    assert found.outcome.reason == "verification: label"
    assert (found.usage.calls, found.usage.failed) == (1, {"timeout": 1})
    assert found.verdicts["Result Verification"].failed == 2
    assert found.usage.cost is None
    assert json.loads(json.dumps(found.to_dict()))["record"]["hinted"] is True
    assert sample_ledger(run, "f").outcome is None
    with pytest.raises(UsageError, match="no sample 'z'"):
        sample_ledger(run, "z")


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_intervals_as_published(count: int, of: int, low: float, high: float) -> None:
    """The last one is Newcombe's example (1998, Stat Med 17:857)."""
    found = Share(count, of).interval
    assert found is not None
    assert found == pytest.approx((low, high), abs=5e-5)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcde")), min_size=1, max_size=60))
def test_macro_f1_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    counted = {pair: pairs.count(pair) for pair in pairs}
    found = Accuracy.of(counted)
    truth, guess = zip(*pairs, strict=True)
    assert found.macro_f1 == pytest.approx(f1_score(truth, guess, average="macro", zero_division=0))
    assert found.right.value == pytest.approx(accuracy_score(truth, guess))


def test_reasons_of_the_same_kind_are_one() -> None:
    reasons: list[list[str | None]] = [
        [f"no expression of the label set was named, the last answer was {a!r}" for a in ("Joy: 1", "it's")],
        [f"no refined text kept to the format: It has {n} words. Say less." for n in (131, 140)],
        [f"img2au: {path}: cannot be opened (gone)" for path in ("/a b/1.jpg", "/c/2.jpg")],
        ["call failed: timeout"], ["call failed: refused"], ["verification: label, degrees"], [None],
    ]  # fmt: skip
    kinds = [{reason_kind(reason) for reason in alike} for alike in reasons]
    assert [len(kind) for kind in kinds] == [1] * len(kinds)
    assert len(set(itertools.chain(*kinds))) == len(kinds)
