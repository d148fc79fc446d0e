"""Parquet with pictures and labels, as the hub hands it out, and the bytes of its pictures."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from trees import encoded, labels_by_id, picture_file

from expllm.core.errors import ImageError, RecordError
from expllm.data import ImageRef, image_bytes, open_dataset
from expllm.files.images import open_image


def write(path: Path, names: Sequence[str] | None = None, group: int = 3, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if names is not None:
        features = {"label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path, row_group_size=group)
    return path


def test_labels_identities_and_ids_by_row(tmp_path: Path) -> None:
    write(
        tmp_path / "portraits_train-00000-of-00001.parquet",
        image=[encoded(1), encoded(2), encoded(3)],
        label=["anger", "boredom", "Happy"],
        identity=["a", "b", None],
    )
    dataset = open_dataset(str(tmp_path))
    assert labels_by_id(dataset) == {"portraits/train/000000": "anger", "portraits/train/000002": "happiness"}
    assert [sample.identity for sample in dataset] == ["a", None]
    assert "unknown expression 'boredom'" in dataset.skipped[0][1]


def test_layout_of_the_hub(tmp_path: Path) -> None:
    """Pictures as structs, numbered classes with names in the schema, shards under data/."""
    image = [{"bytes": encoded(shade), "path": None} for shade in (10, 20)]
    write(tmp_path / "faces/data/test-00000-of-00001.parquet", ["sad", "happy"], image=image, label=[1, 0])
    dataset = open_dataset(str(tmp_path / "faces"))
    assert labels_by_id(dataset) == {"faces/test/000000": "happiness", "faces/test/000001": "sadness"}
    references = [sample.image for sample in dataset]
    assert [image_bytes(ref) for ref in references if ref] == [encoded(10), encoded(20)]


def test_numbers_without_names_are_no_guess(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", image=[encoded()], label=[3])
    with pytest.raises(RecordError, match="label 3 is a number"):
        open_dataset(str(tmp_path / "x.parquet"))


def test_ids_of_the_table_come_first_and_must_differ(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", image=[encoded()] * 2, label=["fear"] * 2, id=["a", "b"])
    assert list(labels_by_id(open_dataset(str(tmp_path / "x.parquet")))) == ["a", "b"]
    write(tmp_path / "x.parquet", image=[encoded()] * 2, label=["fear"] * 2, id=["a", "a"])
    with pytest.raises(RecordError, match=r"x\.parquet row 0 and x\.parquet row 1 have the same id"):
        open_dataset(str(tmp_path / "x.parquet"))


def test_needed_columns_are_named(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", picture=[encoded()], label=["fear"])
    with pytest.raises(RecordError, match="needs a column 'label' or 'expression' and a column 'image'"):
        open_dataset(str(tmp_path / "x.parquet"))


def test_bytes_of_any_row_in_any_order_on_several_threads(tmp_path: Path) -> None:
    pictures = [encoded(shade) for shade in range(20)]
    path = write(tmp_path / "x.parquet", image=pictures, label=["fear"] * 20)
    references = [sample.image for sample in open_dataset(str(path)) if sample.image]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(image_bytes, reversed(references))) == pictures[::-1]
    assert open_image(image_bytes(references[0])).full_size == (48, 48)


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", image=[encoded(1)], label=["fear"])
    ref = ImageRef(path=str(path), row=0, column="image")
    assert image_bytes(ref) == encoded(1)
    write(path, image=[encoded(2), encoded(3)], label=["fear"] * 2)
    assert image_bytes(ref) == encoded(2)


def test_bytes_of_a_file(tmp_path: Path) -> None:
    path = picture_file(tmp_path / "a.png")
    assert image_bytes(ImageRef(path=str(path))) == path.read_bytes()


def test_pictures_that_are_not_there(tmp_path: Path) -> None:
    path = str(write(tmp_path / "x.parquet", image=[None, b""], label=["fear"] * 2))
    for ref, message in (
        (ImageRef(path=path, row=2, column="image"), "has no row 2: it has 2"),
        (ImageRef(path=path, row=0, column="image"), "holds no picture"),
        (ImageRef(path=path, row=1, column="image"), "holds no picture"),
        (ImageRef(path=path, row=0, column="label"), "holds no picture"),
        (ImageRef(path=path, row=0, column="photo"), "has no column 'photo'"),
        (ImageRef(path=str(tmp_path / "gone.png")), "cannot be opened"),
        (ImageRef(path=str(tmp_path)), "not a regular file"),
    ):
        with pytest.raises(ImageError, match=message):
            image_bytes(ref)
