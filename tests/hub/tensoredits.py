"""What can be wrong with a tensor of a file, and how a reader has to refuse it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from expllm.core.errors import ExitCode
from expllm.model.manifest import ModelError, seal

State = dict[str, Tensor]
Edit = Callable[[State, str], str]
"""Changes a tensor; gives the name that the reader has to name."""


def removed(state: State, name: str) -> str:
    del state[name]
    return name


def renamed(state: State, name: str) -> str:
    state[f"{name[:-1]}_"] = state.pop(name)  # does not hold the name itself
    return name


def added(state: State, name: str) -> str:
    state[f"{name}_more"] = state[name].clone()
    return f"{name}_more"


def reshaped(state: State, name: str) -> str:
    state[name] = torch.cat([state[name], state[name]])
    return name


def not_a_number(state: State, name: str) -> str:
    state[name] = state[name].clone()
    state[name].view(-1)[-1] = float("nan")
    return name


def infinite(state: State, name: str) -> str:
    state[name] = state[name].clone()
    state[name].view(-1)[0] = -float("inf")
    return name


EDITS: tuple[Edit, ...] = (removed, renamed, added, reshaped, not_a_number, infinite)


def cases(names: tuple[str, ...]) -> list[tuple[str, Edit]]:
    """Every tensor is removed and renamed; the rest is done to one of them."""
    return [(name, edit) for name in names for edit in EDITS[:2]] + [(names[1], edit) for edit in EDITS[2:]]


def refused(read: Callable[[], object], *named: str) -> None:
    with pytest.raises(ModelError) as caught:
        read()
    assert [name for name in named if name not in caught.value.line] == [], caught.value.line
    assert caught.value.exit_code == ExitCode.FAILURE


def vouch(folder: Path, path: Path) -> None:
    """Lets the manifest name the file as it is now."""
    values = json.loads((folder / "expllm.json").read_text())
    content = path.read_bytes()
    values["files"][path.name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    values["sha256"] = seal(values)
    (folder / "expllm.json").write_text(json.dumps(values))
