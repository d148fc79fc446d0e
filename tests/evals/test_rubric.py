"""The judge's file: what is asked, which verdict of a reply counts, and what is wrong with a file."""

from pathlib import Path

import pytest

from expllm.core.errors import ExitCode
from expllm.evals.judge.rubric import JudgeFile, JudgeFileError, JudgeScores

FILE = JudgeFile.load()


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ("VERDICT: key observations 3, interpretation 4, conclusion 5", (3, 4, 5)),
        ("1. Key Observations: 3/5\n2. Interpretation: 4/5\n3. Conclusion: 0/5", (3, 4, 0)),
        ("**Key observations**: 3.\n**Interpretation**: 2\n**Conclusion**: 0.", (3, 2, 0)),
        ("key observation 1, interpretation 1, conclusion 0. Better: Key observations 2, interpretation 2, "
         "conclusion 5", (2, 2, 5)),
    ],
)  # fmt: skip
def test_the_last_verdict_counts(reply: str, scores: tuple[float, float, float]) -> None:
    assert FILE.read(reply) == JudgeScores(*scores)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I'm sorry, but I can't assist with that request.",
        "VERDICT: key observations A, interpretation B, conclusion C",
        "key observations 6, interpretation 4, conclusion 5",
        "key observations -3, interpretation 4, conclusion 5",
        "key observations 35, interpretation 4, conclusion 5",
        "key observations 3.5, interpretation 4, conclusion 5",
        "key observations 3, interpretation 4, conclusion 3",
        "key observations 3, interpretation 4, conclusion 55",
        "key observations 3, interpretation 4, conclusion 5.5",
        "key observations 3, interpretation 4",
        # a good verdict that is taken back for one that may not be given
        "key observations 5, interpretation 5, conclusion 5. No: key observations 9, interpretation 5, "
        "conclusion 5",
    ],
)
def test_what_cannot_be_read_is_no_score(reply: str) -> None:
    assert FILE.read(reply) is None


def test_a_long_reply_is_read_at_its_end_and_soon() -> None:
    assert FILE.read("key observations 1 " * 200_000) is None
    verdict = "key observations 1, interpretation 1, conclusion 5"
    assert FILE.read("key observations " * 20_000 + verdict) == JudgeScores(1, 1, 5)


def test_the_sum_is_normalised() -> None:
    assert FILE.total(JudgeScores(5, 5, 5)) == 1
    assert FILE.total(JudgeScores(2.93, 3.22, 3.25)) == pytest.approx(0.63, abs=0.005)  # GPT-4o in Table III
    assert FILE.total(JudgeScores(3.53, 3.72, 4.15)) == pytest.approx(0.76, abs=0.005)  # ExpLLM


def test_a_text_fills_a_gap_and_is_no_gap() -> None:
    asked = FILE.prompt("one {second} {nothing}", "zwei")
    assert "one {second} {nothing}" in asked
    assert asked.count("zwei") == 1


def changed(old: str, new: str) -> str:
    assert old in FILE.text
    return FILE.text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("template = [", "is not valid TOML"),
        ("template = '{first} {second}'", "lacks the key 'verdict'"),
        (changed("max_tokens", "most_tokens"), "unknown key most_tokens: did you mean 'max_tokens'?"),
        (changed("{second}\n", "\n"), "the gaps {first} and {second}, once each"),
        (changed("{second}", "{second!r}"), "the gaps"),
        (changed("{second}", "{second} {"), "the gaps"),
        (changed("max_tokens = 200", "max_tokens = 0"), "max_tokens is 0"),
        (changed("(?P<conclusion>", "("), "verdict must have the groups"),
        (changed("(?P<conclusion>", "(((("), "verdict is not a regular expression"),
        (changed("conclusion = [0, 5]", "conclusion = [5, 0]"), "scores.conclusion must be two numbers"),
        (changed("conclusion = [0, 5]", "conclusion = [0, true]"), "scores.conclusion is True: a number"),
        (changed("conclusion = [0, 5]", "conclusion = [5]"), "scores.conclusion must be two numbers"),
        (changed("conclusion = [0, 5]", "ending = [0, 5]"), "unknown key scores.ending"),
        ("template = '{first} {second}'\nverdict = 1\nmax_tokens = 1\nscores = 1", "scores|verdict"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "judge.toml"
    path.write_text(text)
    with pytest.raises(JudgeFileError) as error:
        JudgeFile.load(path)
    assert error.value.line.startswith(str(path))
    assert any(part in error.value.line for part in problem.split("|"))
    assert error.value.exit_code == ExitCode.USAGE


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(JudgeFileError, match="cannot be read"):
        JudgeFile.load(tmp_path / "none.toml")


def test_another_file_has_another_hash(tmp_path: Path) -> None:
    path = tmp_path / "judge.toml"
    path.write_text(changed("[0, 1, 2, 3, 4, 5]\ninterpretation", "[0, 10]\ninterpretation"))
    other = JudgeFile.load(path)
    assert other.hash != FILE.hash
    assert other.read("key observations 10, interpretation 5, conclusion 5") == JudgeScores(10, 5, 5)
    assert other.total(JudgeScores(10, 5, 5)) == 1
