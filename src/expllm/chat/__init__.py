"""Chat models behind one protocol: OpenAI-compatible endpoints with retries, rate limits, cache and prices.

`import expllm.chat` is cheap: aiohttp and SQLite load when a model is asked.
"""

from typing import TYPE_CHECKING, Any

from expllm.chat.chat_errors import (
    BadPrices,
    BadRequest,
    ChatError,
    ChatFailed,
    KeyRejected,
    QuotaSpent,
    UnknownModel,
    Unreachable,
)
from expllm.chat.protocol import ChatModel, Message, Reply, Role, Token, Usage, picture_uri, request_key

if TYPE_CHECKING:
    from expllm.chat.cache import ReplyCache
    from expllm.chat.endpoint import OpenAIChat, priced_chat
    from expllm.chat.prices import Price, Prices
    from expllm.chat.scripted import ScriptedChat

_HOME = {
    "OpenAIChat": "expllm.chat.endpoint",
    "Price": "expllm.chat.prices",
    "Prices": "expllm.chat.prices",
    "ReplyCache": "expllm.chat.cache",
    "ScriptedChat": "expllm.chat.scripted",
    "priced_chat": "expllm.chat.endpoint",
}

__all__ = [
    "BadPrices",
    "BadRequest",
    "ChatError",
    "ChatFailed",
    "ChatModel",
    "KeyRejected",
    "Message",
    "OpenAIChat",
    "Price",
    "Prices",
    "QuotaSpent",
    "Reply",
    "ReplyCache",
    "Role",
    "ScriptedChat",
    "Token",
    "UnknownModel",
    "Unreachable",
    "Usage",
    "picture_uri",
    "priced_chat",
    "request_key",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'expllm.chat' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
