"""From the name of a model to whoever explains faces."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.conversations import Order
from expllm.errors import UsageError
from expllm.explainers.base import FaceExplainer
from expllm.explainers.rules import RuleExplainer
from expllm.faces import label_set
from expllm.shipped import OFFLINE, SHIPPED, default_model, model_folder

CHAT: Final = "chat:"
"""Stands before the name of a chat model."""


@dataclass(frozen=True)
class ChatOptions:
    """How a chat model is asked; see [`OpenAIChat`][expllm.chat.endpoint.OpenAIChat].

    Attributes:
        base_url: None takes `OPENAI_BASE_URL`, else OpenAI's own.
        key_env: The environment variable that holds the key.
        temperature: None leaves it to the server.
        max_tokens: Of a reply, reasoning included; None leaves it to the server.
        budget: USD that may be spent.
        prices: File of prices; None takes `EXPLLM_PRICES`, else the shipped one.
    """

    base_url: str | None = None
    key_env: str = "OPENAI_API_KEY"
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = 60.0
    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    cache: Path | None = None
    budget: float | None = None
    prices: Path | None = None


def open_explainer(
    model: str | Path | None = None,
    *,
    labels: int | None = None,
    order: Order | None = None,
    dtype: str = "auto",
    chat: ChatOptions | None = None,
    heard: Callable[[str], object] | None = None,
    on_status: Callable[[str], object] = lambda _: None,
) -> FaceExplainer:
    """Who is called `model`. Nothing heavy is loaded before the first face.

    Args:
        model: `offline`, `compact`, a trained model's folder or run, or `chat:NAME`. None: `offline` if a
            number of labels is given, else [`default_model`][expllm.shipped.default_model].
        labels: Tell 7 or 8 expressions apart (8 if None); a trained model has a label set of its own.
        order: Of a trained model: whether the label comes before the text; None: as it was trained.
        dtype: Of a trained model's weights, `float32` or `bfloat16`; `auto`: 32 bits for a small model, whose
            words are then the same on every processor, else the faster on this machine.
        chat: How a chat model is asked.
        heard: Told the text of a face by a trained model, piece by piece, while it is written.
        on_status: Given what a model does ("loading compact"), whenever it begins something, on any thread.

    Raises:
        UsageError: there is no such model, or an option is not for it.
        MissingWeights, ModelError, MissingDependency: as `ModelExplainer`.
        KeyRejected, BadPrices, OutputError: as `OpenAIChat`.
    """
    if model is None:
        model = OFFLINE if labels is not None else default_model()
    name = str(model)
    if labels not in (None, 7, 8):
        raise UsageError(f"labels is {labels}: use 7, or 8 with contempt")
    if chat is not None and not name.startswith(CHAT):
        raise UsageError(f"{name} is no chat model: the options of an endpoint are for {CHAT}NAME")
    if name == OFFLINE:
        return RuleExplainer(labels or 8)
    if name.startswith(CHAT):
        return _chat(name.removeprefix(CHAT), labels or 8, chat or ChatOptions(), on_status)
    if labels is not None:
        raise UsageError(f"{name} has a label set of its own: leave out the number of labels")
    from expllm.explainers.trained import ModelExplainer

    shown = name if name in SHIPPED else None
    return ModelExplainer(
        model_folder(model), name=shown, order=order, dtype=dtype, heard=heard, on_status=on_status
    )


def _chat(name: str, labels: int, options: ChatOptions, on_status: Callable[[str], object]) -> FaceExplainer:
    from expllm.chat import OpenAIChat, Prices
    from expllm.explainers.asked import ChatExplainer

    if not name:
        raise UsageError(f"{CHAT} needs the name of a model, such as {CHAT}gpt-4o")
    prices = Prices.load(options.prices)
    if options.budget is not None and name not in prices.models:
        raise UsageError(f"a budget needs a price, and none is known for {name!r}: give a file of prices")
    chat = OpenAIChat(
        name, base_url=options.base_url, api_key_env=options.key_env, temperature=options.temperature,
        max_tokens=options.max_tokens, timeout=options.timeout, concurrency=options.concurrency,
        requests_per_minute=options.requests_per_minute, tokens_per_minute=options.tokens_per_minute,
        cache=options.cache, prices=prices,
    )  # fmt: skip
    return ChatExplainer(chat, label_set(labels), budget=options.budget, on_status=on_status)
