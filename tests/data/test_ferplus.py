"""FER+: the majority protocol, Parquet shards and the authors' folders."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from trees import ferplus_shard, labels_by_id, picture_file, votes_of, write_csv

from expllm.core.errors import MissingData, RecordError, VocabularyError
from expllm.data import image_bytes, open_dataset
from expllm.data.readers.ferplus import LABELS, VOTES, majority

ROWS = [
    votes_of(neutral=6, fear=4),
    votes_of(unknown=6, fear=4),
    votes_of(fear=5, contempt=5),
    votes_of(NF=10),
    votes_of(),
    votes_of(contempt=5, unknown=5),
]


def test_majority_and_what_is_dropped(tmp_path: Path) -> None:
    ferplus_shard(tmp_path / "ferplus_test-00000-of-00001.parquet", ROWS)
    dataset = open_dataset(f"{tmp_path / 'ferplus'}:test")
    assert labels_by_id(dataset) == {
        "ferplus/test/000000": "neutral",
        "ferplus/test/000002": "fear",
        "ferplus/test/000005": "contempt",
    }
    assert dataset.labels == LABELS
    assert dict(dataset.skipped) == {
        "ferplus/test/000001": "most votes are for unknown",
        "ferplus/test/000003": "most votes are for NF",
        "ferplus/test/000004": "no votes",
    }
    assert next(iter(dataset)).votes == votes_of(neutral=6, fear=4)


@given(st.fixed_dictionaries({name: st.integers(0, 10) for name in VOTES}))
def test_majority_is_the_first_of_the_largest(votes: dict[str, int]) -> None:
    largest = [name for name in VOTES if votes[name] == max(votes.values())]
    if max(votes.values()) == 0 or largest[0] in ("unknown", "NF"):
        with pytest.raises(VocabularyError):
            majority(votes)
    else:
        assert majority(votes) == largest[0]


def test_rows_are_counted_over_the_shards_of_a_split(tmp_path: Path) -> None:
    for number in range(2):
        ferplus_shard(tmp_path / f"ferplus_train-0000{number}-of-00002.parquet", [votes_of(fear=9)] * 3)
    ferplus_shard(tmp_path / "ferplus_valid-00000-of-00001.parquet", [votes_of(anger=9)])
    whole = open_dataset(str(tmp_path))
    assert list(labels_by_id(whole)) == [
        *(f"ferplus/train/{number:06d}" for number in range(6)),
        "ferplus/valid/000000",
    ]
    second = open_dataset(str(tmp_path / "ferplus_train-00001-of-00002.parquet"))
    assert list(labels_by_id(second)) == [f"ferplus/train/{number:06d}" for number in range(3, 6)]
    train = open_dataset(str(tmp_path), split="train")
    assert len(train) == 6
    assert train.splits == whole.splits == ("train", "valid")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    path = ferplus_shard(tmp_path / "ferplus_train-00001-of-00003.parquet", ROWS)
    with pytest.raises(MissingData, match="shard 0 of 3 of ferplus is missing"):
        open_dataset(str(tmp_path))
    with pytest.raises(MissingData, match="shard 0 of 3"):
        open_dataset(str(path))
    ferplus_shard(tmp_path / "ferplus_train-00000-of-00003.parquet", ROWS)
    with pytest.raises(MissingData, match="shard 2 of 3"):
        open_dataset(str(tmp_path))


def test_pictures_are_not_read(tmp_path: Path) -> None:
    path = ferplus_shard(tmp_path / "ferplus_test-00000-of-00001.parquet", ROWS)
    before = list(open_dataset(str(path)))
    footer, data = parquet.read_metadata(path), bytearray(path.read_bytes())
    for group in range(footer.num_row_groups):  # the pictures are gone from the file, pages and all
        for number in range(footer.num_columns):
            column = footer.row_group(group).column(number)
            if column.path_in_schema == "image":
                start = column.dictionary_page_offset or column.data_page_offset
                data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(data)
    dataset = open_dataset(str(path))
    assert list(dataset) == before
    image = before[0].image
    assert image is not None
    with pytest.raises(RecordError, match="row group 0 cannot be read"):
        image_bytes(image)


def test_a_cut_file_is_one_clear_error(tmp_path: Path) -> None:
    path = ferplus_shard(tmp_path / "ferplus_test-00000-of-00001.parquet", ROWS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordError, match="not a whole Parquet file"):
        open_dataset(str(path))


def test_folders_of_the_authors(tmp_path: Path) -> None:
    folder = tmp_path / "FER2013Test"
    picture_file(folder / "fer0032220.png")
    rows: list[list[object]] = [
        [f"fer{number}.png", "(0, 0, 48, 48)", *votes.values()]
        for number, votes in zip(("0032220", "0032221"), ROWS, strict=False)
    ]
    write_csv(folder / "label.csv", [*rows, ["fer0032222.png", "(0, 0, 48, 48)", 1, 2]])
    dataset = open_dataset(str(tmp_path))
    assert dataset.kind == "ferplus"
    (sample,) = dataset
    assert (sample.id, sample.expression, sample.split) == ("FER2013Test/fer0032220.png", "neutral", "test")
    assert [reason for _, reason in dataset.skipped] == [
        "no picture at FER2013Test/fer0032221.png",
        "not a name, a box and ten votes",
    ]
