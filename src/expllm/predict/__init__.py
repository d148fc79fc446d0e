"""Who says what a face shows: rules, a trained model, or a chat model, behind one protocol."""

from expllm.predict.base import FaceAnswer, FaceExplainer, FaceInput
from expllm.predict.opening import ChatOptions, open_explainer

__all__ = ["ChatOptions", "FaceAnswer", "FaceExplainer", "FaceInput", "open_explainer"]
