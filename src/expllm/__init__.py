"""ExpLLM: facial expressions, explained through action units.

`import expllm` is cheap: MediaPipe, Pillow and pydantic load when they are first needed. It settles how many
threads native code starts and how these wait ([`threads`][expllm.core.threads]): import it before PyTorch.
"""

from typing import TYPE_CHECKING, Any

from expllm.core.threads import settle_threads

__version__ = "0.1.0"

settle_threads()

if TYPE_CHECKING:
    from expllm import cot
    from expllm.core.errors import ExpllmError
    from expllm.core.records import CoT, FaceAnalysis
    from expllm.core.vocabulary import ActionUnit, AUVector, Expression
    from expllm.evals.evaluation import evaluate
    from expllm.grounding import audit
    from expllm.predict.img2au import FaceReader
    from expllm.predict.predictor import Predictor, analyze
    from expllm.train.run_recipe import train
    from expllm.video.analysis import analyze_video

_HOME = {
    "AUVector": "expllm.core.vocabulary",
    "ActionUnit": "expllm.core.vocabulary",
    "CoT": "expllm.core.records",
    "Expression": "expllm.core.vocabulary",
    "ExpllmError": "expllm.core.errors",
    "FaceAnalysis": "expllm.core.records",
    "FaceReader": "expllm.predict.img2au",
    "Predictor": "expllm.predict.predictor",
    "analyze": "expllm.predict.predictor",
    "analyze_video": "expllm.video.analysis",
    "audit": "expllm.grounding",
    "evaluate": "expllm.evals.evaluation",
}
_PACKAGES = ("cot", "train")
"""Packages that are part of the interface: `expllm.cot.run(...)`, and `expllm.train(...)` (callable)."""


__all__ = [
    "AUVector",
    "ActionUnit",
    "CoT",
    "ExpllmError",
    "Expression",
    "FaceAnalysis",
    "FaceReader",
    "Predictor",
    "__version__",
    "analyze",
    "analyze_video",
    "audit",
    "cot",
    "evaluate",
    "train",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _PACKAGES:
        return import_module(f"expllm.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'expllm' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
