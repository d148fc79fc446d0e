"""Any endpoint that speaks OpenAI's chat protocol: OpenAI, vLLM, SGLang, Ollama, llama.cpp, LM Studio."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from expllm.chat.address import Address
from expllm.chat.answers import understand
from expllm.chat.base import NOTHING_USED, Message, Reply, Usage, as_payload, body_key, canonical
from expllm.chat.errors import ChatFailed, Unreachable
from expllm.chat.failures import refused_for_good
from expllm.chat.limits import Budget, Gate
from expllm.chat.outcomes import Completion, TokenLimit, Trouble
from expllm.chat.prices import Prices
from expllm.chat.retries import Backoff
from expllm.chat.transport import Broken, Transport
from expllm.errors import UsageError

if TYPE_CHECKING:
    from expllm.chat.cache import ReplyCache

FIRST_TRIES: Final = 3
"""Attempts to connect before an address that has never answered is given up."""

BYTES_PER_TOKEN: Final = 4.0
"""Guess for a budget of tokens until the server has counted them; English is near it."""

TOKENS_PER_PICTURE: Final = 500.0
"""Guess for a picture of at most 512 pixels, whatever its bytes: models of 2025 take 85 to 800."""

PROBE: Final = (Message("user", "Answer with the word yes."),)
"""Asked where a server refuses a first request in unknown words: does it refuse all, or this one only?"""

_LIMIT_NAMES: dict[tuple[str, str], str] = {}
"""Address and model -> the name of the token limit that the server took, for all clients of this process."""


@dataclass(slots=True)
class _Course:
    """What a question has taken so far."""

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


class OpenAIChat:
    """A language model behind an address.

    Args:
        model: Its id, as the server knows it.
        base_url: Up to and without `/chat/completions`; None takes `OPENAI_BASE_URL`, else OpenAI's own.
        api_key_env: The environment variable that holds the key. The key itself is never a parameter.
        temperature: None leaves it to the server, and is all that some models accept.
        seed: Sent to servers that make their sampling repeatable.
        max_tokens: The most tokens of a reply, reasoning included, where `ask` gives no other limit; None
            leaves it to the server.
        timeout: Seconds for one attempt, from sending to the last byte.
        between_bytes: Seconds without a byte within a reply.
        max_attempts: Requests for one question, at most.
        concurrency: Requests under way at one time, at most; fewer while the server says it is overloaded.
        requests_per_minute: Budget of requests, None for no limit.
        tokens_per_minute: Budget of tokens, prompt and reply together; estimated before, corrected after.
        cache: File of replies to requests that were asked before; it is made if need be.
        prices: USD by model; None reads `EXPLLM_PRICES`, else the shipped file.
        extra: Further members of the request, such as `{"top_p": 0.9}`.
        backoff: Waits between attempts.
        most_bytes: The longest body of a reply.

    Raises:
        UsageError: an argument makes no sense.
        KeyRejected: OpenAI's own endpoint, and no key.
        BadPrices: the file of prices cannot be read.
        OutputError: the cache cannot be written.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        temperature: float | None = None,
        seed: int | None = None,
        max_tokens: int | None = None,
        timeout: float = 60.0,
        between_bytes: float = 30.0,
        max_attempts: int = 6,
        concurrency: int = 64,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        cache: Path | None = None,
        prices: Prices | None = None,
        extra: Mapping[str, Any] | None = None,
        backoff: Backoff | None = None,
        most_bytes: int = 2**20,
    ) -> None:
        _check(
            model, timeout, between_bytes, max_attempts, concurrency, requests_per_minute, tokens_per_minute,
            max_tokens,
        )  # fmt: skip
        self.identity = model
        self._address = Address.of(base_url, api_key_env)
        self._fixed = _fixed(model, temperature, seed, extra or {})
        self._max_tokens = max_tokens
        self._prices = Prices.load() if prices is None else prices
        self._cache_path = cache
        self._cache: ReplyCache | None = None
        self._transport = Transport(
            self._address, timeout=timeout, between_bytes=between_bytes, most_bytes=most_bytes
        )
        self._backoff = backoff or Backoff()
        self._max_attempts = max_attempts
        self.gate = Gate(concurrency)
        self._requests = Budget(requests_per_minute) if requests_per_minute else None
        self._tokens = Budget(tokens_per_minute) if tokens_per_minute else None
        self._usual_reply = 200.0  # tokens; follows what replies take
        self._answered = False  # something there has spoken HTTP
        self._completed = False  # and was a chat endpoint
        self._proved = False  # and took the parameters of our requests
        self._run = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        if cache is not None:
            self._opened_cache()

    def __repr__(self) -> str:
        return f"OpenAIChat({self.identity!r}, base_url={self._address.shown!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def payload(self, messages: Sequence[Message], *, max_tokens: int | None = None) -> dict[str, Any]:
        """The members of the request that `ask` sends; `request_key` of it is the key of the cache."""
        value = self._max_tokens if max_tokens is None else max_tokens
        limit = {} if value is None else {self._limit_name: value}
        return self._fixed | limit | {"messages": as_payload(messages)}

    @property
    def _limit_name(self) -> str:
        """OpenAI's newer models refuse the old name, and many other servers do not know the new one."""
        return _LIMIT_NAMES.get((self._address.shown, self.identity), self._address.dialect.limit)

    async def ask(self, messages: Sequence[Message], *, max_tokens: int | None = None) -> Reply:
        """As `ChatModel.ask`; the cache is asked first, and what fails in passing is tried again."""
        value = self._max_tokens if max_tokens is None else max_tokens
        course = _Course(f"{self._run}-{next(self._numbers)}")
        refused: set[str] = set()
        while True:
            limit = TokenLimit(self._limit_name, value)
            body = canonical(self.payload(messages, max_tokens=value))
            if known := self._cached(body):
                return known
            outcome = await self._settled(body, _tokens(body, messages), limit, course)
            if isinstance(outcome, Completion):
                reply = self._reply(outcome, course)
                if self._cache_path is not None and not reply.refused:
                    self._opened_cache().put(body_key(body), reply)
                return reply
            self._rename(outcome, limit, refused)

    def _cached(self, body: bytes) -> Reply | None:
        return None if self._cache_path is None else self._opened_cache().get(body_key(body))

    def _rename(self, trouble: Trouble, limit: TokenLimit, refused: set[str]) -> None:
        """Takes the other name for the token limit, unless the server refused that, too.

        Raises:
            BadRequest: it did.
        """
        assert trouble.limit_name is not None
        refused.add(limit.name)
        if trouble.limit_name in refused:
            raise refused_for_good(trouble, self._address, "leave out --max-tokens")
        _LIMIT_NAMES[self._address.shown, self.identity] = trouble.limit_name

    async def close(self) -> None:
        """Ends the connections and closes the cache."""
        await self._transport.close()
        if self._cache is not None:
            self._cache.close()
            self._cache = None

    def _opened_cache(self) -> "ReplyCache":
        from expllm.chat.cache import ReplyCache

        if self._cache is None:
            assert self._cache_path is not None
            self._cache = ReplyCache(self._cache_path)
        return self._cache

    async def _settled(
        self, body: bytes, asked: float, limit: TokenLimit, course: _Course
    ) -> Completion | Trouble:
        """Attempt after attempt, until a reply comes or none will; `Trouble` if the limit needs another name.

        Raises:
            ChatFailed, ChatError: as `ask`.
        """
        while True:
            outcome = await self._attempt(body, asked, limit, course)
            if isinstance(outcome, Completion) or outcome.limit_name is not None:
                return outcome
            self._check_place(outcome, course.attempts)
            if outcome.unknown and not self._proved:
                await self._check_refusal(outcome, limit, course)
            if reason := self._given_up(outcome, course.attempts):
                raise self._failed(reason, outcome, course)
            await asyncio.sleep(self._backoff.seconds(course.attempts, outcome.wait))

    def _failed(self, reason: str, trouble: Trouble, course: _Course) -> ChatFailed:
        return ChatFailed(
            reason, course.attempts, detail=trouble.detail, usage=course.usage,
            cost=self._prices.cost(self.identity, course.usage), seconds=course.seconds,
        )  # fmt: skip

    async def _check_refusal(self, refused: Trouble, limit: TokenLimit, course: _Course) -> None:
        """Asks something harmless with the same parameters: only then is the refusal this question's own.

        Raises:
            BadRequest: that is refused, too, and so is all else.
        """
        body = canonical(self.payload(PROBE, max_tokens=limit.value))
        for attempt in itertools.count(1):
            outcome = await self._attempt(body, _tokens(body, PROBE), limit, course)
            if isinstance(outcome, Completion):
                return
            if outcome.unknown:
                raise refused_for_good(refused, self._address, "check the model's parameters")
            if self._given_up(outcome, attempt):
                return
            await asyncio.sleep(self._backoff.seconds(attempt, outcome.wait))

    def _given_up(self, trouble: Trouble, attempt: int) -> str | None:
        """Why there is no further attempt; None if there is one."""
        if not trouble.again or attempt >= self._max_attempts:
            return trouble.reason
        if trouble.wait is not None and trouble.wait > self._backoff.patience:
            return "retry-after"
        return None

    async def _attempt(
        self, body: bytes, asked: float, limit: TokenLimit, course: _Course
    ) -> Completion | Trouble:
        """One request of about so many tokens, when the limits let it."""
        ticket = await self.gate.enter()
        outcome: Completion | Trouble | None = None
        try:
            expected = await self._budgeted(asked)
            course.attempts += 1
            outcome = await self._exchange(body, limit, f"{course.call}-{course.attempts}")
            course.count(outcome.usage)
            self._settle(outcome.usage, expected)
            return outcome
        finally:
            self.gate.leave(ticket, overloaded=isinstance(outcome, Trouble) and outcome.overloaded)

    async def _exchange(self, body: bytes, limit: TokenLimit, name: str) -> Completion | Trouble:
        answer = await self._transport.post(body, name)
        if isinstance(answer, Broken):
            return Trouble(answer.reason, answer.detail)
        self._answered = True
        outcome = understand(answer, self.identity, self._address, limit)
        self._completed = self._completed or isinstance(outcome, Completion)
        self._proved = self._proved or _proves(outcome)
        return outcome

    def _check_place(self, trouble: Trouble, attempt: int) -> None:
        """Stops where nothing has ever answered as an endpoint does: the address is wrong, not the moment.

        Raises:
            Unreachable: after a few attempts to connect, or all attempts to get JSON.
        """
        where = self._address.shown
        if not self._answered and trouble.reason in ("unreachable", "bad-http"):
            if attempt >= min(FIRST_TRIES, self._max_attempts):
                why = trouble.detail or "what answers does not speak HTTP"
                raise Unreachable(f"cannot reach {where}: {why}; check --base-url, and that the server runs")
        elif not self._completed and trouble.reason == "content-type" and attempt >= self._max_attempts:
            kind, _, said = trouble.detail.partition(": ")
            quoted = f" (it says {said})" if said else ""
            raise Unreachable(
                f"{where} answers with {kind}, not JSON: check --base-url; it often ends with /v1{quoted}"
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

    def _settle(self, usage: Usage, expected: float) -> None:
        """Puts the true number of tokens in the estimate's place, where the server tells it."""
        if self._tokens and usage.prompt_tokens and usage.completion_tokens is not None:
            self._tokens.correct(usage.prompt_tokens + usage.completion_tokens - expected)
            self._usual_reply += (usage.completion_tokens - self._usual_reply) / 10

    def _reply(self, completion: Completion, course: _Course) -> Reply:
        return Reply(
            text=completion.text,
            model=completion.model,
            finish=completion.finish,
            usage=course.usage,
            cost=self._prices.cost(self.identity, course.usage),
            seconds=course.seconds,
            attempts=course.attempts,
            refused=completion.refused,
            cached=False,
        )


def _proves(outcome: Completion | Trouble) -> bool:
    """Whether a reply shows that the server takes our parameters: it came from the model."""
    if isinstance(outcome, Completion):
        return not outcome.refused
    return outcome.reason in ("empty", "out-of-tokens")


def _tokens(body: bytes, messages: Sequence[Message]) -> float:
    """About how many tokens a request has."""
    pictures = [image for message in messages for image in message.images]
    text = len(body) - sum(map(len, pictures))
    return text / BYTES_PER_TOKEN + TOKENS_PER_PICTURE * len(pictures)


def _fixed(
    model: str, temperature: float | None, seed: int | None, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """The members that every request has."""
    chosen = {"model": model, "temperature": temperature, "seed": seed}
    taken = {"model", "messages", "temperature", "seed", "max_tokens", "max_completion_tokens", "stream", "n"}
    if clash := sorted(set(extra) & taken):
        raise UsageError(
            f"extra must not hold {clash[0]!r}: it has a parameter of its own, or cannot be changed"
        )
    fixed = {name: value for name, value in chosen.items() if value is not None} | dict(extra)
    try:
        canonical(fixed)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the parameters of the model cannot be written as JSON: {error}") from None
    return fixed


def _check(
    model: str,
    timeout: float,
    between_bytes: float,
    max_attempts: int,
    concurrency: int,
    requests_per_minute: float | None,
    tokens_per_minute: float | None,
    max_tokens: int | None,
) -> None:
    if not model.strip():
        raise UsageError("the model has no name: give its id, such as gpt-4o-mini")
    if max_attempts < 1 or concurrency < 1:
        raise UsageError("attempts and concurrency must be at least 1")
    if max_tokens is not None and max_tokens < 1:
        raise UsageError(f"max_tokens must be at least 1, not {max_tokens}")
    seconds = {"timeout": timeout, "between_bytes": between_bytes}
    budgets = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
    for name, value in (seconds | budgets).items():
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name} must be above 0, not {value:g}")
