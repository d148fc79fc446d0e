"""Cache of language models unpacked from a weight package's GGUF file into safetensors.

To read GGUF through `transformers` takes 17 s at every start. What is unpacked is the same weights, bit for
bit, in safetensors, with the tokenizer beside them. It lies in the user's cache and is made again if it is
gone or not what was written.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import MissingWeights, OutputError
from expllm.core.packages import CARRIERS
from expllm.files.atomic_folders import whole_folder
from expllm.files.weights import cache_folder
from expllm.model.manifest import sha256
from expllm.model.presets import LanguageConfig

SHA256: Final = {
    "SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}
"""Of the files that our models were trained on: another one's answers would be others."""
MARK: Final = "unpacked.json"


def packaged_gguf(language: LanguageConfig) -> Path:
    """The GGUF file inside its weight package, which is not imported.

    Raises:
        MissingWeights: the package is not installed.
    """
    assert language.source is not None
    assert language.gguf is not None
    spec = find_spec(language.source)
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / language.gguf).is_file():
        raise MissingWeights(f"{language.gguf} is missing: run '{_installed_by(language)}'")
    return Path(spec.origin).parent / language.gguf


def again(language: LanguageConfig) -> str:
    """How to reinstall the package."""
    return f"run '{_installed_by(language)} --force-reinstall'"


def _installed_by(language: LanguageConfig) -> str:
    return CARRIERS.get(str(language.source), f"pip install {language.source}")


def cached_model(language: LanguageConfig, unpack: Callable[[Path, Path], None] | None = None) -> Path | None:
    """The folder with the unpacked model; None where there is none and none can be written.

    Args:
        unpack: Reads the GGUF file that is given first, and writes model and tokenizer into the folder; None:
            nothing is written.

    Raises:
        MissingWeights: the package is not installed, or its file is not the one that models were trained on.
    """
    packed = packaged_gguf(language)
    digest = sha256(packed)
    if digest != SHA256.get(packed.name, digest):
        raise MissingWeights(f"{packed}: is damaged or another version (SHA-256 differs): {again(language)}")
    folder = cache_folder() / f"{packed.stem}-{digest[:16]}"
    if _is_whole(folder):
        return folder
    if unpack is None:
        return None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder, _is_ours) as partial:
            unpack(packed, partial)
            files = {path.name: sha256(path) for path in sorted(partial.iterdir())}
            (partial / MARK).write_text(json.dumps(files), encoding="utf-8")
    except (OSError, OutputError):  # a read-only home, a full disk: it is read from GGUF each time
        return None
    return folder


def is_cached(language: LanguageConfig) -> bool:
    """Whether the model seems to be unpacked already, or needs not be. Nothing is read."""
    if language.weights != "carrier":
        return True
    return any(cache_folder().glob(f"{packaged_gguf(language).stem}-*/{MARK}"))


def _is_ours(folder: Path) -> bool:
    return (folder / MARK).is_file()


def _is_whole(folder: Path) -> bool:
    """Whether every file is what was written: a wrong byte would be a wrong answer."""
    try:
        files: dict[str, Any] = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return all(sha256(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, AttributeError):
        return False
