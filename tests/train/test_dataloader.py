"""A batch follows from the seed and its number: not from workers, devices, or where a training was cut."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small import ALIGN, INSTRUCT, draw_faces, recipe
from torch import Tensor

from expllm.core.conversations import Questions
from expllm.core.errors import ExpllmError, ImageError, UsageError
from expllm.model.bundle import Bundle
from expllm.model.model_inputs import preparer
from expllm.model.tokenize import TooLong
from expllm.train.data_sources import read_stage
from expllm.train.dataloader import Batches, Examples, Key, PreparedBatch, check_lengths, loader
from expllm.train.recipe import DataConfig, StageConfig
from expllm.train.stages import open_model
from expllm.train.training_sets import FaceTrainingSet, augmentation

STAGE = replace(INSTRUCT, max_steps=None, epochs=2, batch=8, micro_batch=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    return draw_faces(tmp_path_factory.mktemp("data"), 19, explained=11)


@pytest.fixture(scope="module")
def reading(data: DataConfig) -> FaceTrainingSet:
    found = read_stage(data, STAGE, Questions())
    assert isinstance(found, FaceTrainingSet)
    return found


@cache
def bundle() -> Bundle:
    return open_model(recipe(DataConfig(), STAGE), STAGE, None)


def examples(reading: FaceTrainingSet, stage: StageConfig = STAGE) -> Examples:
    return Examples(reading, preparer(bundle()), augmentation(stage), stage.seed)


def micro_batches(
    reading: FaceTrainingSet, stage: StageConfig, world: int = 1, from_step: int = 0
) -> list[list[list[Key]]]:
    """[step][micro-batch of all processes][example]"""
    of_rank = [
        list(Batches(reading, stage, rank=rank, world=world, from_step=from_step)) for rank in range(world)
    ]
    parts = stage.batch // (stage.micro_batch * world)
    steps = len(of_rank[0]) // parts
    return [
        [batch for one in of_rank for batch in one[step * parts : (step + 1) * parts]]
        for step in range(steps)
    ]


@settings(max_examples=25)
@given(seed=st.integers(0, 2**40), world=st.sampled_from([1, 2, 4]), micro=st.sampled_from([1, 2]))
def test_the_same_micro_batches_however_they_are_shared_out(
    reading: FaceTrainingSet, seed: int, world: int, micro: int
) -> None:
    stage = replace(STAGE, seed=seed, micro_batch=micro)
    assert micro_batches(reading, stage, world) == micro_batches(reading, stage)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**40), step=st.integers(0, 6), balanced=st.booleans())
def test_to_go_on_is_to_skip(reading: FaceTrainingSet, seed: int, step: int, balanced: bool) -> None:
    stage = replace(STAGE, seed=seed, balanced=balanced)
    assert micro_batches(reading, stage, from_step=step) == micro_batches(reading, stage)[step:]


@settings(max_examples=25)
@given(seed=st.integers(0, 2**40), batch=st.sampled_from([4, 8, 16, 32]))
def test_every_face_comes_once_an_epoch(reading: FaceTrainingSet, seed: int, batch: int) -> None:
    stage = replace(STAGE, seed=seed, batch=batch)
    keys = [key for step in micro_batches(reading, stage) for part in step for key in part]
    for epoch in range(stage.epochs):
        assert sorted(draw.index for number, draw in keys if number == epoch) == list(range(len(reading)))
    assert all(draw.task == "label" for _, draw in keys if not reading.explained[draw.index])


@settings(max_examples=25)
@given(seed=st.integers(0, 2**40))
def test_explanations_of_balanced_classes_fill_every_step(reading: FaceTrainingSet, seed: int) -> None:
    """Faces without one are left out, so epochs differ in size."""
    stage = replace(STAGE, seed=seed, balanced=True, label=0.0, explanation=1.0, epochs=12, batch=2)
    order = Batches(reading, stage)
    keys = [key for batch in order for key in batch]
    assert len(list(order)) == order.steps
    assert all(draw.task == "explanation" for _, draw in keys)


def test_few_faces_for_many_devices_are_told(reading: FaceTrainingSet) -> None:
    with pytest.raises(UsageError, match=r"an epoch has 19 examples, and train\.batch 64 needs at least 32"):
        Batches(reading, replace(STAGE, batch=64))


def test_steps_end_at_max_steps_and_epochs_differ(reading: FaceTrainingSet) -> None:
    order = Batches(reading, STAGE)
    assert (order.steps_an_epoch, order.steps, order.accumulation, len(order)) == (3, 6, 4, 24)
    assert Batches(reading, replace(STAGE, max_steps=5)).steps == 5
    first, second = micro_batches(reading, STAGE)[:3], micro_batches(reading, STAGE)[3:]
    assert [draw for step in first for part in step for _, draw in part] != [
        draw for step in second for part in step for _, draw in part
    ]


def test_balanced_classes_are_drawn_alike(tmp_path: Path) -> None:
    data = draw_faces(tmp_path, 13)  # four of the first class, three of the others
    reading = read_stage(data, STAGE, Questions())
    assert isinstance(reading, FaceTrainingSet)
    stage = replace(STAGE, balanced=True, epochs=120, batch=4)
    drawn = [draw.index for part in Batches(reading, stage) for _, draw in part]
    share = sum(reading.faces[index].label is reading.faces[0].label for index in drawn) / len(drawn)
    assert share == pytest.approx(0.25, abs=0.05)


def test_classes_are_balanced_within_the_data_sets_that_are_named(reading: FaceTrainingSet) -> None:
    stage = replace(STAGE, balanced={"parquet": 1.0}, epochs=1)
    kinds = {face.kind for face in reading.faces}
    with pytest.raises(UsageError, match="'parquet' are to be balanced, but faces are of"):
        Batches(reading, stage)
    stage = replace(STAGE, balanced=dict.fromkeys(kinds, 1.0), epochs=1)
    drawn = [draw.index for part in Batches(reading, stage) for _, draw in part]
    assert len(drawn) == len(reading)
    assert len(set(drawn)) < len(reading)


def test_a_batch_that_devices_cannot_share_is_told(reading: FaceTrainingSet) -> None:
    with pytest.raises(UsageError, match=r"3 devices with micro-batches of 2 cannot share: .* multiple of 6"):
        Batches(reading, STAGE, world=3)


def batches(reading: FaceTrainingSet, stage: StageConfig, workers: int) -> list[dict[str, Tensor]]:
    return list(loader(PreparedBatch(examples(reading, stage)), Batches(reading, stage), workers))


@pytest.mark.slow
def test_workers_change_no_bit(reading: FaceTrainingSet) -> None:
    one, two = (batches(reading, STAGE, workers) for workers in (0, 2))
    assert len(one) == len(two) == 24
    for first, second in zip(one, two, strict=True):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_each_epoch_changes_a_face_in_its_own_way(reading: FaceTrainingSet) -> None:
    pixels: dict[int, list[Tensor]] = {}
    for batch in batches(reading, STAGE, 0):
        for index, picture in zip(batch["indices"].tolist(), batch["pixel_values"], strict=True):
            pixels.setdefault(index, []).append(picture)
    assert sum(torch.equal(*both) for both in pixels.values()) <= 2  # a picture may stay as it is, twice
    still = {
        index: picture
        for batch in batches(reading, replace(STAGE, augment=False), 0)
        for index, picture in zip(batch["indices"].tolist(), batch["pixel_values"], strict=True)
    }
    assert len(still) == 19


def test_copies_of_a_face_in_an_epoch_are_changed_each_in_its_own_way(reading: FaceTrainingSet) -> None:
    made, order = examples(reading), Batches(reading, replace(STAGE, balanced=True, epochs=1, batch=16))
    keys = [key for batch in order for key in batch]
    copies = [key for key in keys if key[1].repeat]
    assert copies
    for epoch, draw in copies:
        first = next(key for key in keys if key[1].index == draw.index and key[1].repeat == 0)
        assert made.augmentation is not None
        assert not _same(made[first].pixels, made[epoch, draw].pixels)


def _same(one: Any, other: Any) -> bool:
    return bool((one["pixel_values"] == other["pixel_values"]).all())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_one_line_with_its_name(tmp_path: Path, workers: int) -> None:
    data = draw_faces(tmp_path, 8)
    path = sorted((tmp_path / "faces").rglob("*.png"))[0]
    path.write_bytes(path.read_bytes()[:60])
    reading = read_stage(data, STAGE, Questions())
    assert isinstance(reading, FaceTrainingSet)
    with pytest.raises(ImageError) as caught:
        batches(reading, STAGE, workers)
    assert caught.value.line.startswith(f"{path.parent.name}/{path.name}: ")
    assert caught.value.line.endswith("repair it, or remove it from the data set")
    assert "Traceback" not in str(caught.value)
    path.unlink()
    with pytest.raises(ImageError, match=rf"^{path.parent.name}/{path.name}: "):
        batches(reading, STAGE, workers)


def test_a_text_that_is_too_long_is_found_before_training(data: DataConfig, reading: FaceTrainingSet) -> None:
    check_lengths(reading, preparer(bundle()), ["explanation"])
    way = preparer(bundle())
    limit = max(len(way.encoder.encode(reading.conversation(i, "label"))) for i in range(len(reading)))
    with pytest.raises(ExpllmError, match=rf"limit is {limit}: .*\(11 such texts in all\)"):
        check_lengths(reading, preparer(bundle(), limit), ["explanation"])
    draw = next(key for batch in Batches(reading, STAGE) for key in batch if key[1].task == "explanation")
    short = Examples(reading, preparer(bundle(), limit), None, 0)
    with pytest.raises(TooLong, match=r"\.png: "):
        short[draw]


def test_a_text_at_the_limit_passes_and_one_token_less_does_not(reading: FaceTrainingSet) -> None:
    way = preparer(bundle())
    talks = [reading.conversation(i, "explanation") for i in range(len(reading)) if reading.explained[i]]
    longest = max(len(way.encoder.encode(talk)) for talk in talks)
    check_lengths(reading, preparer(bundle(), longest), ["explanation"])
    with pytest.raises(ExpllmError, match="such texts in all"):
        check_lengths(reading, preparer(bundle(), longest - 1), ["explanation"])


def test_captions_are_one_task(data: DataConfig) -> None:
    stage = replace(ALIGN, max_steps=None, epochs=1)
    reading = read_stage(data, stage, Questions())
    keys = [key for batch in Batches(reading, stage) for key in batch]
    assert {draw.task for _, draw in keys} == {"caption"}
    assert len(keys) == len(reading) == 11


def test_a_picture_reaches_the_model_as_the_tower_was_trained(reading: FaceTrainingSet) -> None:
    """Resized with bicubic, 0-1, less the mean, over the deviation."""
    tower = bundle().preset.tower
    pixels = preparer(bundle()).pixels(Image.new("RGB", (50, 40), (255, 0, 51)))["pixel_values"]
    wanted = [
        (value - mean) / std for value, mean, std in zip((1, 0, 0.2), tower.mean, tower.std, strict=True)
    ]
    assert pixels.shape == (3, tower.image, tower.image)
    assert pixels[:, 3, 7] == pytest.approx(wanted, abs=1e-6)
