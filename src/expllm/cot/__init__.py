"""Explanations in three headed parts: the rule-based writer, and the steps and loop of the Exp-CoT engine.

`run` and `CotMakeOptions` make a run of the engine from Python; they are loaded when they are first needed.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expllm.cot.engine_setup import CotMakeOptions
    from expllm.cot.make_run import MadeRun, run

_HOME = {
    "CotMakeOptions": "expllm.cot.engine_setup",
    "MadeRun": "expllm.cot.make_run",
    "run": "expllm.cot.make_run",
}

__all__ = ["CotMakeOptions", "MadeRun", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'expllm.cot' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
