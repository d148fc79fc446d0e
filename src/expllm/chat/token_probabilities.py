"""Probabilities of tokens in a reply: OpenAI's `logprobs`, and vLLM's `prompt_logprobs`.

What is malformed is left out whole: half a list would make up a probability.
"""

import math
from typing import Any

from expllm.chat.protocol import Token


def answer_tokens(choice: dict[str, Any]) -> tuple[Token, ...]:
    """Of an answer, from its choice.

    >>> answer_tokens({"logprobs": {"content": [
    ...     {"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "b", "logprob": -0.5}]}]}})
    (Token(text='a', logprob=-1.0, others={'b': -0.5}, id=None),)
    """
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    try:
        return tuple(_token(one) for one in content or ())
    except (TypeError, KeyError, ValueError, AttributeError):
        return ()


def prompt_tokens(data: dict[str, Any]) -> tuple[Token, ...]:
    """Of the question. Its first token has no probability and is left out.

    >>> prompt_tokens({"prompt_logprobs": [None, {"17": {"logprob": -2.0, "decoded_token": "x"}}]})
    (Token(text='x', logprob=-2.0, others={}, id=17),)
    """
    rows = data.get("prompt_logprobs")
    try:
        return tuple(_prompt_token(row) for row in (rows or ())[1:])
    except (TypeError, KeyError, ValueError, AttributeError, IndexError):
        return ()


def _token(one: dict[str, Any]) -> Token:
    others: dict[str, float] = {}
    for other in one.get("top_logprobs") or ():  # two tokens may be written alike: the likelier counts
        text, log = str(other["token"]), _log(other["logprob"])
        others[text] = max(log, others.get(text, log))
    return Token(str(one["token"]), _log(one["logprob"]), others)


def _prompt_token(row: dict[str, Any]) -> Token:
    """The first of a place is the token that stands there; those behind it are the likeliest ones."""
    key, one = next(iter(row.items()))
    return Token(str(one.get("decoded_token") or ""), _log(one["logprob"]), id=int(key))


def _log(value: Any) -> float:
    found = float(value)
    if math.isnan(found) or found > 1e-6:
        raise ValueError("no logarithm of a probability")
    return min(found, 0.0)
