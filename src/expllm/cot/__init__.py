"""Explanations in three headed parts: the rule-based writer, and the steps and loop of the Exp-CoT engine.

`run` and `CotMakeOptions` make a run of the engine from Python; they are loaded when they are first needed.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expllm.cot.engine_setup import CotMakeOptions
    from expllm.cot.make_run import MadeRun
    from expllm.cot.make_run import make_cot as run

_HOME = {
    "CotMakeOptions": ("expllm.cot.engine_setup", "CotMakeOptions"),
    "MadeRun": ("expllm.cot.make_run", "MadeRun"),
    "run": ("expllm.cot.make_run", "make_cot"),
}

__all__ = ["CotMakeOptions", "MadeRun", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'expllm.cot' has no attribute {name!r}")
    from importlib import import_module

    module, kept_as = _HOME[name]
    return getattr(import_module(module), kept_as)
