"""Whatever `analyze` and `aus` write opens wherever a table of action units can be given, two faces two."""

import json
import shutil
from pathlib import Path

import pytest
from calling import call, faceless
from conftest import ROOT

from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import AUVector
from expllm.data import open_dataset
from expllm.faces.au_tables import read_au_table, to_facs
from expllm.files.atomic import whole_file
from expllm.report.columns import COLUMN_LAYOUTS
from expllm.report.output_writers import BINARY_FORMATS, OUTPUT_FORMATS, TABLE_FORMATS, writer_for

PAIR = "pa\u2028ir, no. 1.jpg"
"""A comma for CSV, and a line separator, which ends a line for Python's `splitlines` only."""

OUTPUTS = [
    (command, format_, columns)
    for command in ("analyze", "aus")
    for format_ in OUTPUT_FORMATS
    if format_ not in ("text", "html")  # for people
    for columns in (COLUMN_LAYOUTS if format_ in TABLE_FORMATS else ("expllm",))
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces in one picture, a picture without one, and a broken one."""
    folder = tmp_path_factory.mktemp("pictures")
    shutil.copy(ROOT / "examples" / "faces" / "render_pair.jpg", folder / PAIR)
    (folder / "slope.png").write_bytes(faceless())
    (folder / "torn.jpg").write_bytes((folder / PAIR).read_bytes()[:9000])
    return folder


@pytest.fixture(scope="module")
def analyses(folder: Path) -> dict[str, list[FaceAnalysis]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = {name: call(name, ".", "--format", "jsonl") for name in ("analyze", "aus")}
    assert [result.code for result in done.values()] == [3, 3]
    for result in done.values():
        assert [one.status for one in result.analyses] == ["ok", "ok", "no_face", "error"]
    return {name: result.analyses for name, result in done.items()}


@pytest.fixture(params=OUTPUTS, ids="-".join)
def output(
    request: pytest.FixtureRequest,
    folder: Path,
    analyses: dict[str, list[FaceAnalysis]],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Path, list[FaceAnalysis]]:
    """One output, beside the pictures, and the two faces that it must give back."""
    command, format_, columns = request.param
    path = folder / f"{command}-{columns}.{format_}"
    with (
        whole_file(path, "wb" if format_ in BINARY_FORMATS else "w") as file,
        writer_for(format_, file, columns=columns, explain=command == "analyze", render=str) as writer,
    ):
        writer.write(analyses[command], None)
    monkeypatch.chdir(folder)
    return path, analyses[command][:2]


def same(found: AUVector | None, meant: AUVector | None, path: Path) -> bool:
    """Equal; from columns without sides, the stronger side."""
    assert found is not None
    assert meant is not None
    if "-expllm." in path.name:
        return found == meant
    shown = {number: value for number, value in to_facs(found).items() if value is not None}
    # FEAFA has one unit for FACS 1 and 2, and another for 28: what has no column there cannot come back.
    facs = to_facs(meant)
    return bool(shown) and all(
        facs[number] == pytest.approx(value, abs=1e-6) for number, value in shown.items()
    )


def test_data_sets(output: tuple[Path, list[FaceAnalysis]]) -> None:
    path, faces = output
    dataset = open_dataset(path.name)
    samples = list(dataset)
    assert [sample.id for sample in samples] == [f"./{PAIR}", f"./{PAIR}#1"]
    assert all(same(one.aus, face.aus, path) for one, face in zip(samples, faces, strict=True))
    assert [sample.expression for sample in samples] == [None, None]  # a guess is no label
    assert [where for where, _ in dataset.skipped] == ["row 3", "row 4"]
    assert "no_face" in dataset.skipped[0][1]
    assert "torn.jpg" in dataset.skipped[1][1]
    if "openface" not in path.name:  # which has no column for a face's place
        boxes = [face.box for face in faces]
        assert [one.box for one in samples] == [(b.x, b.y, b.width, b.height) for b in boxes if b is not None]
        assert all(one.image is not None for one in samples)


@pytest.mark.parametrize("kind", [(), ("aus",)])
def test_data_check(output: tuple[Path, list[FaceAnalysis]], kind: tuple[str, ...]) -> None:
    path, _ = output
    result = call("data", "check", *kind, path.name)
    assert "2 of 4 rows are faces" in result.out
    assert result.code == 3  # for torn.jpg, which is named
    assert "torn.jpg" in result.out
    assert json.loads(call("data", "check", *kind, path.name, "--json").out)["samples"] == 2


@pytest.mark.parametrize("command", ["analyze", "aus"])
def test_the_same_commands_again(output: tuple[Path, list[FaceAnalysis]], command: str) -> None:
    path, faces = output
    result = call(command, path.name, "--format", "jsonl")
    assert result.code == 3
    assert len(result.complaints) == 1
    assert "torn.jpg" in result.complaints[0]
    again = result.analyses
    assert [(one.input, one.status, one.face_id) for one in again] == [
        (f"./{PAIR}", "ok", 0), (f"./{PAIR}", "ok", 1), ("./slope.png", "no_face", None),
        ("./torn.jpg", "error", None),
    ]  # fmt: skip
    assert all(same(one.aus, face.aus, path) for one, face in zip(again[:2], faces, strict=True))
    assert [row.status for row in read_au_table(path)] == [one.status for one in again]


def test_cot_make(output: tuple[Path, list[FaceAnalysis]], tmp_path: Path) -> None:
    path, _ = output
    made = call("cot", "make", path.name, "-o", tmp_path / "run")
    assert made.code == 3  # for torn.jpg, which is named
    assert "torn.jpg" in made.err
    assert json.loads(call("cot", "status", tmp_path / "run", "--json").out)["status"] == {"resolved": 2}


def test_cot_audit(output: tuple[Path, list[FaceAnalysis]]) -> None:
    path, _ = output
    result = call("cot", "audit", path.name, "--json")
    if path.name.startswith("aus-") or "-expllm." not in path.name:
        assert (result.code, len(result.complaints)) == (1, 1)  # there are no texts in it
        assert "no text with action units in it" in result.err
        return
    assert result.code == 3  # for torn.jpg, which is named
    assert "torn.jpg" in result.err
    audits = [json.loads(line) for line in result.out.split("\n") if line]
    assert [audit["id"] for audit in audits] == [f"./{PAIR}", f"./{PAIR}#1"]
    assert all(audit["precision"] == 1.0 for audit in audits)


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet"])
def test_two_faces_are_two_in_every_file(tmp_path: Path, suffix: str) -> None:
    own = tmp_path / f"own.{suffix}"
    assert call("aus", ROOT / "examples" / "faces" / "render_pair.jpg", "-o", own).code == 0
    checked = call("data", "check", own)
    assert (checked.code, checked.complaints) == (0, [])
    assert "2 of 2 rows are faces" in checked.out
