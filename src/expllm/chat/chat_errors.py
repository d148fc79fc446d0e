"""Errors of chat models.

Two kinds: errors that stop a run, as every further call would meet them (a rejected key, a wrong address),
and `ChatFailed`, which is one call's own. No message holds a key.
"""

from expllm.chat.protocol import NOTHING_USED, Usage
from expllm.core.errors import ExitCode, ExpllmError


class ChatError(ExpllmError):
    """The chat model cannot be used at all; every further call would fail alike, so a run stops."""


class KeyRejected(ChatError):  # noqa: N818 - named for what happened, like the children below
    """The server does not accept the API key, or wants one and none is set."""


class UnknownModel(ChatError):  # noqa: N818
    """The server does not have the model."""


class Unreachable(ChatError):  # noqa: N818
    """No server that speaks the protocol answers at the address."""


class QuotaSpent(ChatError):  # noqa: N818
    """The account's credit or quota is used up."""


class BadRequest(ChatError):  # noqa: N818
    """The server finds the request itself wrong: a parameter it does not know, or a value out of range."""


class BadPrices(ChatError):  # noqa: N818
    """A file of prices cannot be read."""

    exit_code = ExitCode.USAGE


class ChatFailed(ExpllmError):  # noqa: N818
    """One call failed after all its attempts; others may succeed.

    Attributes:
        reason: Short and stable, for ledgers: `timeout`, `stalled`, `reset`, `unreachable`, `http-503`,
            `retry-after`, `context-length`, `out-of-tokens` (spent on reasoning), `content-type`, `bad-json`,
            `other-protocol`, `bad-http`, `empty`, `broken-off`, `error` (in a reply that came with success),
            `too-long`.
        detail: What the server said, in one short line; empty where it said nothing.
        attempts: Requests that were sent.
        usage: Tokens of attempts whose completion arrived, but was no use.
        cost: USD of `usage`, None where unknown.
        seconds: From the question to the failure.
    """

    def __init__(
        self,
        reason: str,
        attempts: int = 1,
        *,
        detail: str = "",
        usage: Usage = NOTHING_USED,
        cost: float | None = 0.0,
        seconds: float = 0.0,
    ) -> None:
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(f"no usable reply after {times}: {reason}{detail and f' ({detail})'}")
        self.reason = reason
        self.detail = detail
        self.attempts = attempts
        self.usage = usage
        self.cost = cost
        self.seconds = seconds


class AnswersLater(Exception):  # noqa: N818 - no error: the answers come when the run is resumed
    """The process is to end, and the question lies at the server."""
