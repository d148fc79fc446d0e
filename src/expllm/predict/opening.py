"""From the name of a model to its explainer."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expllm.core.conversations import Order
from expllm.core.errors import UsageError
from expllm.core.licences import chosen_licence
from expllm.core.records import Hint
from expllm.core.vocabulary import label_set
from expllm.model.rights import check_model_licence
from expllm.model.shipped import CHAT, ENDPOINT, OFFLINE, SHIPPED, canonical_name, default_model, model_folder
from expllm.predict.base import FaceExplainer
from expllm.predict.rules import RuleExplainer

if TYPE_CHECKING:
    from expllm.predict.endpoint_model import ServedExplainer


@dataclass(frozen=True)
class ChatOptions:
    """How a server is asked, for a chat model or a trained one; see
    [`OpenAIChat`][expllm.chat.endpoint.OpenAIChat].

    Attributes:
        base_url: None takes `OPENAI_BASE_URL`, else OpenAI's own.
        key_env: The environment variable that holds the key.
        temperature: None leaves it to the server.
        max_tokens: Of a reply, reasoning included; None leaves it to the server.
        budget: USD that may be spent.
        prices: File of prices; None takes `EXPLLM_PRICES`, else the shipped one.
        questions: Of `endpoint:`, the merged folder that is served; None: the one that the server names.
        served_name: Of `endpoint:`, what the model is called there; None: the only one that it lists.
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
    questions: Path | None = None
    served_name: str | None = None


def open_explainer(
    model: str | Path | None = None, *, labels: int | None = None, order: Order | None = None,
    dtype: str = "auto", device: str = "auto", licence: str | None = None, hint: Hint | None = None,
    audited: bool | None = None, max_new_tokens: int | None = None, chat: ChatOptions | None = None,
    on_token: Callable[[str], object] | None = None, on_status: Callable[[str], object] = lambda _: None,
    shown_as: str | None = None,
) -> FaceExplainer:  # fmt: skip
    """The explainer of that name. Nothing heavy is loaded before the first face.

    Args:
        model: `rules`, `compact`, a trained model's folder or run, `chat:NAME` or `endpoint:URL`. None: the
            rules if `labels` is given, else [`default_model`][expllm.model.shipped.default_model].
        labels: Tell 7 or 8 expressions apart (8 if None); a trained model has a label set of its own.
        order: Of a trained model: whether the label comes before the text; None: as it was trained.
        dtype: Of a trained model's weights, `float32` or `bfloat16`; `auto` as for `ModelExplainer`.
        device: Of a trained model: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        licence: As for `chosen_licence`; `permissive` with `model` None takes the rules.
        hint: Which action units a trained model is told before it explains: `measured`, those that a network
            reads from the pixels (`self`), or `none`; None: as it was trained.
        audited: Sentences of a model that the measured action units refute are written anew, or left out.
            None: for models that write here; a model behind an address is asked again for each sentence.
        max_new_tokens: Of a trained model's explanation; a chat model has `ChatOptions.max_tokens`.
        chat: How a chat model is asked.
        on_token: Called with each piece of a text while a trained model writes it about a single face.
        on_status: Given what a model does ("loading compact"), whenever it begins something, on any thread.
        shown_as: How results call a trained model; a shipped one by its name, others by their folder if None.

    Raises:
        UsageError: there is no such model, or an option is not for it.
        MissingWeights, ModelError, MissingDependency, KeyRejected, BadPrices, OutputError, Unreachable: as
            `ModelExplainer`, `OpenAIChat` and `open_served`.
    """
    model = _chosen(labels, licence) if model is None else model
    name, options = canonical_name(str(model)), chat or ChatOptions()
    _check_fits(name, labels, hint)
    check_chat_options(name, chat)
    check_named(licence, name, chat)
    if name == OFFLINE:
        return RuleExplainer(labels or 8)
    if name.startswith(CHAT):
        return _chat(name, labels or 8, options, on_status, audited=bool(audited))
    if name.startswith(ENDPOINT):
        options = replace(options, max_tokens=max_new_tokens or options.max_tokens)
        return open_served(
            name, options, order=order, hint=hint, licence=licence, audited=bool(audited), on_status=on_status
        )
    return _trained(
        model, order=order, dtype=dtype, device=device, hint=hint, licence=licence, on_token=on_token,
        audited=audited is not False, max_new_tokens=max_new_tokens, on_status=on_status, shown_as=shown_as,
    )  # fmt: skip


def _chosen(labels: int | None, licence: str | None) -> str:
    """The model where none is named."""
    rules = labels is not None or chosen_licence(licence) == "permissive"
    return OFFLINE if rules else default_model()


def _check_fits(name: str, labels: int | None, hint: Hint | None) -> None:
    """Whether a number of labels and a hint are for this model."""
    without_hints = name == OFFLINE or name.startswith(CHAT)
    if labels not in (None, 7, 8):
        raise UsageError(f"labels is {labels}: use 7, or 8 with contempt")
    if hint is not None and without_hints:
        raise UsageError(f"--hint is for trained models, not for {name.partition(':')[0]}: leave it out")
    if labels is not None and not without_hints:
        raise UsageError(f"{name} has a label set of its own: leave out the number of labels")


def _trained(model: str | Path, *, shown_as: str | None, **options: Any) -> FaceExplainer:
    """A trained model of this machine."""
    from expllm.predict.trained import ModelExplainer

    name = str(model)
    shown = shown_as or (name if name in SHIPPED else None)
    return ModelExplainer(model_folder(model), name=shown, **options)


def check_named(licence: str | None, model: str, options: ChatOptions | None = None) -> None:
    """Whether a model may be used; its weights are not loaded.

    Raises:
        UsageError: its licence does not allow it.
        MissingWeights, ModelError, ChatError: as `open_explainer`.
    """
    name = canonical_name(model)
    if chosen_licence(licence) == "any" or name == OFFLINE or name.startswith(CHAT):
        return
    served = name.startswith(ENDPOINT)
    folder = served_folder(name, options or ChatOptions()) if served else model_folder(name)
    check_model_licence(licence, folder, name)


def _chat(
    name: str, labels: int, options: ChatOptions, on_status: Callable[[str], object], *, audited: bool
) -> FaceExplainer:
    from expllm.chat import priced_chat
    from expllm.predict.chat import ChatExplainer

    name = name.removeprefix(CHAT)
    if not name:
        raise UsageError(f"{CHAT} needs the name of a model, such as {CHAT}gpt-4o")
    chat = priced_chat(
        name, options.prices, options.budget, base_url=options.base_url, api_key_env=options.key_env,
        temperature=options.temperature, max_tokens=options.max_tokens, timeout=options.timeout,
        concurrency=options.concurrency, requests_per_minute=options.requests_per_minute,
        tokens_per_minute=options.tokens_per_minute, cache=options.cache,
    )  # fmt: skip
    return ChatExplainer(
        chat, label_set(labels), budget=options.budget, audited=audited,
        digest=_chat_digest(name, labels, options, audited=audited), on_status=on_status,
    )  # fmt: skip


def _chat_digest(name: str, labels: int, options: ChatOptions, *, audited: bool) -> str:
    """SHA-256 of how a chat model is asked. The address may hold a password, so it goes into a hash only."""
    from expllm.predict.chat import asked_explanation
    from expllm.predict.rewriting import MOST_REWRITTEN, REQUEST, REQUEST_AGAIN, TRIES

    text = asked_explanation(label_set(labels))
    asked: list[object] = [f"{CHAT}{name}", text, options.base_url, options.temperature]
    asked += [] if options.max_tokens is None else [options.max_tokens]
    asked += ["audited", REQUEST, REQUEST_AGAIN, TRIES, MOST_REWRITTEN] if audited else []
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def check_chat_options(name: str, options: ChatOptions | None) -> None:
    """Whether the options of a server are for this model.

    Raises:
        UsageError: they are not.
    """
    if options is None:
        return
    if not name.startswith((CHAT, ENDPOINT)):
        raise UsageError(
            f"{name} is not a chat model: the options of an endpoint are for {CHAT}NAME and {ENDPOINT}URL"
        )
    theirs: tuple[str, ...] = ("questions", "served_name")
    if name.startswith(ENDPOINT):
        theirs = ("base_url", "temperature", "cache", "budget", "prices")
    given = [one for one in theirs if getattr(options, one) is not None]
    if given:
        option = "served-model-name" if given[0] == "served_name" else given[0].replace("_", "-")
        other = f"{CHAT}NAME" if name.startswith(ENDPOINT) else f"{ENDPOINT}URL"
        raise UsageError(f"--{option} is for {other}, not for {name.partition(':')[0]}: leave it out")


def open_served(
    name: str,
    options: ChatOptions,
    *,
    order: Order | None = None,
    hint: Hint | None = None,
    licence: str | None = None,
    audited: bool = False,
    on_status: Callable[[str], object] = lambda _: None,
) -> "ServedExplainer":
    """A trained model that a server runs.

    Args:
        name: `endpoint:URL`.

    Raises:
        UsageError: it is not known which model is meant, or what it is to be asked.
        MissingWeights, ModelError: as `ServedModel.read`.
        KeyRejected: as `OpenAIChat`.
        Unreachable: nothing answers at the address.
    """
    from expllm.chat import OpenAIChat
    from expllm.model.served_model import ServedModel
    from expllm.predict.endpoint_model import ServedExplainer
    from expllm.predict.endpoint_names import ADDRESS, served_model

    url = name.removeprefix(ENDPOINT)
    known, folder = served_model(url, options.key_env, options.served_name, options.questions)
    chat = OpenAIChat(
        known, base_url=url, api_key_env=options.key_env, temperature=0.0, timeout=options.timeout,
        concurrency=options.concurrency, requests_per_minute=options.requests_per_minute,
        tokens_per_minute=options.tokens_per_minute, address_option=ADDRESS,
        model_option="--served-model-name",
    )  # fmt: skip
    return ServedExplainer(
        chat, ServedModel.read(folder), name=f"{ENDPOINT}{chat.shown}", order=order,
        max_tokens=options.max_tokens, hint=hint, licence=licence, audited=audited, on_status=on_status,
    )  # fmt: skip


def served_folder(name: str, options: ChatOptions) -> Path:
    """The merged folder of the model behind `endpoint:URL`.

    Raises:
        UsageError, KeyRejected, Unreachable: as `open_served`.
    """
    from expllm.predict.endpoint_names import served_model

    url = name.removeprefix(ENDPOINT)
    return served_model(url, options.key_env, options.served_name, options.questions)[1]
