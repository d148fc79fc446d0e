"""Any endpoint that speaks OpenAI's chat protocol: see `dialects` for the servers that are known."""

import copy
import itertools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from expllm.chat.address import Address
from expllm.chat.attempts import CallProgress, Request, RetryingClient
from expllm.chat.batches import DISCOUNT, BatchClient, BatchPlan
from expllm.chat.chat_errors import Unreachable
from expllm.chat.failures import refused_for_good
from expllm.chat.limits import AdaptiveLimiter, TokenBucket
from expllm.chat.listing import listed_models
from expllm.chat.outcomes import Completion, FailedAttempt, TokenLimit
from expllm.chat.prices import Prices
from expllm.chat.protocol import Message, Reply, as_payload, body_key, canonical_json
from expllm.chat.retries import Backoff
from expllm.chat.transport import Transport, TransportError
from expllm.core.errors import UsageError

if TYPE_CHECKING:
    from expllm.chat.cache import ReplyCache

BYTES_PER_TOKEN: Final = 4.0
"""Guess for a budget of tokens until the server has counted them; English is near it."""

TOKENS_PER_PICTURE: Final = 500.0
"""Guess for a picture of at most 512 pixels, whatever its bytes: models of 2025 take 85 to 800."""

PROBE: Final = (Message("user", "Answer with the word yes."),)
"""Asked where a server refuses a first request in unknown words: does it refuse all, or this one only?"""


class OpenAIChat:
    """A chat model at an OpenAI-compatible endpoint.

    Args:
        model: Its id, as the server knows it.
        base_url: Up to and without `/chat/completions`; None takes `OPENAI_BASE_URL`, else OpenAI's own.
        api_key_env: The environment variable that holds the key. The key itself is never a parameter.
        temperature: None leaves it to the server, and is all that some models accept.
        seed: Sent to servers that make their sampling repeatable.
        max_tokens: The most tokens of a reply, reasoning included, where `ask` gives no other limit; None
            leaves it to the server.
        max_tokens_option, address_option, model_option: What messages tell the user to change these with.
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
        batches: Ask through the Batch API, at half the price; the limits on requests under way and a minute
            do not matter then. None asks directly.

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
        base_url: str | None = None, api_key_env: str = "OPENAI_API_KEY",
        temperature: float | None = None, seed: int | None = None, max_tokens: int | None = None,
        max_tokens_option: str = "--max-new-tokens", address_option: str = "--base-url",
        model_option: str = "--model",
        timeout: float = 60.0, between_bytes: float = 30.0, max_attempts: int = 6, concurrency: int = 64,
        requests_per_minute: float | None = None, tokens_per_minute: float | None = None,
        cache: Path | None = None, prices: Prices | None = None, extra: Mapping[str, Any] | None = None,
        backoff: Backoff | None = None, most_bytes: int = 2**20, batches: BatchPlan | None = None,
    ) -> None:  # fmt: skip
        _check(
            model, timeout, between_bytes, max_attempts, concurrency, requests_per_minute, tokens_per_minute,
            max_tokens,
        )  # fmt: skip
        self.identity = model
        address = Address.of(base_url, api_key_env)
        self._address = replace(address, option=address_option, model_option=model_option)
        self._fixed = _fixed(model, temperature, seed, extra or {})
        self._max_tokens, self._max_tokens_option = max_tokens, max_tokens_option
        known = Prices.load() if prices is None else prices
        self._prices = known if batches is None else known.times(DISCOUNT)
        self._cache_path = cache
        self._cache: ReplyCache | None = None
        self._transport = Transport(
            self._address, timeout=timeout, between_bytes=between_bytes, most_bytes=most_bytes
        )
        self.gate = AdaptiveLimiter(concurrency)
        waits = backoff or Backoff()
        self.batches = (
            None
            if batches is None
            else BatchClient.of(model, self._address, batches, waits, max_attempts, self._prices)
        )
        self._attempts = self.batches or self._direct(
            waits, max_attempts, requests_per_minute, tokens_per_minute
        )
        self._run = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        if cache is not None:
            self._opened_cache()

    def _direct(
        self, waits: Backoff, attempts: int, requests: float | None, tokens: float | None
    ) -> RetryingClient:
        """The client that asks each question by itself, within limits a minute."""
        return RetryingClient(
            self.identity, self._address, self._transport, waits, most=attempts, gate=self.gate,
            requests=TokenBucket(requests) if requests else None,
            tokens=TokenBucket(tokens) if tokens else None, prices=self._prices,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"OpenAIChat({self.identity!r}, base_url={self._address.shown!r})"

    @property
    def shown(self) -> str:
        """The address without credentials and query, for messages."""
        return self._address.shown

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def payload(self, messages: Sequence[Message], *, max_tokens: int | None = None) -> dict[str, Any]:
        """The members of the request that `ask` sends; `request_key` of it is the key of the cache."""
        value = self._max_tokens if max_tokens is None else max_tokens
        limit = {} if value is None else {self._attempts.limit_name: value}
        return self._fixed | limit | {"messages": as_payload(messages)}

    def reseeded(self, seed: int) -> Self:
        """The same model with another seed: it shares connections, limits and what is known of the server."""
        other = copy.copy(self)
        other._fixed = self._fixed | {"seed": seed}
        return other

    def with_extra(self, extra: Mapping[str, Any]) -> Self:
        """The same model with further members in its requests: it shares connections and limits."""
        other = copy.copy(self)
        other._fixed = self._fixed | dict(extra)
        return other

    async def listed(self) -> tuple[tuple[str, str], ...]:
        """The models that the server lists: the id of each, and where it says that it comes from, or nothing.

        Nothing is listed where the server has no list.

        Raises:
            Unreachable: nothing answers at the address.
        """
        answer = await self._transport.models()
        if isinstance(answer, TransportError):
            why = answer.detail or answer.reason
            remedy = f"check {self._address.option}, and that the server runs"
            raise Unreachable(f"cannot reach {self._address.shown}: {why}; {remedy}")
        return listed_models(answer)

    async def ask(self, messages: Sequence[Message], *, max_tokens: int | None = None) -> Reply:
        """As `ChatModel.ask`; the cache is asked first, and what fails in passing is tried again."""
        course = CallProgress(f"{self._run}-{next(self._numbers)}")
        refused: set[str] = set()
        while True:
            request = self._request(messages, max_tokens)
            if known := self._cached(request.body):
                return known
            outcome = await self._attempts.settle(request, lambda: self._request(PROBE, max_tokens), course)
            if isinstance(outcome, Completion):
                reply = self._reply(outcome, course)
                if self._cache_path is not None and not reply.refused:
                    self._opened_cache().put(body_key(request.body), reply)
                return reply
            self._rename(outcome, request.limit, refused)

    def _request(self, messages: Sequence[Message], max_tokens: int | None) -> Request:
        value = self._max_tokens if max_tokens is None else max_tokens
        limit = TokenLimit(self._attempts.limit_name, value, self._max_tokens_option)
        body = canonical_json(self.payload(messages, max_tokens=value))
        return Request(body, _tokens(body, messages), limit)

    def _cached(self, body: bytes) -> Reply | None:
        return None if self._cache_path is None else self._opened_cache().get(body_key(body))

    def _rename(self, trouble: FailedAttempt, limit: TokenLimit, refused: set[str]) -> None:
        """Takes the other name for the token limit, unless the server refused that, too.

        Raises:
            BadRequest: it did.
        """
        assert trouble.limit_name is not None
        refused.add(limit.name)
        if trouble.limit_name in refused:
            raise refused_for_good(trouble, self._address, f"leave out {limit.option}")
        self._attempts.limit_name = trouble.limit_name

    async def close(self) -> None:
        """Ends the connections and closes the cache."""
        await self._transport.close()
        if self.batches is not None:
            await self.batches.close()
        if self._cache is not None:
            self._cache.close()
            self._cache = None

    def _opened_cache(self) -> "ReplyCache":
        from expllm.chat.cache import ReplyCache

        if self._cache is None:
            assert self._cache_path is not None
            self._cache = ReplyCache(self._cache_path)
        return self._cache

    def _reply(self, completion: Completion, course: CallProgress) -> Reply:
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
            tokens=completion.tokens,
            prompt=completion.prompt,
        )


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
        canonical_json(fixed)
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


def priced_chat(model: str, prices: Path | None, budget: float | None, **options: Any) -> OpenAIChat:
    """A model whose calls are counted in USD.

    Args:
        prices: A file of prices; None as for `Prices.load`.
        budget: USD that may be spent: the model must have a price then. Whoever asks keeps to it.
        **options: As for `OpenAIChat`.

    Raises:
        UsageError: a budget for a model without a price.
        BadPrices, KeyRejected, OutputError: as `Prices.load` and `OpenAIChat`.
    """
    known = Prices.load(prices)
    if budget is not None and model not in known.models:
        raise UsageError(
            f"--budget needs a price, and none is known for {model!r}: give a file with --prices"
        )
    return OpenAIChat(model, prices=known, **options)
