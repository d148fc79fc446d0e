"""The trained module: model and loss in one forward, as DDP and FSDP need it."""

from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from expllm.model.vlm import SoftLabels, supervised_losses
from expllm.train.training_sets import TASKS


class Learner(nn.Module):
    """Computes the loss of a batch.

    Args:
        model: The adapted model.
        label_weight: What a token of a label task counts beside one of an explanation.
    """

    def __init__(self, model: nn.Module, label_weight: float = 1.0) -> None:
        super().__init__()
        self.model, self.label_weight = model, label_weight
        self._adapters = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]

    def forward(
        self,
        labels: Tensor,
        tasks: Tensor,
        shares: Tensor | None = None,
        answers: Tensor | None = None,
        **inputs: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Sum of losses over supervised tokens, and the same by task.

        Args:
            labels: [batch, length], `IGNORE` where nothing is learned.
            tasks: [batch] place of each row's task in `TASKS`.
            shares: [batch, answers] how likely each label is, all 0 in a row that learns its one; None: as
                if all rows did.
            answers: [answers] first token of each label.
            inputs: What the model's own forward takes.

        Returns:
            The sum in nats, labels by their weight, with gradient; [tasks, 2] sum, without weights, and
            number of tokens of each task.
        """
        doubt = None if shares is None or answers is None else SoftLabels(answers, shares)
        weights = 1 + (self.label_weight - 1) * (tasks == TASKS.index("label"))
        # Adapters are held in 32 bits and compute in the towers' 16 under autocast: no casts back and forth.
        # It stays so behind this pass, as checkpointing goes there once more on the way back.
        for adapter in self._adapters:
            adapter.cast_input_dtype_enabled = not torch.is_autocast_enabled(labels.device.type)
        losses = supervised_losses(self.model, inputs, labels, doubt, weights)
        sums = torch.stack([losses.by_row, losses.tokens_by_row.float()], dim=1)  # [batch, 2]
        by_task = torch.zeros(len(TASKS), 2, device=sums.device).index_add_(0, tasks, sums)
        return losses.total, by_task


def trainable(learner: nn.Module) -> dict[str, Tensor]:
    """Trainable parameters by their names in the saved model."""
    return {
        name.removeprefix("module.").removeprefix("model."): parameter
        for name, parameter in learner.named_parameters()
        if parameter.requires_grad
    }


def full_tensor(tensor: Tensor) -> Tensor:
    """A tensor on the CPU, put together where it is spread over devices; every process must ask."""
    full: Any = getattr(tensor, "full_tensor", None)
    return (full() if full is not None else tensor).detach().cpu().contiguous()


@torch.no_grad()
def copy_to_dtensor(target: Tensor, value: Tensor) -> None:
    """Copies a whole tensor into one that may be spread over devices."""
    if hasattr(target, "full_tensor"):
        from torch.distributed.tensor import distribute_tensor

        value = distribute_tensor(value.to(target.device), target.device_mesh, target.placements)  # type: ignore[attr-defined]
    target.copy_(value)
