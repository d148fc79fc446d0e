"""Every tensor of a weight file is accounted for: what a file lacks, has too much, or has wrong is named.

A layer whose weights were not in the file would else stay as it was drawn, and the model would answer all the
same. Whatever reads weights ends here: base models of the hub, models' folders, checkpoints, GGUF.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from expllm.model.manifest import ModelError

TensorShape = tuple[int, ...]
ANOTHER: Final = "it belongs to another base model"
"""What to think of tensors that do not fit, where a reader knows no better."""

_NAMED: Final = 4
"""Keys of a kind that a message spells out; the others are counted."""


@dataclass(frozen=True)
class Allowed:
    """Keys that may differ without changing an answer.

    Attributes:
        pattern: Matches the whole key.
        reason: Why nothing depends on it.
    """

    pattern: str
    reason: str


UNUSED: Final = (
    Allowed(r"(.*\.)?rotary_emb\.inv_freq", "computed from the sizes; old files of Llama hold it"),
    Allowed(r"(.*\.)?position_ids", "the numbers 0, 1, 2 ...; old files of ViT models hold them"),
)
"""Keys that a file may have and no model needs."""
OPTIONAL: Final = (Allowed(r"(.*\.)?embeddings\.mask_token", "serves the pretraining of DINOv2 alone"),)
"""Keys that a file may lack. An output layer that is tied to the embeddings is not expected at all."""


@dataclass(frozen=True)
class Differences:
    """Where a file's tensors are not those of a model.

    Attributes:
        missing: Weights of the model that the file lacks.
        unexpected: Keys of the file that the model has no place for.
        mismatched: Key, shape in the file, shape in the model.
        not_finite: Keys of tensors that hold NaN or infinity.
    """

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, TensorShape, TensorShape], ...] = ()
    not_finite: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """What is wrong, a sentence for each kind."""
        if self.missing:
            yield f"{_listed(self.missing)} {_is(self.missing)} missing"
        if self.unexpected:
            yield f"{_listed(self.unexpected)} {_is(self.unexpected)} not expected"
        if self.mismatched:
            shapes = [f"{key} has the shape {[*found]}, not {[*own]}" for key, found, own in self.mismatched]
            yield _listed(shapes)
        if self.not_finite:
            yield f"NaN or infinity in {_listed(self.not_finite)}"


def check_keys(where: object, found: Differences, remedy: str = ANOTHER) -> None:
    """The one place that decides whether weights are the model's own, less what is written down as harmless.

    Args:
        where: File, folder or name that messages begin with.

    Raises:
        ModelError: they are not; the message names the keys.
    """
    left = Differences(
        tuple(sorted(key for key in found.missing if reason(key, OPTIONAL) is None)),
        tuple(sorted(key for key in found.unexpected if reason(key, UNUSED) is None)),
        found.mismatched, found.not_finite,
    )  # fmt: skip
    if problems := "; ".join(left.lines()):
        raise ModelError(f"{where}: {problems}: {remedy}")


def reason(key: str, allowed: Iterable[Allowed]) -> str | None:
    """Why a key may differ; None: it may not."""
    return next((one.reason for one in allowed if re.fullmatch(one.pattern, key)), None)


def check_fit(
    stored: Mapping[str, Tensor],
    expected: Mapping[str, Tensor | TensorShape],
    where: object,
    remedy: str = ANOTHER,
) -> None:
    """Compares names and shapes, and looks for values that are no numbers.

    Raises:
        ModelError: they are those of another model, or damaged; names the keys.
    """
    shapes = {name: tuple(getattr(one, "shape", one)) for name, one in expected.items()}
    check_shapes({name: tuple(tensor.shape) for name, tensor in stored.items()}, shapes, where, remedy)
    check_keys(where, Differences(not_finite=not_finite(stored)), "train it again, or take another file")


def check_shapes(
    stored: Mapping[str, TensorShape],
    expected: Mapping[str, TensorShape],
    where: object,
    remedy: str = ANOTHER,
) -> None:
    """Compares names and shapes of tensors that were not read.

    Raises:
        ModelError: as `check_fit`.
    """
    differ = [
        (name, stored[name], shape)
        for name, shape in expected.items()
        if name in stored and stored[name] != shape
    ]
    missing, unexpected = expected.keys() - stored.keys(), stored.keys() - expected.keys()
    check_keys(where, Differences(tuple(missing), tuple(unexpected), tuple(differ)), remedy)


def check_loaded(where: object, model: nn.Module, info: Mapping[str, Any]) -> None:
    """Checks what `from_pretrained(..., output_loading_info=True, ignore_mismatched_sizes=True)` tells.

    Raises:
        ModelError: as `check_keys`; keys have the names that they have in the file.
    """
    published = _published(model)
    mismatched = [
        (published(key), tuple(found), tuple(own)) for key, found, own in sorted(info["mismatched_keys"])
    ]
    found = Differences(
        tuple(map(published, info["missing_keys"])), tuple(map(published, info["unexpected_keys"])),
        tuple(mismatched), tuple(map(published, not_finite(dict(model.named_parameters())))),
    )  # fmt: skip
    check_keys(where, found, "download it again, or give a model of this architecture")


def not_finite(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Names of tensors that hold NaN or infinity; packed ones (4 bits) are not looked into."""
    return tuple(name for name, tensor in tensors.items() if not _finite(tensor.detach()))


def _finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or tensor.is_meta or not tensor.numel():
        return True
    return bool(torch.isfinite(torch.stack(tensor.aminmax())).all())


def _published(model: nn.Module) -> Any:
    """From a parameter's name in `transformers` to that in the hub's files, which older versions wrote."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightRenaming, apply_renamings

    rules = [rule.reverse_transform() for rule in get_model_conversion_mapping(model, add_legacy=False)[::-1]]
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    return lambda key: apply_renamings(key, renamings)


def _listed(keys: Iterable[str]) -> str:
    keys = [*keys]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(keys[:_NAMED]) + more


def _is(keys: tuple[str, ...]) -> str:
    return "is" if len(keys) == 1 else "are"
