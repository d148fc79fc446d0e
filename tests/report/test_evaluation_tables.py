"""The tables of a report: the paper's figures as printed, one's own beside them and never among them."""

import re
from pathlib import Path

import pytest
from evalruns import SMILE, ablation, answer, drawn_faces, good, judge, pairs, save, settings, told
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.errors import ExpllmError, RecordError, UsageError
from expllm.core.records import Rejected
from expllm.core.vocabulary import Expression
from expllm.cot.rule_writer import write_cot
from expllm.files.runs import NoRun
from expllm.report.evaluation.ablation_tables import ablation_tables
from expllm.report.evaluation.evaluated_runs import ScoredRun, model_name, read_runs
from expllm.report.evaluation.explanation_tables import text_tables
from expllm.report.evaluation.markdown import tables_markdown
from expllm.report.evaluation.paper_tables import Column, ReportTable, accuracy_tables, overview, published


def by_column(table: ReportTable, row: str) -> dict[str, str]:
    """Cells of a row by `name (source)`."""
    cells = next(cells for cells in table.rows if cells[0] == row)
    return {f"{c.name} ({c.source})": cell for c, cell in zip(table.columns, cells, strict=True)}


def test_the_papers_figures_stand_in_the_paper(shared: Path) -> None:
    text = (shared / "paper" / "expllm.txt").read_text()
    found = published()
    for key in ("I", "II", "III", "IV", "V"):
        for row in found[key]["rows"]:
            figures = [value for value in row if not isinstance(value, str)]
            assert len(figures) == len(found[key]["columns"])
            for value in figures:
                assert value is None or f"{value:.2f}" in text, (key, row)
    line = next(line for line in text.splitlines() if line.startswith("ExpLLM\tours\t65"))
    assert line.split("\t")[2:] == [f"{value:.2f}" for value in found["I"]["rows"][-1][2:]]


def test_the_papers_scores_add_up() -> None:
    for _, *parts, score in published()["III"]["rows"]:
        assert score == pytest.approx(sum(parts) / 15, abs=0.005)


def test_own_figures_have_columns_of_their_own(tmp_path: Path) -> None:
    found = read_runs([good(tmp_path / "a"), good(tmp_path / "b", dataset="../x/ferplus:test")])
    (table,) = accuracy_tables(found)
    mine, paper = by_column(table, "small"), by_column(table, "ExpLLM")
    assert mine["RAF-DB (here)"].startswith("75.0 [")
    assert mine["FER+ test (here)"] == mine["RAF-DB (here)"]
    assert (mine["RAF-DB (paper)"], paper["RAF-DB (here)"], paper["RAF-DB (paper)"]) == ("", "", "91.03")
    assert "AffectNet-7 (here)" not in mine, "no run, no column"
    assert table.own == (False,) * 10 + (True,)
    assert by_column(table, "RUL")["AffectNet-8 (paper)"] == "\N{EN DASH}"
    assert table.notes[0] == "small on RAF-DB: 40 faces, of which the largest class has 50.0 %."


def test_transfer_is_table_ii(tmp_path: Path) -> None:
    options = {"task": "transfer", "dataset": "affectnet:valid"}
    (table,) = accuracy_tables(read_runs([good(tmp_path / "a", **options)]))
    assert table.heading.startswith("Table II. ")
    assert by_column(table, "small")["AffectNet-7 (here)"].startswith("75.0 [")
    assert by_column(table, "DAN")["ExpW (paper)"] == "55.78"


def test_the_larger_of_two_runs_on_the_same_faces_counts(tmp_path: Path) -> None:
    few = save(tmp_path / "few", pairs(("fear", "fear"), ("anger", "fear")), limit=2)
    (table,) = accuracy_tables(read_runs([few, good(tmp_path / "all")]))
    assert by_column(table, "small")["RAF-DB (here)"].startswith("75.0")
    (alone,) = accuracy_tables(read_runs([few]))
    assert "2 faces (a draw from all)" in alone.notes[0]
    assert len(overview(read_runs([few, tmp_path / "all", few])).rows) == 2, "each folder once"


def test_no_two_models_have_one_name(tmp_path: Path) -> None:
    runs = [good(tmp_path / name, digest=name) for name in ("one", "two")]
    assert list(read_runs(runs).names().values()) == ["small", "small (two)"]
    names = [model_name(name) for name in ("offline", "/data/runs/best/model", "model", "chat:gpt")]
    assert names == ["offline classifier", "data", "model", "chat:gpt"]
    assert model_name("runs/mine/2-instruct/model") == "mine"


def test_names_of_data_sets() -> None:
    for name, shown in (
        ("rafdb:test", "RAF-DB"), ("/mnt/RAF-DB:test", "RAF-DB"), ("affectnet:valid", "AffectNet-7"),
        ("ferplus:test", "FER+ test"), ("FER+:valid", "FER+ valid"), ("portraits:valid", "portraits valid"),
        ("a/faces.csv", "faces"),
    ):  # fmt: skip
        run = ScoredRun(Path("x"), settings(dataset=name), (), None)  # type: ignore[arg-type]
        assert run.dataset == shown


def test_all_runs_with_what_an_accuracy_hides(tmp_path: Path) -> None:
    row = by_column(overview(read_runs([good(tmp_path / "a")], abstain=0.5)), "small")
    assert (row["Faces ()"], row["Largest class % ()"], row["No answer ()"]) == ("40", "50.0", "2")
    assert row["Coverage % ()"] == "95.0"
    assert row["Accuracy of these % ()"].startswith("78.9 [")
    assert row["Calibration error % ()"] == "8.9"
    assert "Coverage % ()" not in by_column(overview(read_runs([tmp_path / "a"])), "small")


def test_a_judges_scores_are_table_iii_and_grounding_stands_apart(tmp_path: Path) -> None:
    faces = drawn_faces(tmp_path / "faces")
    run = told(tmp_path / "cot", faces, wrong=3)
    assert [table.key for table in text_tables(read_runs([run]))] == ["grounding"]
    judge(run)
    exp_cot, grounding = text_tables(read_runs([run]))
    assert exp_cot.key == "III"
    mine = by_column(exp_cot, "small on faces")
    assert mine["Judge ()"] == "scripted"
    assert mine["Conclusion (here)"].startswith("3.33 [")
    assert mine["Exp-CoT score (paper)"] == ""
    assert by_column(exp_cot, "GPT-4o")["Exp-CoT score (paper)"] == "0.63"
    assert "9 of 9 texts scored" in exp_cot.notes[-1]
    assert "grounding" not in " ".join(column.name.lower() for column in exp_cot.columns)
    assert by_column(grounding, "small on faces")["Texts ()"] == "9"
    assert not any(column.source == "paper" for column in grounding.columns)


def test_audited_texts_are_shown_as_first_written_and_as_shipped(tmp_path: Path) -> None:
    """A refuted sentence that was left out lowers the first figure, and not the second."""
    text = write_cot(SMILE, Expression.HAPPINESS).text
    lie = Rejected(sentence=" The jaw drops strongly.", reason="refuted", start=len(text))
    one = answer("a", Expression.HAPPINESS, Expression.HAPPINESS, text=text, aus=SMILE, rejected=(lie,))
    run = save(tmp_path / "run", [one], task="cot")
    (grounding,) = text_tables(read_runs([run]))
    row = by_column(grounding, str(grounding.rows[0][0]))
    assert row["Precision of claims % ()"].startswith("100")
    assert not row["Precision as first written % ()"].startswith(("100", "-", "–"))
    assert "1 of 1 texts had a refuted sentence; 0 rewritten, 0 by rules, 1 left out" in grounding.notes[-1]


def test_ablations_are_tables_iv_and_v(tmp_path: Path) -> None:
    ratios, parts = ablation_tables(read_runs([ablation(tmp_path / "abl")]))
    row = by_column(ratios, "0.75:0.25")
    assert (row["FER accuracy (paper)"], row["Exp-CoT score (paper)"]) == ("91.03", "0.78")
    assert (row["Accuracy % (here)"], row["Spread % (here)"]) == ("50.0 [45.0, 55.0]", "1.3")
    assert row["Trainings (here)"] == "3"
    assert by_column(ratios, "1:0")["Accuracy % (here)"] == "\N{EN DASH}", "not trained is not zero"
    assert len(ratios.rows) == len(parts.rows) == 5
    assert "compact.yaml on ferplus:valid, 3,579 faces" in parts.notes[0]
    assert "all: a note on it." in parts.notes
    (alone,) = ablation_tables(read_runs([ablation(tmp_path / "one", trained=["all"])]))
    assert alone.key == "V"


def test_what_cannot_be_reported_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoRun, match="empty: no evaluation found"):
        read_runs([tmp_path / "empty"])
    with pytest.raises(RecordError, match="none: no answers to score"):
        read_runs([save(tmp_path / "none", [], faces=9)])
    broken = ablation(tmp_path / "abl")
    for text in ("{}", "not json", '{"variants": [{"table": 1}], "faces": 1}', "[]"):
        (broken / "ablation.json").write_text(text)
        with pytest.raises(RecordError, match=r"ablation\.json: is no table of an ablation"):
            read_runs([broken])
    with pytest.raises(UsageError, match="nothing to report"):
        read_runs([])
    assert issubclass(NoRun, ExpllmError)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_breaks_a_markdown_table(name: str, cell: str) -> None:
    table = ReportTable("x", "t", (Column(name), Column("b")), ((name, cell),), (True,))
    lines = tables_markdown("T", [table], [], "S").split("\n")
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3
    for row in rows:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3
