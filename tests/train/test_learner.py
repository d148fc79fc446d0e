"""The loss that is trained: `transformers`' own, by task, and with gradients for what learns alone."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
import torch
from small import INSTRUCT, draw_faces, recipe
from torch import Tensor

from expllm.core.conversations import Questions
from expllm.model.bundle import Bundle
from expllm.model.model_inputs import preparer
from expllm.model.tokenize import IGNORE
from expllm.model.vlm import MODEL_PARTS, inner, parameter_part, train_only
from expllm.train.data_sources import read_stage
from expllm.train.dataloader import Batches, Examples, PreparedBatch, loader
from expllm.train.learner import Learner, copy_to_dtensor, full_tensor, trainable
from expllm.train.recipe import DataConfig
from expllm.train.stages import open_model
from expllm.train.training_sets import TASKS, FaceTrainingSet


@cache
def bundle() -> Bundle:
    return open_model(recipe(DataConfig(), INSTRUCT), INSTRUCT, None)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Labels, explanations: texts of different lengths, filled up."""
    stage = replace(INSTRUCT, batch=8, micro_batch=8, max_steps=1)
    reading = read_stage(draw_faces(tmp_path_factory.mktemp("data")), stage, Questions())
    assert isinstance(reading, FaceTrainingSet)
    examples = Examples(reading, preparer(bundle()), None, 0)
    made: dict[str, Tensor] = next(iter(loader(PreparedBatch(examples), Batches(reading, stage), 0)))
    assert set(made["tasks"].tolist()) == {0, 1}
    return made


@pytest.fixture
def learner() -> Iterator[Learner]:
    train_only(bundle().model, INSTRUCT.trains)
    made = Learner(bundle().model.eval())
    yield made
    made.zero_grad()


def given(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in batch.items() if name != "indices"}


def test_the_loss_is_that_of_transformers(batch: dict[str, Tensor], learner: Learner) -> None:
    total, by_task = learner(**given(batch))
    plain = {name: tensor for name, tensor in batch.items() if name not in ("indices", "tasks")}
    with torch.no_grad():
        theirs = inner(bundle().model)(**plain).loss  # the mean over supervised tokens
    tokens = int((batch["labels"][:, 1:] != IGNORE).sum())
    assert float(total.detach()) / tokens == pytest.approx(float(theirs), rel=1e-5)
    assert int(by_task[:, 1].sum()) == tokens


def test_gradients_are_those_of_transformers(batch: dict[str, Tensor], learner: Learner) -> None:
    total, _ = learner(**given(batch))
    tokens = int((batch["labels"][:, 1:] != IGNORE).sum())
    (total / tokens).backward()
    ours = {name: parameter.grad for name, parameter in trainable(learner).items()}
    learner.zero_grad()
    inner(bundle().model)(**{n: t for n, t in batch.items() if n not in ("indices", "tasks")}).loss.backward()
    for name, parameter in trainable(learner).items():
        one, other = parameter.grad, ours[name]
        assert one is not None
        assert other is not None
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-6), name


def test_losses_by_task_are_those_of_each_row_alone(batch: dict[str, Tensor], learner: Learner) -> None:
    _, by_task = learner(**given(batch))
    expected = torch.zeros(len(TASKS), 2)
    for row in range(len(batch["labels"])):
        total, alone = learner(**{name: tensor[row : row + 1] for name, tensor in given(batch).items()})
        assert float(total.detach()) == pytest.approx(float(alone[:, 0].sum()), rel=1e-5)
        expected[batch["tasks"][row]] += alone[batch["tasks"][row]]
    assert torch.allclose(by_task, expected, rtol=1e-4)
    assert by_task[TASKS.index("caption")].tolist() == [0, 0]
    assert not by_task.requires_grad


def test_a_token_of_a_label_weighs_as_was_said(batch: dict[str, Tensor], learner: Learner) -> None:
    _, by_task = learner(**given(batch))
    weighted, same = Learner(learner.model, 8.0)(**given(batch))
    label, explanation = TASKS.index("label"), TASKS.index("explanation")
    assert torch.equal(same, by_task)
    expected = 8 * float(by_task[label, 0]) + float(by_task[explanation, 0])
    assert float(weighted.detach()) == pytest.approx(expected, rel=1e-5)


def test_padding_costs_nothing(batch: dict[str, Tensor], learner: Learner) -> None:
    inputs = given(batch)
    more = dict(inputs)
    for name, fill in (("input_ids", 0), ("attention_mask", 0), ("labels", IGNORE)):
        more[name] = torch.nn.functional.pad(inputs[name], (0, 16), value=fill)
    assert float(learner(**more)[0].detach()) == pytest.approx(float(learner(**inputs)[0].detach()), rel=1e-5)


@pytest.mark.parametrize(
    "parts", [("projector",), ("tower_lora",), ("projector", "language_lora"), MODEL_PARTS]
)
def test_only_what_trains_has_gradients(batch: dict[str, Tensor], parts: tuple[str, ...]) -> None:
    counts = train_only(bundle().model, parts)
    made = Learner(bundle().model)
    made(**given(batch))[0].backward()
    have = {name for name, parameter in bundle().model.named_parameters() if parameter.grad is not None}
    assert have
    assert {parameter_part(name) for name in have} == set(parts)
    assert set(trainable(made)) >= have
    assert sum(parameter.numel() for parameter in trainable(made).values()) == sum(counts.values())
    made.zero_grad()


def test_what_learns_is_held_in_32_bits_also_where_the_rest_is_not() -> None:
    plan = recipe(DataConfig(), replace(INSTRUCT, precision="bf16"))
    model = open_model(plan, plan.stages[0], None).model
    train_only(model, INSTRUCT.trains)
    for parameter in model.parameters():
        assert parameter.dtype == (torch.float32 if parameter.requires_grad else torch.bfloat16)


def test_tensors_go_out_and_come_back_bit_for_bit(learner: Learner) -> None:
    for parameter in trainable(learner).values():
        before = full_tensor(parameter)
        drawn = torch.randn(parameter.shape)
        copy_to_dtensor(parameter, drawn)
        assert torch.equal(full_tensor(parameter), drawn)
        copy_to_dtensor(parameter, before)
