"""ExpLLM: facial expressions, explained through action units.

`import expllm` is cheap: MediaPipe, Pillow and pydantic load when they are first needed. It settles how many
threads native code starts and how these wait ([`threads`][expllm.threads]): import it before PyTorch.
"""

from typing import TYPE_CHECKING, Any

from expllm.threads import settle

__version__ = "0.1.0"

settle()

if TYPE_CHECKING:
    from expllm.errors import ExpllmError
    from expllm.faces import ActionUnit, AUVector, Expression
    from expllm.grounding import audit
    from expllm.predict import Predictor, analyze
    from expllm.records import CoT, FaceAnalysis
    from expllm.video.analysis import analyze_video

_HOME = {
    "AUVector": "expllm.faces",
    "ActionUnit": "expllm.faces",
    "CoT": "expllm.records",
    "Expression": "expllm.faces",
    "ExpllmError": "expllm.errors",
    "FaceAnalysis": "expllm.records",
    "Predictor": "expllm.predict",
    "analyze": "expllm.predict",
    "analyze_video": "expllm.video.analysis",
    "audit": "expllm.grounding",
}

__all__ = [
    "AUVector",
    "ActionUnit",
    "CoT",
    "ExpllmError",
    "Expression",
    "FaceAnalysis",
    "Predictor",
    "__version__",
    "analyze",
    "analyze_video",
    "audit",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'expllm' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
