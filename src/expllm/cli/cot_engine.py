"""The engine that the options of `expllm cot make` ask for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from expllm.chat import OpenAIChat, Prices
from expllm.core.errors import UsageError
from expllm.core.vocabulary import Expression
from expllm.cot.case import Rules
from expllm.cot.engine import Engine
from expllm.cot.prompt_set import Prompts
from expllm.cot.sample_session import Gate
from expllm.cot.writers import LLMWriter, OfflineWriter, Writer
from expllm.data import Dataset, Sample
from expllm.predict.img2au import FaceReader


@dataclass(frozen=True)
class Order:
    """What the user asked for; names are those of the options."""

    dataset: str
    output: Path
    model: str
    base_url: str | None
    key_env: str
    concurrency: int
    limit: int | None
    budget: float | None
    prices: Path | None
    hint_after: int
    max_rounds: int
    verify: Any
    prompts: Path | None
    temperature: float | None
    seed: int | None
    retry_failed: bool
    quiet: bool
    max_tokens: int | None = None
    timeout: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    cache: Path | None = None
    ray: str | None = None
    shards: int | None = None
    au_source: str = "blendshapes"

    @property
    def rules(self) -> Rules:
        return Rules(self.verify, self.hint_after, self.max_rounds)

    def part(self, shards: int) -> "Order":
        """The order of one of `shards` workers: its share of the calls under way and of the budgets."""

        def share(whole: float | None) -> float | None:
            return None if whole is None else whole / shards

        return replace(
            self, concurrency=max(1, self.concurrency // shards), budget=share(self.budget), quiet=True,
            requests_per_minute=share(self.requests_per_minute),
            tokens_per_minute=share(self.tokens_per_minute), cache=None,
        )  # fmt: skip


def make_engine(order: Order, prompts: Prompts, labels: tuple[Expression, ...]) -> Engine:
    """The engine that an order asks for.

    Raises:
        ExpllmError: the endpoint's settings make no sense, or its key is missing.
    """
    reader = FaceReader(order.au_source)
    return Engine(
        writer=_writer(order, prompts), labels=labels, rules=order.rules, img2au=reader,
        release=reader.close, gate=Gate(order.concurrency, order.budget),
        prompt_hash=None if order.model == "offline" else prompts.hash,
    )  # fmt: skip


def limited(dataset: Dataset, limit: int | None) -> Iterator[Sample]:
    """The first samples of a data set."""
    return islice(iter(dataset), limit)


def _writer(order: Order, prompts: Prompts) -> Writer:
    if order.model == "offline":
        return OfflineWriter()
    prices = Prices.load(order.prices)
    if order.budget is not None and order.model not in prices.models:
        raise UsageError(
            f"--budget needs a price, and none is known for {order.model!r}: give a file with --prices"
        )
    chat = OpenAIChat(
        order.model, base_url=order.base_url, api_key_env=order.key_env, temperature=order.temperature,
        seed=order.seed, max_tokens=order.max_tokens, concurrency=order.concurrency, prices=prices,
        timeout=order.timeout, requests_per_minute=order.requests_per_minute,
        tokens_per_minute=order.tokens_per_minute, cache=order.cache,
    )  # fmt: skip
    return LLMWriter(chat, prompts)
