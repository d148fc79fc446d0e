"""Recognises replies of protocols other than OpenAI's, where an address leads to another door of a server."""

from collections.abc import Callable
from typing import Any, Final

_Shape = Callable[[dict[str, Any]], bool]


def _has(name: str, kind: type) -> _Shape:
    return lambda data: isinstance(data.get(name), kind)


def _holds(name: str, *inner: str) -> _Shape:
    """A member that is an object with one of some members."""
    return lambda data: isinstance(found := data.get(name), dict) and any(one in found for one in inner)


def _begins(name: str, *starts: str) -> _Shape:
    return lambda data: isinstance(found := data.get(name), str) and found.startswith(starts)


def _all(*shapes: _Shape) -> _Shape:
    return lambda data: all(shape(data) for shape in shapes)


_SHAPES: Final[tuple[tuple[str, str, _Shape], ...]] = (
    ("Gemini's own protocol", "/v1beta/openai", _has("candidates", list)),
    ("the Responses API", "/v1", _begins("object", "response")),
    ("the Responses API", "/v1", _begins("type", "response.")),
    ("the Responses API", "/v1", _has("output", list)),
    ("Anthropic's own protocol", "/v1", _begins("type", "message", "content_block", "completion")),
    ("Anthropic's own protocol", "/v1", _all(_has("content", list), _begins("role", "assistant"))),
    ("Bedrock's own protocol", "/v1", _holds("output", "message")),
    ("DashScope's own protocol", "/compatible-mode/v1", _holds("output", "text", "choices")),
    ("Tencent's own protocol", "/v1", _holds("Response", "Choices")),
    ("Cloudflare's own protocol", "/ai/v1", _holds("result", "response")),
    ("Qianfan's own protocol", "/v2", _all(_has("result", str), _has("is_truncated", bool))),
    ("Ollama's own protocol", "/v1", _all(_has("response", str), _has("done", bool))),
    ("Cohere's own protocol", "/compatibility/v1", lambda data: _of_cohere(data.get("message"))),
    ("Ollama's own protocol", "/v1", _holds("message", "content")),
    ("Text Generation Inference's own protocol", "/v1", _has("generated_text", str)),
    ("llama.cpp's own protocol", "/v1", _all(_has("content", str), _has("stop", bool))),
)
"""Name of a protocol, how the server's address for OpenAI's ends, and the shape of a reply."""


def _of_cohere(message: Any) -> bool:
    return isinstance(message, dict) and isinstance(message.get("content"), list)


def other_protocol(data: Any) -> str | None:
    """What a reply is and what to do about it; None where its protocol is not known.

    Args:
        data: A reply without choices; of a list, the first item.

    >>> other_protocol({"message": {"role": "assistant", "content": "Joy"}, "done": True})
    "that is Ollama's own protocol, OpenAI's ends with /v1"
    """
    if isinstance(data, list):
        data = next(iter(data), None)
    if not isinstance(data, dict):
        return None
    found = next(((name, end) for name, end, shape in _SHAPES if shape(data)), None)
    return found and f"that is {found[0]}, OpenAI's ends with {found[1]}"
