"""Files of rows: any dialect reads like its plain twin, and a broken row costs itself alone."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.errors import RecordError
from expllm.files.tabular import DelimitedFile, TableRow, encoding_of, json_rows, number

HEADER = ("name", "frame", "AU01_r", "AU12_r")
ROWS = (("a.jpg", "1", "0.25", "3.5"), ("b c.jpg", "2", "1.00", ""), ("d.jpg", "3", "0.00", "0.125"))
TWIN = [dict(zip(HEADER, row, strict=True)) for row in ROWS]


def text_of(delimiter: str = ",", end: str = "\n", mark: str = ".") -> str:
    quote = '"' if delimiter == mark else ""
    rows = [
        [name, frame, *(f"{quote}{n.replace('.', mark)}{quote}" for n in cells)]
        for name, frame, *cells in ROWS
    ]
    return "".join(delimiter.join(row) + end for row in (HEADER, *rows))


def delimited(tmp_path: Path, text: str, encoding: str = "utf-8") -> list[TableRow]:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    return list(DelimitedFile(path).rows())


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", [".", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_decimal_marks_and_line_ends(tmp_path: Path, delimiter: str, mark: str, end: str) -> None:
    rows = delimited(tmp_path, text_of(delimiter, end, mark) + end)
    assert [dict(row.cells) for row in rows] == TWIN
    assert [(row.number, row.problem) for row in rows] == [(1, ""), (2, ""), (3, "")]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    rows = delimited(tmp_path, text_of("\t").replace("a.jpg", "Zoë–1.jpg"), encoding)
    assert [row.cells["name"] for row in rows] == ["Zoë–1.jpg", "b c.jpg", "d.jpg"]
    assert [row.cells["AU12_r"] for row in rows] == ["3.5", "", "0.125"]


def test_a_letter_behind_a_megabyte_tells_the_encoding(tmp_path: Path) -> None:
    rows = delimited(tmp_path, "name,frame\n" + "a,1\n" * 300_000 + "é,2\n", "cp1252")
    assert rows[-1].cells == {"name": "é", "frame": "2"}


@pytest.mark.parametrize(
    ("start", "advice"),
    [
        (b"PK\x03\x04", "save it as CSV"),
        (b"\xd0\xcf\x11\xe0", "save it as CSV"),
        (b"\x1f\x8b\x08", "unpack it"),
    ],
)
def test_workbooks_and_archives_say_what_to_do(tmp_path: Path, start: bytes, advice: str) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(start + bytes(20))
    with pytest.raises(RecordError, match=rf"t\.xlsx: .*{advice}"):
        list(DelimitedFile(path).rows())


@pytest.mark.parametrize("data", [b"\xff\xfe\x00jpeg", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"a,b\n\x81\x8d,\n"])
def test_bytes_that_are_no_text(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(RecordError, match=r"t\.csv: cannot be read as text"):
        list(DelimitedFile(path).rows())


def test_headers_quoted_padded_and_told_by_excel(tmp_path: Path) -> None:
    plain = text_of(";")
    quoted = ";".join(f'" {name} "' for name in HEADER) + plain[plain.index("\n") :]
    assert [dict(row.cells) for row in delimited(tmp_path, "sep=;\r\n" + quoted)] == TWIN
    assert [dict(row.cells) for row in delimited(tmp_path, "\n\n" + text_of().replace(",", " , "))] == [
        {name: cell + " " * (cell != cells[-1]) for name, cell in zip(HEADER, cells, strict=True)}
        for cells in ROWS
    ]


def test_thousands_beside_decimals(tmp_path: Path) -> None:
    german = "frame;time;AU01_r\n1.234;1.234,5;0,5\n2.000;12.345.678,25;1,5E-05\n"
    assert [list(row.cells.values()) for row in delimited(tmp_path, german)] == [
        ["1234", "1234.5", "0.5"],
        ["2000", "12345678.25", "1.5E-05"],
    ]
    english = 'frame,AU01_r\n"1,234",0.5\n'
    assert [number(row.cells["frame"]) for row in delimited(tmp_path, english)] == [1234.0]
    alone = "a;b\n1,234;x\n"  # nothing else says what the comma is: where it parts no cells, a decimal
    assert [row.cells["a"] for row in delimited(tmp_path, alone)] == ["1.234"]


def test_rows_of_another_length_are_named(tmp_path: Path) -> None:
    rows = delimited(tmp_path, "a,b,c\n1,2,3\n1,2\n1,2,3,\n1,2,3,4\n1,2,3")
    assert [row.problem for row in rows] == [
        "", "cut off after 2 of 3 cells", "", "4 cells, but there are 3 columns", "",
    ]  # fmt: skip
    assert rows[1].cells == {"a": "1", "b": "2"}


def test_empty_rows_inside_are_rows_and_those_at_the_end_none(tmp_path: Path) -> None:
    rows = delimited(tmp_path, "a,b\n1,2\n,\n\n3,4\n,\n , \n\n")
    assert [tuple(row.cells.values()) for row in rows] == [("1", "2"), ("", ""), ("3", "4")]


@pytest.mark.parametrize("broken", ['"x,1', '"x" y,1', 'x,"1'])
def test_a_stray_quotation_mark_costs_its_row(tmp_path: Path, broken: str) -> None:
    rows = delimited(tmp_path, f'a,b\nv,0\n{broken}\ny,2\n"z\nz",3\n')
    assert [row.cells.get("a") for row in rows] == ["v", None, "y", "z\nz"]
    assert [bool(row.problem) for row in rows] == [False, True, False, False]
    assert "not valid CSV" in rows[1].problem


LINE_SEPARATORS = "\u2028\u2029\x85\v\f\x1c\x1d\x1e"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_line_feeds_end_a_json_line(tmp_path: Path, end: str) -> None:
    values = [{"id": f"a{sign}b.jpg"} for sign in LINE_SEPARATORS]
    path = tmp_path / "t.jsonl"
    path.write_bytes(end.join(json.dumps(value, ensure_ascii=False) for value in values).encode())
    assert [row.cells for row in json_rows(path)] == values


@pytest.mark.parametrize(
    ("text", "cells", "problems"),
    [
        (
            '{"a": 1}\n\nrubbish\n[2]\n{"a": 3}\n{"a": ',
            [1, None, None, 3, None],
            ["line 3 is not JSON", "no", "line 6"],
        ),
        ('[{"a": 1},\n {"a": 2},\n {"a": ', [1, 2, None], ["all behind it is lost"]),
        ('[{"a": 1}, {"a": 2}', [1, 2, None], ["cut short"]),
        ('[{"a": 1}, 7, {"a": 2}]', [1, None, 2], ["not a JSON object"]),
        ('{\n "a": 1\n}\n', [1], []),
        ("[]", [], []),
        ("", [], []),
    ],
)
def test_a_broken_value_costs_itself(
    tmp_path: Path, text: str, cells: list[int | None], problems: list[str]
) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    rows = list(json_rows(path))
    assert [row.cells.get("a") for row in rows] == cells
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    said = [row.problem for row in rows if row.problem]
    assert len(said) == len(problems)
    assert all(part in problem for part, problem in zip(problems, said, strict=True))


@pytest.mark.parametrize("word", ["", " ", "NaN", "NA", "n/a", "<NA>", "null", "None", ".", "#N/A"])
def test_words_for_a_missing_value(word: str) -> None:
    assert number(word) is None


@pytest.mark.parametrize(
    "word", ["inf", "-Infinity", "1e999", "1,2,3", "1 2", "x", "0x1", "1_0", True, [1], {}]
)
def test_what_is_no_number(word: object) -> None:
    with pytest.raises(ValueError, match="is not a"):
        number(word)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_of_either_mark(value: float) -> None:
    assert number(repr(value)) == number(value) == value
    assert number(f" {value!r} ".replace("-", "\N{MINUS SIGN}")) == value


@pytest.mark.parametrize(
    "above",
    ["# OpenFace 2.2.0, exported\n# by hand\n", "Results of the study\n\n", "\n# one; two\n", "sep=,\n# a\n"],
)
def test_comments_and_titles_above_a_header_are_passed_over(tmp_path: Path, above: str) -> None:
    assert [dict(row.cells) for row in delimited(tmp_path, above + text_of())] == TWIN


def test_a_header_that_begins_like_a_comment_is_one(tmp_path: Path) -> None:
    assert [row.cells for row in delimited(tmp_path, "#name,frame\na,1\n")] == [{"#name": "a", "frame": "1"}]
    assert [row.cells for row in delimited(tmp_path, "name\na\nb\n")] == [{"name": "a"}, {"name": "b"}]


def test_tables_as_r_writes_them(tmp_path: Path) -> None:
    plain = '"name" "AU01_r"\n"1" "b c.jpg" 0.25\n"2" "d.jpg" NA\n'
    wanted = [{"": "1", "name": "b c.jpg", "AU01_r": "0.25"}, {"": "2", "name": "d.jpg", "AU01_r": "NA"}]
    assert [row.cells for row in delimited(tmp_path, plain)] == wanted
    assert [
        row.cells for row in delimited(tmp_path, plain.replace('" ', '",').replace("g 0", "g,0"))
    ] == wanted
    aligned = "name   AU01_r\na.jpg  0.25\n"
    assert [row.cells for row in delimited(tmp_path, aligned)] == [{"name": "a.jpg", "AU01_r": "0.25"}]


def test_tables_that_were_joined_name_the_second_header(tmp_path: Path) -> None:
    rows = delimited(tmp_path, text_of() + text_of())
    assert [row.problem for row in rows] == [
        "",
        "",
        "",
        "the header once more: tables were joined here",
        "",
        "",
        "",
    ]
    assert rows[4].cells == TWIN[0]


@pytest.mark.parametrize(
    ("encoding", "name"), [("cp1251", "лицо"), ("koi8-r", "лицо"), ("cp1253", "πρόσωπο")]
)
def test_other_alphabets_are_not_read_as_accents(tmp_path: Path, encoding: str, name: str) -> None:
    with pytest.raises(RecordError, match="neither in UTF-8 nor in the alphabet of western Europe: save it"):
        delimited(tmp_path, f"name,frame\n{name},1\n", encoding)
    assert delimited(tmp_path, "name,frame\nSüßœuvre,1\n", "cp1252")[0].cells["name"] == "Süßœuvre"


def test_bytes_of_no_encoding_come_with_advice(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"cannot be read as text \(.*\): save it as UTF-8"):
        delimited(tmp_path, "name,frame\n表情,1\n", "shift_jis")


def test_objects_one_after_another(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    for text in (
        '{"a": 1},\n{"a": 2},\n',
        '{\n "a": 1\n}\n{\n "a": 2\n}\n',
        '{\n "a": 1\n},\n{\n "a": 2\n}',
    ):
        path.write_text(text)
        assert [row.cells for row in json_rows(path)] == [{"a": 1}, {"a": 2}]
    path.write_text('{\n "a": 1\n}\n{\n "a": \n')
    assert [bool(row.problem) for row in json_rows(path)] == [False, True]


def test_a_number_without_end_costs_its_row(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n{"a": ' + "9" * 5000 + '}\n{"a": 3}\n')
    assert [row.problem for row in json_rows(path)] == [
        "", "line 2 is not JSON, or cut short (a number has too many digits)", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "start", "told"),
    [
        ("a.pkl", b"\x80\5\x95", "a Python pickle, which is never loaded: save it as CSV or Parquet"),
        ("a.feather", b"ARROW1\0\0", "a Feather or Arrow file: save it"),
        ("a.sqlite", b"SQLite format 3\0", "a SQLite database: export the table as CSV"),
        ("a.csv.xz", b"\xfd7zXZ\0", "compressed (xz): unpack it first"),
        ("a.csv.bz2", b"BZh91AY", "compressed (bzip2): unpack it first"),
        ("a.csv.zst", b"\x28\xb5\x2f\xfd", "compressed (Zstandard): unpack it first"),
        ("a.rds", b"\x1f\x8b\x08", "R's own data: save it as CSV"),
        ("a.RData", b"RDX3\nX", "R's own data: save it as CSV"),
        ("a.gz", b"\x1f\x8b\x08", "compressed (gzip): unpack it first"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        ("a.mat", b"MATLAB 5.0 MAT-file, Platform", "a MATLAB file"),
        ("a.sav", b"$FL2@(#)", "an SPSS file"),
        ("a.dta", b"<stata_dta>", "a Stata file"),
        ("a.npy", b"\x93NUMPY", "a NumPy array"),
        ("a.csv", b"<!DOCTYPE html><html>", "a web page: download the table itself"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
    ],
)
def test_other_programs_files_are_named_as_what_they_are(
    tmp_path: Path, name: str, start: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(start + bytes(64))
    with pytest.raises(RecordError) as caught:
        encoding_of(tmp_path / name)
    assert f"{name}: {told}" in caught.value.line


@pytest.mark.parametrize(
    "twice", ['{"a": 1, "b": {"c": 1, "c": 2}}', '{"a": [{"c": 1, "c": 1}]}', '{"c": 1, "c": 1}']
)
@pytest.mark.parametrize("form", ["{}\n{}\n", "[{}, {}]", "[\n{},\n{}\n"])
def test_an_object_that_has_a_key_twice_fails_alone(tmp_path: Path, twice: str, form: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(form.format(twice, '{"a": 1}'), "utf-8")
    first, second, *_ = json_rows(path)
    assert first.problem == "the key 'c' is there twice: leave one of them"
    assert (second.problem, second.cells) == ("", {"a": 1})
