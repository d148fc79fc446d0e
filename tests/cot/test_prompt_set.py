"""Prompts: shipped, replaced, refused; hashes follow the words."""

from pathlib import Path

import pytest

from expllm.cot.prompt_set import GAPS, PromptError, Prompts


def test_the_shipped_prompts_have_their_gaps() -> None:
    assert set(Prompts.load().texts) == set(GAPS)


def test_a_folder_replaces_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "verify_again.md").write_text("Yes or no?\n")
    prompts = Prompts.load(tmp_path)
    assert prompts.fill("verify_again") == "Yes or no?"
    assert prompts.texts["describe"] == Prompts.load().texts["describe"]
    assert prompts.hash != Prompts.load().hash


def test_what_fills_a_gap_is_no_gap_itself() -> None:
    filled = Prompts.load().fill("refine", analysis="{labels} {0} {analysis}", expression="Fear")
    assert "{labels} {0} {analysis}" in filled


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("describe", "{positive}", "the gap {unknown} is missing"),
        ("describe", "{positive}{unknown}{truth}", "nothing fills the gap {truth}"),
        ("express", "{labels:>9}", "without a format"),
        ("express", "{labels", "expected '}'"),
        ("express", "{} {labels}", "nothing fills the gap {}"),
        ("smile", "cheese", "smile.md is not a prompt"),
    ],
)
def test_a_wrong_prompt_is_refused_by_name(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / f"{name}.md").write_text(text)
    with pytest.raises(PromptError, match=f"{name}.md") as caught:
        Prompts.load(tmp_path)
    assert problem in str(caught.value)


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(PromptError, match="holds no prompt"):
            Prompts.load(folder)


def test_a_missing_prompt_is_refused() -> None:
    texts = Prompts.load().texts
    del texts["refine"]
    with pytest.raises(PromptError, match=r"no refine\.md"):
        Prompts(texts)
