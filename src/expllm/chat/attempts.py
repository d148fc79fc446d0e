"""Retries of one request, within the limits of server and user."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from expllm.chat.address import Address
from expllm.chat.chat_errors import ChatFailed, Unreachable
from expllm.chat.failures import refused_for_good
from expllm.chat.limits import AdaptiveLimiter, TokenBucket
from expllm.chat.outcomes import Completion, FailedAttempt, TokenLimit
from expllm.chat.prices import Prices
from expllm.chat.protocol import NOTHING_USED, Usage
from expllm.chat.replies import parse_reply
from expllm.chat.retries import Backoff
from expllm.chat.transport import Transport, TransportError

FIRST_TRIES: Final = 3
"""Attempts before an address that has never answered is given up, and at a probe that tells nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        tokens: About how many it has.
        limit: The token limit in it.
    """

    body: bytes
    tokens: float
    limit: TokenLimit


@dataclass(slots=True)
class CallProgress:
    """Attempts, tokens and time of a request so far.

    Attributes:
        call: Names its requests in the server's log.
        attempts: Requests that were sent.
    """

    call: str
    started: float = field(default_factory=time.perf_counter)
    attempts: int = 0
    usage: Usage = NOTHING_USED

    def count(self, usage: Usage) -> None:
        if usage is not NOTHING_USED:
            self.usage = usage if self.usage is NOTHING_USED else self.usage + usage

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started


class RetryingClient:
    """Sends requests until a reply comes or none will.

    Args:
        model: What is asked for.
        address: Where.
        transport: How.
        backoff: Waits between attempts.
        most: Attempts at one request, at most.
        gate: How many may be under way.
        requests: Budget of requests a minute.
        tokens: Budget of tokens a minute.
        prices: USD by model.

    Attributes:
        limit_name: Under which the endpoint takes the token limit, as far as is known: OpenAI's newer models
            refuse the old name, and many other servers do not know the new one.
    """

    def __init__(
        self, model: str, address: Address, transport: Transport, backoff: Backoff, *, most: int,
        gate: AdaptiveLimiter,
        requests: TokenBucket | None, tokens: TokenBucket | None, prices: Prices,
    ) -> None:  # fmt: skip
        self._model, self._address, self._transport = model, address, transport
        self._backoff, self._most, self._gate, self._prices = backoff, most, gate, prices
        self._requests, self._tokens = requests, tokens
        self.limit_name = address.dialect.limit
        self._usual_reply = 200.0  # tokens; follows what replies take
        self._answered = False  # something there has spoken HTTP
        self._completed = False  # and was a chat endpoint
        self._proved = False  # and took the parameters of our requests

    async def settle(
        self, request: Request, probe: Callable[[], Request], course: CallProgress
    ) -> Completion | FailedAttempt:
        """The reply; `FailedAttempt` where the token limit needs another name.

        Args:
            request: What is asked.
            probe: Makes something harmless with the same parameters. It is sent where the server refuses a
                first request in words that no dialect knows, and shows whether it refuses all or this one.
            course: Counts what that takes.

        Raises:
            ChatFailed: no reply came to this request; others may be answered.
            ChatError: all others would end like this.
        """
        while True:
            outcome = await self._attempt(request, course)
            if isinstance(outcome, Completion) or outcome.limit_name is not None:
                return outcome
            self._check_place(outcome, course.attempts)
            if outcome.unknown and not self._proved:
                await self._check_refusal(outcome, probe(), course)
            elif outcome.unknown and outcome.reason == "http-403":
                self._proved = False  # access may have been withdrawn: a second one without an answer between
            if reason := self._given_up(outcome, course.attempts):
                raise ChatFailed(
                    reason, course.attempts, detail=outcome.detail, usage=course.usage,
                    cost=self._prices.cost(self._model, course.usage), seconds=course.seconds,
                )  # fmt: skip
            await asyncio.sleep(self._backoff.seconds(course.attempts, outcome.wait))

    async def _check_refusal(self, refused: FailedAttempt, probe: Request, course: CallProgress) -> None:
        """Returns if the refusal is the request's own.

        Raises:
            ChatError: the probe is refused, too.
        """
        for attempt in itertools.count(1):
            outcome = await self._attempt(probe, course)
            if isinstance(outcome, Completion):
                return
            if outcome.unknown:
                raise refused_for_good(refused, self._address, "check the model's parameters")
            if attempt >= FIRST_TRIES or self._given_up(outcome, attempt):
                return
            await asyncio.sleep(self._backoff.seconds(attempt, outcome.wait))

    def _given_up(self, trouble: FailedAttempt, attempt: int) -> str | None:
        """Why there is no further attempt; None if there is one."""
        if not trouble.again or attempt >= self._most:
            return trouble.reason
        if trouble.wait is not None and trouble.wait > self._backoff.patience:
            return "retry-after"
        return None

    async def _attempt(self, request: Request, course: CallProgress) -> Completion | FailedAttempt:
        """One request, when the limits let it."""
        ticket = await self._gate.enter()
        outcome: Completion | FailedAttempt | None = None
        try:
            expected = await self._budgeted(request.tokens)
            course.attempts += 1
            outcome = await self._exchange(request, f"{course.call}-{course.attempts}")
            course.count(outcome.usage)
            self._correct(outcome.usage, expected)
            return outcome
        finally:
            self._gate.leave(ticket, overloaded=isinstance(outcome, FailedAttempt) and outcome.overloaded)

    async def _exchange(self, request: Request, name: str) -> Completion | FailedAttempt:
        answer = await self._transport.post(request.body, name)
        if isinstance(answer, TransportError):
            return FailedAttempt(answer.reason, answer.detail)
        self._answered = True
        outcome = parse_reply(answer, self._model, self._address, request.limit)
        self._completed = self._completed or isinstance(outcome, Completion)
        self._proved = self._proved or _proves(outcome)
        return outcome

    def _check_place(self, trouble: FailedAttempt, attempt: int) -> None:
        """Stops where nothing has ever answered as an endpoint does: the address is wrong, not the moment.

        Raises:
            Unreachable: after a few attempts to connect, or all attempts to get JSON, or one reply in another
                protocol.
        """
        where = self._address.shown
        if not self._answered and trouble.reason in ("unreachable", "bad-http"):
            if attempt >= min(FIRST_TRIES, self._most):
                why = trouble.detail or "the server does not speak HTTP"
                option = self._address.option
                raise Unreachable(f"cannot reach {where}: {why}; check {option}, and that the server runs")
        elif not self._completed and trouble.reason == "other-protocol":
            option = self._address.option
            raise Unreachable(
                f"{where} does not answer as OpenAI's chat endpoint: {trouble.detail}; check {option}"
            )
        elif not self._completed and trouble.reason == "content-type" and attempt >= self._most:
            kind, _, said = trouble.detail.partition(": ")
            quoted = f" (it says {said})" if said else ""
            raise Unreachable(
                f"{where} answers with {kind}, not JSON: check {self._address.option}; "
                f"it often ends with /v1{quoted}"
            )

    async def _budgeted(self, asked: float) -> float:
        """Waits for the budgets; returns the tokens that were taken from theirs."""
        wait, expected = 0.0, 0.0
        if self._requests:
            wait = self._requests.reserve()
        if self._tokens:
            expected = asked + self._usual_reply
            wait = max(wait, self._tokens.reserve(expected))
        if wait:
            await asyncio.sleep(wait)
        return expected

    def _correct(self, usage: Usage, expected: float) -> None:
        """Puts the true number of tokens in the estimate's place, where the server tells it."""
        if self._tokens and usage.prompt_tokens and usage.completion_tokens is not None:
            self._tokens.correct(usage.prompt_tokens + usage.completion_tokens - expected)
            self._usual_reply += (usage.completion_tokens - self._usual_reply) / 10


def _proves(outcome: Completion | FailedAttempt) -> bool:
    """Whether a reply shows that the server takes our parameters: it came from the model."""
    if isinstance(outcome, Completion):
        return not outcome.refused
    return outcome.reason in ("empty", "out-of-tokens")
