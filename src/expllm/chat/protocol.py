"""The protocol of all chat models: messages in, a reply out, and the key of a request."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        content: What is said.
        images: Pictures that belong to it, as addresses or `picture_uri`; a model that sees gets them first.
    """

    role: Role
    content: str
    images: tuple[str, ...] = ()


def picture_uri(data: bytes) -> str:
    """The bytes of a PNG or JPEG file as an address that holds them.

    >>> picture_uri(b"\xff\xd8\xff")
    'data:image/jpeg;base64,/9j/'
    """
    kind = "jpeg" if data.startswith(b"\xff\xd8\xff") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a request as the server counted them; None where it did not say.

    A sum with an unknown part is unknown: `Usage(3, 1) + Usage(None, 2)` is `Usage(None, 3)`.
    """

    prompt_tokens: int | None
    completion_tokens: int | None

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            _sum(self.prompt_tokens, other.prompt_tokens),
            _sum(self.completion_tokens, other.completion_tokens),
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


NOTHING_USED = Usage(0, 0)


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and how likely it was in its place.

    Attributes:
        text: As the server writes it.
        logprob: Natural logarithm of its probability.
        others: The likeliest tokens of this place and their logarithms, as many as were asked for.
        id: In the model's vocabulary; None where the server does not say.
    """

    text: str
    logprob: float
    others: Mapping[str, float] = field(default_factory=dict)
    id: int | None = None


FILTERED: Final = "content_filter"
"""What `finish` begins with where a filter at the server, not the model itself, declined to answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply with its token usage.

    Attributes:
        text: The answer, without reasoning, template tokens and fences (`final_text`). Of a refusal, the
            refusal; of a filter, what the server said. It may be empty.
        model: The model that answered, as the server names it.
        finish: Why the text ends: `stop`, `length`, `content_filter`, or what else the server said.
        usage: Tokens of all attempts whose completion arrived, also of those that were no use.
        cost: USD of `usage`; 0 for a cached reply, None where a price or a number of tokens is unknown.
        seconds: From the question to the reply, waiting and retries included.
        attempts: Requests that were sent; 0 for a cached reply.
        refused: The model, or a filter before it, declined to answer.
        cached: It comes from the cache; nothing was sent.
        tokens: Of the answer, with their probabilities, where these were asked for and the server gives them.
        prompt: Of the question, likewise.
    """

    text: str
    model: str
    finish: str
    usage: Usage
    cost: float | None
    seconds: float
    attempts: int
    refused: bool
    cached: bool
    tokens: tuple[Token, ...] = ()
    prompt: tuple[Token, ...] = ()

    @property
    def filtered(self) -> bool:
        """A filter at the server declined, which would decline the same question again."""
        return is_filtered(self.refused, self.finish)


def is_filtered(refused: bool, finish: str | None) -> bool:
    """Whether a refusal is that of a filter at the server."""
    return refused and (finish or "").casefold().startswith(FILTERED)


class ChatModel(Protocol):
    """A chat model."""

    @property
    def identity(self) -> str:
        """The id of the model, as it was asked for."""
        ...

    async def ask(self, messages: Sequence[Message], *, max_tokens: int | None = None) -> Reply:
        """Sends the conversation and waits for the next turn.

        Args:
            messages: The turns so far, the oldest first.
            max_tokens: The most tokens that the reply may have; None leaves it to the server.

        Raises:
            ChatFailed: this one call failed for good; others may succeed.
            ChatError: nothing can succeed until the cause is removed; the line says what to do.
        """
        ...

    async def close(self) -> None:
        """Ends connections and files. Asking afterwards opens them again."""
        ...


def as_payload(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The turns as the protocol writes them: a text alone as a text, with pictures as a list of parts."""
    return [{"role": message.role, "content": _content(message)} for message in messages]


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    pictures: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": image}} for image in message.images
    ]
    return [*pictures, {"type": "text", "text": message.content}]


def canonical_json(payload: Mapping[str, Any]) -> bytes:
    """The one JSON text of a payload: sorted keys, no blanks, ASCII. These very bytes are sent."""
    return _ENCODER.encode(payload).encode("ascii")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def request_key(payload: Mapping[str, Any]) -> str:
    """SHA-256 of the request body that `payload` makes, in hex: equal for equal requests, whatever the order.

    >>> request_key({"model": "m", "seed": 1}) == request_key({"seed": 1, "model": "m"})
    True
    """
    return body_key(canonical_json(payload))


def body_key(body: bytes) -> str:
    """`request_key` of a body that is written already."""
    return hashlib.sha256(body).hexdigest()
