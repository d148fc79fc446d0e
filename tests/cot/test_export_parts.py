"""Exports in parts: the same records in the same order, a manifest that is true, and the same bytes again."""

import hashlib
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from runs_by_hand import record, run_of
from typer.testing import CliRunner

from expllm.cli.main import app
from expllm.core.errors import UsageError
from expllm.cot.export import default_output, export, part_bytes
from expllm.files.runs import RunFolder

SIZE = 4_000


def run(folder: Path, count: int = 12) -> RunFolder:
    return run_of(folder / "run", [record(f"face {number:02d}") for number in range(count)])


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("to", ["jsonl", "messages"])
def test_parts_are_the_whole_cut_between_records(tmp_path: Path, to: str) -> None:
    made = run(tmp_path)
    assert export(made, to, tmp_path / "whole.jsonl") == 12
    assert export(made, to, tmp_path / "parts", part_size=SIZE) == 12
    manifest = json.loads((tmp_path / "parts" / "manifest.json").read_text())
    names = [part["file"] for part in manifest["parts"]]
    assert len(names) > 2
    stem = "explanations" if to == "jsonl" else "messages"
    assert all(re.fullmatch(rf"{stem}-\d{{5}}-of-{len(names):05d}\.jsonl", name) for name in names)
    parts = [(tmp_path / "parts" / name).read_bytes() for name in names]
    assert b"".join(parts) == (tmp_path / "whole.jsonl").read_bytes()
    assert all(len(part) <= SIZE for part in parts)
    for told, part in zip(manifest["parts"], parts, strict=True):
        assert told["records"] == part.count(b"\n")
        assert told["bytes"] == len(part)
        assert told["sha256"] == hashlib.sha256(part).hexdigest()
    assert manifest["records"] == 12
    assert manifest["bytes"] == sum(map(len, parts))
    assert (tmp_path / "parts" / "README.md").is_file()


@pytest.mark.parametrize("to", ["hf", "trl"])
def test_tables_without_pictures_are_cut_as_well(tmp_path: Path, to: str) -> None:
    made = run(tmp_path)
    export(made, to, tmp_path / "parts", part_size=SIZE)
    manifest = json.loads((tmp_path / "parts" / "manifest.json").read_text())
    assert len(manifest["parts"]) > 1
    tables = [pq.read_table(tmp_path / "parts" / part["file"]) for part in manifest["parts"]]
    assert [len(table) for table in tables] == [part["records"] for part in manifest["parts"]]
    ids = [name for table in tables for name in table["id"].to_pylist()]
    assert ids == [f"face {number:02d}" for number in range(12)]


@pytest.mark.parametrize("to", ["jsonl", "hf"])
def test_broken_off_and_done_again_it_has_the_same_bytes(
    tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(tmp_path)
    export(made, to, tmp_path / "one", part_size=SIZE)
    with monkeypatch.context() as patch:
        patch.setattr("expllm.cot.export.write_parts_manifest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export(made, to, tmp_path / "two", part_size=SIZE)
    assert not (tmp_path / "two").exists()
    export(made, to, tmp_path / "two", part_size=SIZE)
    export(made, to, tmp_path / "two", part_size=SIZE)  # its own earlier export is replaced
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_sizes() -> None:
    assert part_bytes("1GB") == part_bytes("1G") == part_bytes("1000 mb") == 10**9
    assert part_bytes("2GiB") == part_bytes("2gi") == 2**31
    assert part_bytes("4096") == 4096
    for wrong in ("", "big", "1XB", "-1GB", "12B", "0GB", "1e9"):
        with pytest.raises(UsageError, match="--part-size"):
            part_bytes(wrong)


def test_formats_that_are_one_file_say_so(tmp_path: Path) -> None:
    made = run(tmp_path)
    for to in ("released", "parquet", "llava"):
        with pytest.raises(UsageError, match="not written in parts"):
            export(made, to, tmp_path / "out", part_size=SIZE)
    assert default_output(made, "jsonl", SIZE).name == "explanations-jsonl"
    assert default_output(made, "hf", SIZE) == default_output(made, "hf")


def test_on_the_command_line(tmp_path: Path) -> None:
    made = run(tmp_path)
    command = ["cot", "export", str(made.path), "--to", "jsonl", "--part-size", "4KB"]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert (made.path / "explanations-jsonl" / "manifest.json").is_file()
    assert isinstance(CliRunner().invoke(app, [*command[:-1], "little"]).exception, UsageError)
