"""Answers to test figures with."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

LABELS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")


def rows(classes: int, *, lowest: int = -1, most: int = 80) -> st.SearchStrategy[list[tuple[int, int]]]:
    """(truth, answer) pairs; an answer of -1 is none."""
    pair = st.tuples(st.integers(0, classes - 1), st.integers(lowest, classes - 1))
    return st.lists(pair, min_size=1, max_size=most)


def columns(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Truths and answers, [N] each."""
    both = np.array(pairs, dtype=np.int64)
    return both[:, 0], both[:, 1]


def scored(seed: int, count: int, classes: int, sharpness: float = 2.0) -> tuple[Any, Any]:
    """Log-probabilities [N, C] of a model that knows something, and truths [N]."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, count)
    scores = rng.normal(size=(count, classes)) + 1.5 * np.eye(classes)[truth]
    scores *= sharpness
    return scores - np.log(np.exp(scores).sum(1, keepdims=True)), truth
