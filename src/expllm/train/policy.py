"""The policy that is trained by rewards: its loss over sampled texts (Shao et al. 2024, section 4.1)."""

from dataclasses import dataclass
from typing import Any, Final

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from expllm.model.tokenize import IGNORE
from expllm.model.vlm import inner, token_logits
from expllm.train.grpo_settings import GrpoSettings

_SMALLEST: Final = 1e-4
"""Added to a standard deviation that advantages are divided by, as TRL does."""


@dataclass(frozen=True)
class TokenFigures:
    """Sums over the tokens of a batch, without gradient.

    Attributes:
        kl: Of the estimate of the divergence from the reference, nats; 0 without one.
        entropy: Of the entropies of the policy, nats.
        clipped: Of tokens whose ratio was clipped.
        tokens: How many there are.
    """

    kl: float
    entropy: float
    clipped: float
    tokens: int

    def to_tensor(self) -> Tensor:
        """[4] in the order of the attributes."""
        return torch.tensor([self.kl, self.entropy, self.clipped, float(self.tokens)], dtype=torch.float64)


def advantages(rewards: Tensor, scale: str) -> Tensor:
    """[faces, texts] rewards to [faces, texts] by how much each is better than its face's mean.

    Args:
        scale: `group` divides by the standard deviation of the face's rewards; `none` does not.
    """
    better = rewards - rewards.mean(1, keepdim=True)
    return better / (rewards.std(1, keepdim=True) + _SMALLEST) if scale == "group" else better


def k3(log_probabilities: Tensor, reference: Tensor) -> Tensor:
    """The estimate of the divergence KL(policy || reference) at sampled tokens: unbiased, never negative
    (Schulman 2020)."""
    ahead = reference - log_probabilities
    return ahead.exp() - ahead - 1


class PolicyLearner(nn.Module):
    """Takes sampled texts, gives what they cost.

    Args:
        model: The adapted model.
        settings: Of the stage.
    """

    def __init__(self, model: nn.Module, settings: GrpoSettings) -> None:
        super().__init__()
        self.model, self.settings = model, settings
        self._adapters = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]

    def compute_in(self, device: str) -> None:
        """Lets adapters compute as autocast says: see `Learner`."""
        for adapter in self._adapters:
            adapter.cast_input_dtype_enabled = not torch.is_autocast_enabled(device)

    def forward(
        self, labels: Tensor, advantages: Tensor | None = None, weights: Tensor | None = None,
        old: Tensor | None = None, reference: Tensor | None = None, **inputs: Tensor,
    ) -> Any:  # fmt: skip
        """What a batch of texts costs; without `advantages` the log-probabilities of its tokens [tokens].

        Args:
            labels: [batch, length] sampled tokens, `IGNORE` elsewhere.
            advantages: [batch].
            weights: [batch] what a token of each text counts in the sum.
            old: [tokens] log-probabilities before the step's first update; None: those of now.
            reference: [tokens] of the model that the stage begins with; None: no divergence is taken.

        Returns:
            The sum with gradient, and `TokenFigures`.
        """
        self.compute_in(labels.device.type)
        targets = labels[:, 1:]
        rows, columns = torch.nonzero(targets != IGNORE, as_tuple=True)
        logits = token_logits(inner(self.model), inputs, rows, columns).float() / self.settings.temperature
        every = logits.log_softmax(-1)
        logs = every.gather(1, targets[rows, columns][:, None])[:, 0]
        if advantages is None or weights is None:
            return logs
        ratio = (logs - (logs.detach() if old is None else old)).exp()
        above = self.settings.epsilon if self.settings.epsilon_high is None else self.settings.epsilon_high
        better = advantages[rows]
        kept = ratio.clamp(1 - self.settings.epsilon, 1 + above)
        losses = -torch.minimum(ratio * better, kept * better)
        divergence = torch.zeros_like(logs) if reference is None else k3(logs, reference)
        total = ((losses + self.settings.beta * divergence) * weights[rows]).sum()
        with torch.no_grad():
            clipped = (kept * better < ratio * better).sum()
            entropy = -(every.exp() * every).sum(-1)
            figures = TokenFigures(float(divergence.sum()), float(entropy.sum()), float(clipped), len(logs))
        return total, figures
