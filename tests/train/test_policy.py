"""The loss over sampled texts, beside the formulas; texts that are sampled, beside the libraries' own way."""

from pathlib import Path

import numpy as np
import pytest
import small
import torch
from policies import GRPO
from torch import Tensor

from expllm.core.conversations import explanation_question
from expllm.core.errors import UsageError
from expllm.core.vocabulary import AUVector, label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.inference.label_scoring import token_tree
from expllm.model.model_inputs import TowerPreparer, preparer
from expllm.model.presets import preset
from expllm.model.tokenize import IGNORE, label_tokens
from expllm.model.vlm import inner, train_only
from expllm.train.face_prompts import Asking
from expllm.train.grpo_settings import GrpoSettings
from expllm.train.policy import PolicyLearner, advantages, k3
from expllm.train.recipe import load_recipe
from expllm.train.rollouts import Rollout, Sampler, uniforms
from expllm.train.training_sets import FaceTrainingSet

RECIPE = Path(__file__).parents[2] / "recipes" / "grpo.yaml"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The tiny model, drawn once for all, with logits that differ: ties would hang on last bits."""
    torch.manual_seed(7)
    found = new_bundle(preset("tiny"), label_set(7)[:4])
    train_only(found.model, ("projector", "language"))
    with torch.no_grad():
        for name, parameter in found.model.named_parameters():
            if "language_model" in name and parameter.ndim > 1:
                parameter.normal_(std=0.25)
    inner(found.model).set_attn_implementation("eager")
    found.model.eval()
    return found


@pytest.fixture(scope="module")
def way(bundle: Bundle) -> TowerPreparer:
    """How its inputs are made."""
    found = preparer(bundle)
    assert isinstance(found, TowerPreparer)
    return found


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    """Three pictures."""
    return torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(1))


def prompts(way: TowerPreparer) -> list[list[int]]:
    """Three prompts, one of them longer."""
    plain = way.encoder.prompt(explanation_question())
    return [plain, [*plain, *plain[-5:]], plain]


def test_advantages_are_about_the_faces_mean() -> None:
    rewards = torch.tensor([[0.0, 0.5, 1.0], [0.3, 0.3, 0.3]])
    assert advantages(rewards, "none").tolist() == [[-0.5, 0.0, 0.5], pytest.approx([0.0] * 3, abs=1e-6)]
    scaled = advantages(rewards, "group")
    assert scaled[0].tolist() == pytest.approx([-1.0, 0.0, 1.0], abs=1e-3)
    assert scaled[1].abs().max() < 1e-2


def test_k3_is_no_less_than_0_and_0_where_both_agree() -> None:
    logs, reference = torch.randn(50) - 3, torch.randn(50) - 3
    assert (k3(logs, reference) >= 0).all()
    assert k3(logs, logs).abs().max() == 0
    policy, other = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.4, 0.4, 0.2])
    expected = (policy * k3(policy.log(), other.log())).sum()
    assert expected == pytest.approx(float((policy * (policy / other).log()).sum()), abs=1e-6)  # unbiased


def batch_of(way: TowerPreparer, pixels: Tensor) -> dict[str, Tensor]:
    """Two texts behind a prompt, of 3 and 2 tokens."""
    prompt = way.encoder.prompt(explanation_question())
    ids = torch.tensor([[*prompt, 40, 41, 42], [*prompt, 50, 51, way.pad_id]])
    labels = torch.full_like(ids, IGNORE)
    labels[0, -3:], labels[1, -3:-1] = ids[0, -3:], ids[1, -3:-1]
    return {
        "input_ids": ids,
        "attention_mask": (ids != way.pad_id).long(),
        "labels": labels,
        "pixel_values": pixels[:2],
    }


def test_the_loss_is_that_of_the_formulas(bundle: Bundle, way: TowerPreparer, pixels: Tensor) -> None:
    settings = GrpoSettings(temperature=0.8, beta=0.1, epsilon=0.2, epsilon_high=0.3)
    learner = PolicyLearner(bundle.model, settings)
    batch = batch_of(way, pixels)
    logs = learner(**batch).detach()
    whole = inner(bundle.model)(**{k: v for k, v in batch.items() if k != "labels"}).logits.detach() / 0.8
    places = (batch["labels"] != IGNORE).nonzero()
    every = [whole[row, column - 1].log_softmax(-1) for row, column in places]
    wanted = [
        float(one[batch["labels"][row, column]]) for one, (row, column) in zip(every, places, strict=True)
    ]
    assert logs.tolist() == pytest.approx(wanted, abs=1e-5)
    better, weights = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.25])
    offset = torch.tensor([0.5, 0.0, -0.5, 0.5, -0.5])  # ratios e^0.5, 1, e^-0.5
    reference = logs + torch.linspace(-1, 1, 5)
    total, found = learner(
        advantages=better, weights=weights, old=logs - offset, reference=reference, **batch
    )
    ratios, row = offset.exp(), torch.tensor([0, 0, 0, 1, 1])
    surrogate = torch.minimum(ratios * better[row], ratios.clamp(0.8, 1.3) * better[row])
    divergence = (reference - logs).exp() - (reference - logs) - 1
    assert float(total.detach()) == pytest.approx(
        float(((0.1 * divergence - surrogate) * weights[row]).sum()), abs=1e-4
    )
    assert found.tokens == 5
    assert found.kl == pytest.approx(float(divergence.sum()), abs=1e-3)
    assert found.clipped == 2  # the good token that is likelier already, the bad one that is less likely
    entropy = [float(-(one.exp() * one).sum()) for one in every]
    assert found.entropy == pytest.approx(sum(entropy), abs=1e-3)


def test_a_clipped_token_has_no_gradient(bundle: Bundle, way: TowerPreparer, pixels: Tensor) -> None:
    learner, batch = PolicyLearner(bundle.model, GrpoSettings(beta=0.0)), batch_of(way, pixels)
    logs = learner(**batch).detach()
    learns = [one for one in learner.parameters() if one.requires_grad]
    for old, moves in ((logs - 1, False), (logs, True)):
        total, _ = learner(advantages=torch.ones(2), weights=torch.ones(2), old=old, **batch)
        gradients = torch.autograd.grad(total, learns, allow_unused=True)
        assert any(bool(one.abs().max() > 1e-6) for one in gradients if one is not None) is moves


def test_the_likeliest_text_is_that_of_generate(bundle: Bundle, way: TowerPreparer, pixels: Tensor) -> None:
    end = label_tokens(way.encoder, bundle.labels[0])[-1]
    rollouts = [Rollout(i, ids, np.zeros(12)) for i, ids in enumerate(prompts(way))]
    Sampler(bundle.model, way.pad_id).write(rollouts, pixels, end, 0.0)
    for one in rollouts:
        ids = torch.tensor([one.prompt])
        shown = pixels[one.picture : one.picture + 1]
        out = inner(bundle.model).generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=shown,
            max_new_tokens=12, do_sample=False, eos_token_id=end, pad_token_id=way.pad_id,
            suppress_tokens=[int(inner(bundle.model).config.image_token_id)],
        )  # fmt: skip
        assert one.ids == out[0, ids.shape[1] :].tolist()


def test_samples_follow_from_their_numbers(bundle: Bundle, way: TowerPreparer, pixels: Tensor) -> None:
    sampler = Sampler(bundle.model, way.pad_id)

    def sampled(many: int) -> list[list[int]]:
        found = [Rollout(i % 3, prompts(way)[i % 3], uniforms(8, "test", i)) for i in range(many)]
        sampler.write(found, pixels, 2, 1.0)
        return [one.ids for one in found]

    six = sampled(6)
    assert six == sampled(6)
    assert sampled(3) == six[:3]
    assert len({tuple(ids) for ids in six}) == 6


def test_first_tokens_follow_their_probabilities(bundle: Bundle, way: TowerPreparer, pixels: Tensor) -> None:
    prompt = prompts(way)[0]
    found = [Rollout(0, prompt, uniforms(1, "first", i)) for i in range(600)]
    Sampler(bundle.model, way.pad_id).write(found, pixels, 2, 0.5)
    ids = torch.tensor([prompt])
    with torch.no_grad():
        logits = inner(bundle.model)(input_ids=ids, pixel_values=pixels[:1]).logits[0, -1]
    shares = (logits / 0.5).softmax(-1)
    token = int(shares.argmax())
    expected, got = float(shares[token]), sum(one.ids == [token] for one in found) / len(found)
    assert got == pytest.approx(expected, abs=0.08)


def test_labels_are_scored_as_one_by_one(bundle: Bundle, way: TowerPreparer, pixels: Tensor) -> None:
    words = [label_tokens(way.encoder, label) for label in bundle.labels]
    logs = Sampler(bundle.model, way.pad_id).label_logs(prompts(way), pixels, token_tree(words))
    sums = []
    for prompt, picture in zip(prompts(way), pixels, strict=True):
        row = []
        for word in words:
            with torch.no_grad():
                every = inner(bundle.model)(
                    input_ids=torch.tensor([[*prompt, *word]]), pixel_values=picture[None]
                )
            shares = every.logits[0].log_softmax(-1)
            row.append(sum(float(shares[len(prompt) - 1 + at, token]) for at, token in enumerate(word)))
        sums.append(row)
    assert torch.allclose(logs, torch.tensor(sums, dtype=torch.float64).log_softmax(-1), atol=1e-4)


def test_a_label_that_was_answered_first_is_learned_and_not_seen_behind_the_text(
    bundle: Bundle, way: TowerPreparer
) -> None:
    reading = FaceTrainingSet((), bundle.labels, bundle.questions, 0.5, "")
    asking = Asking(way, reading)
    prompt = asking.prompt(None, bundle.labels[1])
    assert [prompt.ids[place] for place in prompt.answered] == label_tokens(way.encoder, bundle.labels[1])
    assert prompt.alone == way.encoder.prompt(explanation_question(bundle.questions))
    behind = asking.behind_text(prompt, [40, 41])
    assert behind[: len(prompt.alone) + 2] == [*prompt.alone, 40, 41]
    asked = explanation_question(bundle.questions).answered("so").asked(bundle.questions.label)
    assert len(asking.behind_text(prompt, [])) < len(prompt.ids) + len(way.encoder.prompt(asked))
    assert asking.prompt(AUVector()).answered == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("train.num_generations=5", "no multiple of train.num_generations"),
        ("train.micro_batch=3", "not a multiple of train.micro_batch"),
        ("train.temperature=0", "all texts are the same"),
        ("train.alarms={distinct: 0.1}", "did you mean 'distinct_texts'"),
        ("train.alarms={window: 0}", "a whole number of steps"),
        ("train.reward_weights={labels: 1}", "there are label"),
        ("train.num_generations=1", "at least 2"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_their_key(change: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_recipe(RECIPE, [change])


def test_the_recipe_of_this_project_is_read() -> None:
    (stage,) = load_recipe(RECIPE).stages
    assert stage.task == "grpo"
    assert stage.batch // stage.num_generations == 4
    assert load_recipe(RECIPE, ["variant=second_source"]).stages[0].second_source == "pixels"
    assert small.recipe(load_recipe(RECIPE).data, GRPO).stages[0].bounds["padding"] is None
