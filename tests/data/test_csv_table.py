"""CSV tables of pictures, labels and action units."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import labels_by_id, picture_file, write_csv

from expllm.core.errors import MissingData, RecordError
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression, label_set
from expllm.data import open_dataset
from expllm.data.check import check_dataset


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_columns_in_any_case(delimiter: str, tmp_path: Path) -> None:
    picture_file(tmp_path / "faces" / "a.png")
    rows = [("File_Name", "Emotion", "Usage", "Subject"), ("faces/a.png", "Happy", "Training", "p1")]
    dataset = open_dataset(str(write_csv(tmp_path / "t.csv", rows, delimiter)))
    (sample,) = dataset
    assert (sample.id, sample.expression, sample.split) == ("faces/a.png", "happiness", "train")
    assert sample.identity == "p1"
    assert sample.image is not None
    assert Path(sample.image.path) == tmp_path / "faces" / "a.png"
    assert sample.aus is None
    assert sample.au_source is None


@pytest.mark.parametrize("image", ["image_name", "img-name", "img_path", "Image File"])
@pytest.mark.parametrize("label", ["expr", "emotion_label", "Label Name", "facial-expression"])
def test_columns_as_others_call_them(image: str, label: str, tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    dataset = open_dataset(str(write_csv(tmp_path / "labels.csv", [(image, label), ("a.png", "HAP")])))
    assert labels_by_id(dataset) == {"a.png": "happiness"}


def test_the_index_that_pandas_writes_is_no_id_and_no_split(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    (sample,) = open_dataset(
        str(write_csv(tmp_path / "t.csv", [("", "path", "label"), ("0", "a.png", "fear")]))
    )
    assert (sample.id, sample.split, sample.identity, sample.text) == ("a.png", None, None, None)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_decimal_commas(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_text("id;label;Jaw Drop\r\nZoë;Fear;0,5\r\n\r\n", encoding=encoding)
    (sample,) = open_dataset(str(tmp_path / "t.csv"))
    assert (sample.id, sample.expression, sample.aus) == ("Zoë", Expression.FEAR, AUVector({"jaw drop": 0.5}))


def test_action_units_by_name_without_a_picture(tmp_path: Path) -> None:
    rows = [("id", "label", "Jaw Drop", "left_eye_close", "cot"), ("x", "surprise", "0.5", "", "Because.")]
    (sample,) = open_dataset(str(write_csv(tmp_path / "t.csv", rows)))
    assert sample.aus == AUVector({"jaw drop": 0.5})
    assert (sample.text, sample.au_source, sample.image) == ("Because.", "csv", None)


@pytest.mark.parametrize(
    ("header", "row", "told"),
    [
        ("path,label,label", "a.png,happy,sad", "the column 'label' is there twice: keep one"),
        ("path,label,Label", "a.png,happy,sad", "row 2: columns of one meaning disagree ('label' is"),
        ("path,Label,emotion", "a.png,happy,sad", "'emotion' is 'sad'): keep the label, and rename"),
        ("path,path,label", "a.png,b.png,sad", "the column 'path' is there twice"),
        ("path,file,label", "a.png,b.png,sad", "'file' is 'b.png'): keep the image"),
        ("path,split,usage", "a.png,train,PublicTest", "'usage' is 'PublicTest'): keep the split"),
    ],
)  # fmt: skip
def test_columns_that_contradict_each_other(tmp_path: Path, header: str, row: str, told: str) -> None:
    same = {"split": "a.png,train,Training", "file": "a.png,a.png,sad"}
    first = next((same[word] for word in same if word in header), "a.png,sad,Sad")
    (tmp_path / "t.csv").write_text(f"{header}\n{first}\n{row}\n")
    picture_file(tmp_path / "a.png")
    with pytest.raises(RecordError) as caught:
        open_dataset(str(tmp_path / "t.csv"))
    assert told in caught.value.line


def test_columns_of_one_meaning_that_agree(tmp_path: Path) -> None:
    picture_file(tmp_path / "faces" / "a.png")
    rows = [
        ("path", "file_name", "label", "emotion", "class"),
        ("faces/a.png", "a.png", "sad", "Sadness", "face"),
    ]
    assert labels_by_id(open_dataset(str(write_csv(tmp_path / "t.csv", rows)))) == {"faces/a.png": "sadness"}


def test_bad_rows_are_skipped_with_their_reason(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    rows: list[tuple[str, ...]] = [
        ("path", "label", "jaw drop"),
        ("a.png", "fear", ""),
        ("a.png", "boredom", ""),
        ("a.png", "", ""),
        ("a.png", "3", ""),
        ("gone.png", "fear", ""),
        ("a.png", "fear", "1.5"),
        ("a.png", "fear", "much"),
        ("https://example.org/a.png", "fear", ""),
        ("", "fear", ""),
        ("a.png",),
    ]
    dataset = open_dataset(str(write_csv(tmp_path / "t.csv", rows)))
    assert len(dataset) == 1
    reasons = dict(dataset.skipped)
    assert list(reasons) == [f"row {number}" for number in range(2, 11)]
    for number, part in {
        2: "unknown expression 'boredom'",
        3: "no label",
        4: "label 3 is a number",
        5: "no picture at",
        6: "intensity of 'jaw drop' is 1.5",
        7: "'much': it must be a number",
        8: "web address",
        9: "neither a picture nor an action unit",
        10: "cut off after 1 of 3 cells",
    }.items():
        assert part in reasons[f"row {number}"]


def test_numbers_are_read_if_the_kind_says_whose(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    table = write_csv(tmp_path / "t.csv", [("path", "label"), ("a.png", "1")])
    assert labels_by_id(open_dataset(str(table), kind="rafdb")) == {"a.png": "surprise"}
    assert labels_by_id(open_dataset(str(table), kind="affectnet7")) == {"a.png": "happiness"}
    with pytest.raises(RecordError, match=r"none of its 1 rows .* number differently"):
        open_dataset(str(table))


def test_a_number_among_words_is_damage(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture_file(tmp_path / name, len(name))
    rows = [("path", "label"), ("a.png", "happy"), ("b.png", "3"), ("c.png", "nan")]
    report = check_dataset(None, str(write_csv(tmp_path / "t.csv", rows)), fast=True)
    assert [where for where, _ in report.unreadable] == ["row 2"]
    assert report.left_out == {"no label": 1}


def test_all_pictures_missing_is_missing_data(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", [("path", "label"), ("a.png", "fear"), ("b.png", "fear")])
    with pytest.raises(MissingData, match=r"none of its 2 rows.*no picture at"):
        open_dataset(str(table))


def test_an_output_of_expllm_has_no_labels(tmp_path: Path) -> None:
    rows = [("input", "status", "jaw drop", "expression"), ("a.png", "ok", "0.5", "fear")]
    (sample,) = open_dataset(str(write_csv(tmp_path / "t.csv", rows)))
    assert sample.expression is None
    assert sample.aus is not None


def test_what_is_no_table(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text('path,label\n"a.png" x,fear\n')
    with pytest.raises(RecordError, match=r"none of its 1 rows .* row 1: cannot be read: not valid CSV"):
        open_dataset(str(broken))
    other = write_csv(tmp_path / "other.csv", [("when", "where"), ("now", "here")])
    with pytest.raises(RecordError, match="no column names a picture"):
        open_dataset(str(other))


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_labels_as_spreadsheets_save_them(tmp_path: Path, encoding: str, delimiter: str) -> None:
    picture_file(tmp_path / "Bilder" / "Süß" / "é.png")
    rows = [("path", "label"), ("Bilder\\Süß\\é.png", "Glück?"), ("Bilder\\Süß\\é.png", "happy")]
    text = "\r\n".join(map(delimiter.join, rows)) + "\r\n"
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    (sample,) = open_dataset(str(tmp_path))
    assert (sample.id, sample.expression) == ("Bilder\\Süß\\é.png", "happiness")
    assert sample.image is not None
    assert Path(sample.image.path) == tmp_path / "Bilder" / "Süß" / "é.png"


def test_objects_of_json_are_rows_too(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    lines = ['{"file_name": "a.png", "label": "happy"}', '{"file_name": "b.png", "label": "sad"}', "rubbish"]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    dataset = open_dataset(str(tmp_path))
    assert labels_by_id(dataset) == {"a.png": "happiness"}
    assert [where for where, _ in dataset.skipped] == ["row 2", "row 3"]
    assert "is not JSON" in dataset.skipped[1][1]


def test_pictures_without_labels_have_the_seven(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    dataset = open_dataset(str(write_csv(tmp_path / "t.csv", [("path",), ("a.png",)])))
    assert (len(dataset), dataset.labels) == (1, label_set(7))


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\xef\xbb\xbf\n", "is empty"),
        ("a.csv", b"\x1f\x8b", "unpack it first"),
        ("a.xlsx", b"PK\3\4", "save it as CSV"),
        ("a.csv", "имя,лицо\n".encode("cp1251"), "save it as UTF-8"),
        ("a.jsonl", b"rubbish", "its columns are rubbish"),
        ("a.jsonl", b'{"a": 1', "line 1 is not JSON, or cut short"),
        ("a.jsonl", b"[]", "is empty"),
        ("a.jsonl", b"{}", "is empty"),
        ("a.jsonl", b'{"a": ' + b"[" * 9999, "nested too deeply"),
        ("a.jsonl", b'{"a": 1}', "no column names a picture"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RecordError) as caught:
        open_dataset(str(tmp_path / name))
    assert told in caught.value.line


def test_accents_as_another_system_writes_them(tmp_path: Path) -> None:
    picture_file(tmp_path / unicodedata.normalize("NFD", "né.png"))
    table = write_csv(
        tmp_path / "t.csv", [("path", "label"), (unicodedata.normalize("NFC", "né.png"), "fear")]
    )
    assert len(open_dataset(str(table))) == 1


def test_a_name_in_the_wrong_encoding_is_doubted(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    picture_file(tmp_path / "Süß.png")
    text = "path,label\na.png,happy\nSüß.png,sad\nmissing.png,sad\n"
    (tmp_path / "t.csv").write_bytes(text.encode("mac-roman"))
    skipped = dict(open_dataset(str(tmp_path / "t.csv")).skipped)
    assert skipped["row 2"].endswith(
        "(the table was read as cp1252: save it as UTF-8 if the name is another)"
    )
    assert skipped["row 3"] == "no picture at missing.png"


CELLS = st.one_of(st.none(), st.floats(0, 1))


READINGS = st.lists(CELLS, min_size=len(AU_NAMES), max_size=len(AU_NAMES))


@given(st.lists(st.tuples(st.sampled_from(Expression), READINGS), min_size=1))
@settings(max_examples=30)
def test_action_units_survive_a_table(
    tmp_path: Path, faces: list[tuple[Expression, list[float | None]]]
) -> None:
    faces = [face for face in faces if any(value is not None for value in face[1])]
    if not faces:
        return
    rows = [[label, *("" if v is None else repr(v) for v in values)] for label, values in faces]
    dataset = open_dataset(str(write_csv(tmp_path / "t.csv", [("label", *AU_NAMES), *rows])))
    expected = [(label, AUVector(dict(zip(AU_NAMES, values, strict=True)))) for label, values in faces]
    assert [(sample.expression, sample.aus) for sample in dataset] == expected
