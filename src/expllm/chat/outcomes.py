"""Outcomes of one request to a chat endpoint."""

from dataclasses import dataclass

from expllm.chat.dialects import MAX_TOKENS
from expllm.chat.protocol import NOTHING_USED, Token, Usage


@dataclass(slots=True)
class Completion:
    """A reply with content, which may be a refusal."""

    text: str
    model: str
    finish: str
    usage: Usage
    refused: bool
    tokens: tuple[Token, ...] = ()
    prompt: tuple[Token, ...] = ()


@dataclass(slots=True)
class FailedAttempt:
    """An attempt without a usable reply.

    Attributes:
        reason: As in `ChatFailed`.
        detail: What the server said, in one short line.
        again: Another attempt may do better.
        wait: Seconds that the server asked to wait.
        overloaded: The server has more to do than it can.
        usage: Tokens of a completion that was no use.
        limit_name: The other name of the token limit, where the server refused the one that was sent.
        unknown: The server refused the request in words that no dialect knows: it may refuse all others, too.
    """

    reason: str
    detail: str = ""
    again: bool = True
    wait: float | None = None
    overloaded: bool = False
    usage: Usage = NOTHING_USED
    limit_name: str | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """The token limit of a request.

    Attributes:
        name: Under which it was sent.
        option: What a user changes to change it.
    """

    name: str = MAX_TOKENS
    value: int | None = None
    option: str = "--max-new-tokens"
