"""`expllm doctor --model NAME`: what of one model's weights is here, and whether this machine can hold it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expllm.cli.finding import Finding
from expllm.core.errors import ExitCode, ExpllmError, UsageError
from expllm.model.shipped import CHAT, ENDPOINT, SHIPPED, model_folder

if TYPE_CHECKING:
    from expllm.model.costs import Sizes
    from expllm.model.hub.inventory import Holding
    from expllm.model.presets import Preset

_NEEDED: Final = ("torch", "transformers", "peft", "safetensors")
"""Packages without which no model is opened."""


@dataclass
class Examined:
    """What was found out about a model.

    Attributes:
        figures: Sizes in bytes, as JSON values.
    """

    findings: list[Finding] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def examined_model(name: str) -> Examined:
    """Looks at the packages, weights and memory that a model needs; nothing is fetched or loaded.

    Args:
        name: A preset, `hf:REPO`, a model that ships, or a folder: of a trained model, of its run, or of a
            plain model of `transformers`.

    Raises:
        UsageError: there is no such model.
    """
    absent = [module for module in _NEEDED if find_spec(module) is None]
    if absent:
        install = "pip install 'expllm[model]'"
        return Examined([Finding(module, "wrong", "not installed", install) for module in absent])
    found = Examined()
    from expllm.model.hub.inventory import holdings
    from expllm.model.hub.snapshots import resolve_revisions
    from expllm.model.summary import sizes_of

    preset, own = _meant(name)
    held = list(holdings(preset))
    found.findings = [*([own] if own else []), *map(_weights, held)]
    found.figures = {"model": name, "parts": [one.to_dict() for one in held]}
    if preset.hf is None or all(one.whole for one in held):  # else nothing tells its sizes
        sizes: Sizes | None
        try:
            sizes = sizes_of(resolve_revisions(preset, online=False))
        except ExpllmError as error:
            sizes = sizes_of(preset) if preset.hf is None else None
            found.findings.append(Finding("sizes", "wrong", error.line, exit_code=error.exit_code))
        if sizes is not None:
            found.findings += _memory(preset, sizes, found.figures)
    return found


def _meant(name: str) -> "tuple[Preset, Finding | None]":
    """The preset that a name stands for, and what its own folder holds."""
    from expllm.model.manifest import check_files, is_model, manifest_preset, read_manifest
    from expllm.model.presets import PRESETS
    from expllm.model.presets import preset as by_name

    if name.startswith((CHAT, ENDPOINT)):
        raise UsageError(f"{name.partition(':')[0]}: the model runs on a server and has no weights here")
    path = Path(name)
    if path.is_dir() and not is_model(path) and (path / "config.json").is_file():
        return by_name(f"hf:{path}"), None
    if name not in SHIPPED and (name in PRESETS or name.startswith("hf:")):
        return by_name(name), None
    folder = model_folder(name)
    manifest = read_manifest(folder)
    size = sum(size for _, size in manifest.files.values())
    try:
        check_files(folder, manifest)
    except ExpllmError as error:
        return manifest.preset, Finding("trained weights", "wrong", error.line, exit_code=error.exit_code)
    text = f"{_size(size)} in {folder}, SHA-256 checked"
    return manifest_preset(folder, manifest), Finding("trained weights", "ok", text)


def _weights(held: "Holding") -> Finding:
    from huggingface_hub.constants import HF_HUB_CACHE

    at = f" at {held.revision}" if held.revision else ""
    if held.problem is not None:
        return Finding(held.part, "wrong", held.problem.line, exit_code=held.problem.exit_code)
    if held.folder is None:
        return Finding(
            held.part, "wrong",
            f"{held.source}{at} is not here: {_size_to_fetch(held)} to download; looked in {HF_HUB_CACHE}",
            f"hf download {held.source}{f' --revision {held.revision}' if held.revision else ''}",
            ExitCode.MISSING_WEIGHTS,
        )  # fmt: skip
    if held.missing:
        names = ", ".join(held.missing)
        return Finding(
            held.part, "wrong",
            f"{held.source}{at}: {_size(held.held)} here, and {names} missing ({_size_to_fetch(held)}); "
            f"looked in {held.folder}", f"hf download {held.source}", ExitCode.MISSING_WEIGHTS,
        )  # fmt: skip
    return Finding(held.part, "ok", f"{held.source}{at}: {_size(held.held)} in {held.folder}")


def _memory(preset: "Preset", sizes: "Sizes", figures: dict[str, Any]) -> Iterator[Finding]:
    """What answering and training take in 16 bits, beside what there is."""
    import torch

    from expllm.model.costs import answer_memory, training_memory
    from expllm.model.summary import EXPLANATION, LEARNED, TRAINING_TEXT
    from expllm.train.dry_run import this_device
    from expllm.train.recipe import StageConfig

    device = this_device(StageConfig(), measure=False)
    card = torch.cuda.is_available()
    yield Finding("device", "ok", f"{device.name}, {_size(device.memory)}; torch {torch.__version__}"
                  f"{'' if card else ', no GPU'}")  # fmt: skip
    asked = answer_memory(sizes, 1, EXPLANATION).total
    trained = training_memory(sizes, LEARNED, 4, TRAINING_TEXT, checkpointing=True).total
    figures["memory"] = {"answer": round(asked), "training_step": round(trained), "device": device.memory}
    yield _fits("to answer", asked, device.memory, "in bfloat16, one face", "wrong")
    yield _fits("to train", trained, device.memory, "in bfloat16, 4 faces at once, checkpointing", "optional")
    if preset.quantization == "nf4" and not card:
        yield Finding("4-bit weights", "wrong", "need an NVIDIA GPU", f"use {preset.name.split('-')[0]}")


def _fits(subject: str, needed: float, there: int, how: str, absent: str) -> Finding:
    if needed <= there:
        return Finding(subject, "ok", f"about {_size(needed)} ({how})")
    return Finding(
        subject, absent, f"about {_size(needed)} ({how}), and there are {_size(there)}",
        "use a machine with more memory, or a smaller model",
    )  # fmt: skip


def _size_to_fetch(held: "Holding") -> str:
    return f"about {_size(held.absent)}" if held.absent else "an unknown size"


def _size(count: float) -> str:
    """Bytes for people."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count:.0f} bytes"
