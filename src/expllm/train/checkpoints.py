"""Atomic checkpoints: written to a temporary folder, checked by a manifest, renamed.

A checkpoint holds what learns and the optimizer's state, in safetensors. Nothing else: the learning rate and
every random draw of a training follow from the recipe and the step.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from torch import Tensor

from expllm.core.errors import ExpllmError, OutputError
from expllm.files.atomic_folders import fsync

CHECKPOINT_MANIFEST: Final = "manifest.json"
TRAINED_WEIGHTS: Final = "trained.safetensors"
OPTIMIZER: Final = "optimizer.safetensors"
_NAME: Final = re.compile(r"step-(\d{7})")


def step_of(path: Path) -> int:
    """The step after which a checkpoint was saved."""
    found = _NAME.fullmatch(path.name)
    assert found
    return int(found[1])


def latest(folder: Path) -> Path | None:
    """The last complete checkpoint; incomplete ones are skipped."""
    return next((path for path in _found(folder) if is_whole(path)), None)


def is_whole(path: Path) -> bool:
    """Whether every file that the manifest names is there with its bytes."""
    try:
        manifest = json.loads((path / CHECKPOINT_MANIFEST).read_text(encoding="utf-8"))
        return all(_digest(path / name) == digest for name, digest in manifest["files"].items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def write_checkpoint(folder: Path, step: int, fill: Callable[[Path], None], keep: int) -> Path:
    """A checkpoint after `step`, filled by `fill`; only the last `keep` stay.

    Raises:
        OutputError: it cannot be written; those before stay as they are.
    """
    name = f"step-{step:07d}"
    beside, final = folder / f".{name}.{os.getpid()}", folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget(beside)
        beside.mkdir()
        fill(beside)
        files = {path.name: _digest(path) for path in sorted(beside.iterdir())}
        (beside / CHECKPOINT_MANIFEST).write_text(
            json.dumps({"step": step, "files": files}, indent=1), encoding="utf-8"
        )
        for path in beside.iterdir():
            fsync(path)
        _forget(final)
        os.replace(beside, final)
        fsync(folder)
    except (OSError, RuntimeError) as error:  # safetensors raises its own kind of RuntimeError on a full disk
        _forget(beside)
        last = latest(folder)
        safe = f"everything up to step {step_of(last)} is saved" if last else "there is no earlier checkpoint"
        raise OutputError(
            f"{final}: the checkpoint cannot be written ({_reason(error)}); {safe}: free space, "
            "then run the same command again"
        ) from None
    _prune(folder, keep)
    return final


def _prune(folder: Path, keep: int) -> None:
    """Forgets checkpoints before the last whole ones, and what writers that were killed left behind."""
    whole = 0
    for path in _found(folder):
        if whole >= keep:
            _forget(path)
        # A damaged one takes no place: what it would have pushed out is what a training goes on with.
        elif is_whole(path):
            whole += 1
    for path in [*folder.glob(".step-*"), *folder.glob(".gone-step-*")]:
        shutil.rmtree(path, ignore_errors=True)


def _found(folder: Path) -> list[Path]:
    """Checkpoints, whole or not, the last one first."""
    return sorted((path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)), reverse=True)


def _forget(path: Path) -> None:
    """Out of sight first, so that half of a folder is never taken for a checkpoint."""
    if not path.exists():
        return
    gone = path.with_name(f".gone-{path.name.lstrip('.')}")
    shutil.rmtree(gone, ignore_errors=True)
    os.replace(path, gone)
    shutil.rmtree(gone, ignore_errors=True)


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Writes safetensors.

    Raises:
        OSError: no space.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path)
    except SafetensorError as error:
        raise OSError(str(error)) from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Reads safetensors; nothing pickled is ever opened.

    Raises:
        ExpllmError: the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ExpllmError(
            f"{path}: cannot be read ({error}): delete this checkpoint, the one before is taken"
        ) from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
