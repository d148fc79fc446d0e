"""What a stage reads: texts find their faces, mirrored ones change sides, boxes cut, the unfit is told."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small import ALIGN, INSTRUCT, LABELS, cot_of, draw_faces, recipe

from expllm.core.conversations import Questions
from expllm.core.errors import ExpllmError, MissingData
from expllm.core.vocabulary import Expression
from expllm.data import ImageRef
from expllm.faces.boxes import MARGIN
from expllm.train.data_sources import read_stage
from expllm.train.picture_cache import cached_pictures
from expllm.train.recipe import DataConfig
from expllm.train.stages import prepare_faces, train_stages
from expllm.train.training_sets import CaptionTrainingSet, FaceTrainingSet, TrainingFace, check_trainable

QUESTIONS = Questions()


def read(data: DataConfig) -> FaceTrainingSet:
    found = read_stage(data, INSTRUCT, QUESTIONS)
    assert isinstance(found, FaceTrainingSet)
    return found


def test_texts_find_their_faces_by_id_in_any_order(tmp_path: Path) -> None:
    data = draw_faces(tmp_path, 8, explained=5)
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(sorted(texts.read_text().splitlines(keepends=True), reverse=True)))
    faces = read(data)
    assert len(faces) == 8
    told = {face.id: face.cot for face in faces.faces}
    assert sum(cot is not None for cot in told.values()) == 5
    for number in range(5):
        assert told[f"{LABELS[number % 4].value}/{number:02d}.png"] == cot_of(number)


def test_texts_of_an_engines_run_are_read(tmp_path: Path) -> None:
    """The whole way: faces, `expllm cot make`, training."""
    from expllm.cli.main import run

    data = draw_faces(tmp_path, 8)
    table = tmp_path / "table.jsonl"
    rows = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text().splitlines()]
    table.write_text("".join(json.dumps({**row, "aus": {"Left Brow Raise": 0.6}}) + "\n" for row in rows))
    with pytest.raises(SystemExit) as left:
        run(["cot", "make", str(table), "-o", str(tmp_path / "made"), "--quiet", "--verify", "rules"])
    assert left.value.code == 0
    faces = read(replace(data, texts=str(tmp_path / "made")))
    assert all(face.cot and "brow" in face.cot.key_observations for face in faces.faces)


def test_paths_of_faces_are_under_root_and_that_of_texts_is_not(tmp_path: Path) -> None:
    data = draw_faces(tmp_path)
    assert len(read(replace(data, root=str(tmp_path), train="faces"))) == 8
    assert len(read(replace(data, root=str(tmp_path / "faces"), train="."))) == 8


def test_a_limit_takes_the_first_faces(tmp_path: Path) -> None:
    data = draw_faces(tmp_path)
    assert [face.id for face in read(replace(data, limit=3)).faces] == [face.id for face in read(data).faces][
        :3
    ]


def test_the_fingerprint_tells_other_texts_and_other_faces(tmp_path: Path) -> None:
    data = draw_faces(tmp_path)
    first = read(data).fingerprint
    assert read(data).fingerprint == first
    texts = tmp_path / "texts.jsonl"
    texts.write_text(texts.read_text().replace("lifted 3", "lifted 9"))
    second = read(data).fingerprint
    (tmp_path / "faces" / "sadness" / "new.png").write_bytes(
        next((tmp_path / "faces").rglob("*.png")).read_bytes()
    )
    assert len({first, second, read(data).fingerprint}) == 3


@pytest.mark.parametrize("task", ["explanation", "caption"])
def test_a_mirrored_face_is_told_of_with_sides_exchanged(tmp_path: Path, task: str) -> None:
    faces = read(draw_faces(tmp_path))
    for index, face in enumerate(faces.faces):
        assert face.cot is not None
        plain = faces.conversation(index, task)  # type: ignore[arg-type]
        flipped = faces.conversation(index, task, mirrored=True)  # type: ignore[arg-type]
        side, other = ("left", "right") if "left" in face.cot.key_observations else ("right", "left")
        assert f"The {side} brow" in "".join(plain.learned)
        assert f"The {other} brow" in "".join(flipped.learned)
        assert f"The {side} brow" not in "".join(flipped.learned)
        assert [turn.text for turn in plain.turns if turn.text not in plain.learned] == [
            turn.text for turn in flipped.turns if turn.text not in flipped.learned
        ]


def test_a_box_cuts_a_square_with_a_margin(tmp_path: Path) -> None:
    pixels = np.zeros((90, 90, 3), np.uint8)
    pixels[30:50, 30:70] = (10, 200, 30)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    face = TrainingFace("a", LABELS[0], ImageRef(path=str(tmp_path / "a.png")), box=(30.0, 30.0, 40.0, 20.0))
    faces = FaceTrainingSet((face,), LABELS, QUESTIONS, 0.0, "")
    side = round(40 * (1 + 2 * MARGIN))
    cut = np.asarray(faces.image(0))
    assert cut.shape == (side, side, 3)
    assert (cut == (10, 200, 30)).all(axis=2).sum() == 40 * 20  # all of it, around the middle
    assert abs(int(np.flatnonzero(cut[:, side // 2, 1])[0]) - (side - 20) // 2) <= 1


def test_a_small_face_in_a_large_picture_keeps_its_pixels(tmp_path: Path) -> None:
    pixels = np.full((3000, 4000, 3), 255, np.uint8)
    pixels[1000:1100, 2000:2100] = (200, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    face = TrainingFace(
        "a", LABELS[0], ImageRef(path=str(tmp_path / "large.png")), box=(2000.0, 1000.0, 100.0, 100.0)
    )
    cut = np.asarray(FaceTrainingSet((face,), LABELS, QUESTIONS, 0.0, "").image(0))
    assert (cut == (200, 0, 0)).all(axis=2).sum() == 100 * 100


def test_an_explanation_without_its_headings_is_left_out_and_counted(tmp_path: Path) -> None:
    data = draw_faces(tmp_path)
    texts = tmp_path / "texts.jsonl"
    rows = [json.loads(line) for line in texts.read_text().splitlines()]
    rows[2]["cot"] = "Just a sentence."
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    faces = read(data)
    assert len(faces) == 8
    assert [(name, reason.split(":")[0]) for name, reason in faces.left_out] == [
        (rows[2]["id"], "its explanation is left out")
    ]


def test_what_is_missing_is_told_with_its_key(tmp_path: Path) -> None:
    data = draw_faces(tmp_path)
    with pytest.raises(MissingData, match=r"set data\.train"):
        read(DataConfig())
    with pytest.raises(MissingData, match="nowhere"):
        read(replace(data, train=str(tmp_path / "nowhere")))
    with pytest.raises(MissingData, match="nowhere"):
        read(replace(data, texts=str(tmp_path / "nowhere")))
    with pytest.raises(MissingData, match=r"set data\.captions, or data\.texts and data\.captions=texts"):
        read_stage(replace(data, texts=None), ALIGN, QUESTIONS)
    others = tmp_path / "texts.jsonl"
    others.write_text(others.read_text().replace(".png", ".jpg"))
    with pytest.raises(MissingData, match=r"explains none of the faces .* made from others"):
        read(data)


def test_stage_one_reads_captions_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (30, 20), (9, 9, 9)).save(tmp_path / "images" / "a.jpg")
    (tmp_path / "metadata.json").write_text(
        json.dumps(
            [{"id": "a", "image": "a.jpg", "caption": "a man to the left of a dog", "blip_caption": "x"}]
        )
    )
    found = read_stage(DataConfig(captions=str(tmp_path)), ALIGN, QUESTIONS)
    assert isinstance(found, CaptionTrainingSet)
    assert (len(found), found.image(0).size) == (1, (30, 20))
    assert found.conversation(0, "caption").learned == ("a man to the left of a dog",)
    train_stages(
        recipe(DataConfig(captions=str(tmp_path)), replace(ALIGN, batch=1, micro_batch=1, max_steps=1)),
        tmp_path / "run", quiet=True,
    )  # fmt: skip


def test_one_class_only_is_refused_for_labels_and_fine_for_captions(tmp_path: Path) -> None:
    data = draw_faces(tmp_path, 1)
    plan = recipe(data, INSTRUCT)
    with pytest.raises(ExpllmError, match="all faces show 'neutral': a data set needs two classes"):
        prepare_faces(plan, read(data), INSTRUCT, tmp_path)
    captions = read_stage(data, ALIGN, QUESTIONS)
    assert len(prepare_faces(plan, captions, ALIGN, tmp_path)) == 1


def test_a_label_outside_the_set_is_refused(tmp_path: Path) -> None:
    faces = [
        TrainingFace("a", Expression.CONTEMPT, ImageRef(path="a")),
        TrainingFace("b", LABELS[0], ImageRef(path="b")),
    ]
    with pytest.raises(ExpllmError, match="the label 'contempt' is not in the label set: neutral"):
        check_trainable(faces, LABELS)


def parquet(folder: Path, count: int = 6) -> Path:
    def png(number: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (number, 0, 0)).save(buffer, "PNG")
        return buffer.getvalue()

    table = pa.table(
        {
            "image": [png(number) for number in range(count)],
            "label": [LABELS[i % 4].value for i in range(count)],
        }
    )
    path = folder / "faces_train-00000-of-00001.parquet"
    pq.write_table(table, path)
    return path


def test_pictures_in_parquet_are_unpacked_once_and_the_same(tmp_path: Path) -> None:
    faces = read(DataConfig(train=str(parquet(tmp_path))))
    copies = replace(faces, faces=cached_pictures(faces.faces, tmp_path))
    for index in range(len(faces)):
        assert copies.image(index).tobytes() == faces.image(index).tobytes()
    made = (tmp_path / "pictures.bin").stat().st_mtime_ns
    assert cached_pictures(faces.faces, tmp_path) == copies.faces
    assert (tmp_path / "pictures.bin").stat().st_mtime_ns == made
    fewer = faces.faces[2:]
    again = replace(faces, faces=cached_pictures(fewer, tmp_path))
    assert [again.image(i).tobytes() for i in range(4)] == [faces.image(i + 2).tobytes() for i in range(4)]
    (tmp_path / "pictures.json").write_text("torn")
    assert cached_pictures(faces.faces, tmp_path) == copies.faces


def test_a_copy_that_was_cut_is_made_again(tmp_path: Path) -> None:
    faces = read(DataConfig(train=str(parquet(tmp_path))))
    cached_pictures(faces.faces, tmp_path)
    path = tmp_path / "pictures.bin"
    path.write_bytes(path.read_bytes()[:-5])
    copies = replace(faces, faces=cached_pictures(faces.faces, tmp_path))
    assert copies.image(5).tobytes() == faces.image(5).tobytes()
