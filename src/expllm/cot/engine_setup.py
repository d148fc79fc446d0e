"""What a run of the engine is made with, and the engine made from it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, Protocol, get_args

from expllm.chat import OpenAIChat, priced_chat
from expllm.chat.batches import BatchPlan, BatchTimes
from expllm.core.errors import UsageError
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.case import Rules
from expllm.cot.engine import Engine, dataset_aus
from expllm.cot.prompt_set import Prompts
from expllm.cot.sample_session import RunBudget
from expllm.cot.writers import LLMWriter, RuleWriter
from expllm.data import Dataset, Sample
from expllm.data.roots import open_named
from expllm.model.shipped import CHAT, OFFLINE, canonical_name

BATCHES: Final = "batches.sqlite"
"""What lies at a server's Batch API, in the folder of a run."""
Verify = Literal["llm", "rules", "both"]
"""Who verifies a description: the model, the audit, or both."""


class MeasuresFaces(Protocol):
    """Reads the action units of a sample's picture (`expllm.FaceReader`)."""

    def __call__(self, sample: Sample) -> tuple[AUVector, str]:
        """The action units and the name of their reader; ExpllmError where no face can be measured."""
        ...

    def close(self) -> None:
        """Frees native models."""
        ...


FaceReaders = Callable[[str, str | None], MeasuresFaces]
"""Opens a reader of faces, from `au_source` and `licence`; a class that can be pickled, where Ray is used."""


@dataclass(frozen=True)
class CotMakeOptions:
    """What a run is made with; defaults are those of `expllm cot make`.

    Attributes:
        dataset: A folder or file, with `:SPLIT` behind it if wanted, or `NAME:SPLIT`.
        output: The folder of the run; an interrupted one is resumed.
        model: `rules`, or `chat:NAME` (a model at `base_url`; NAME alone means the same).
        base_url: An OpenAI-compatible endpoint; None takes `OPENAI_BASE_URL`, else OpenAI's own.
        key_env: The environment variable that holds the key.
        concurrency: Calls in flight.
        limit: At most so many samples, drawn by their ids (`data.drawn`); None for all.
        budget: USD that may be spent.
        prices: File of prices; None takes `EXPLLM_PRICES`, else the shipped one.
        hint_after: Rounds before the true label is revealed.
        max_rounds: Rounds before a sample stays unresolved.
        verify: Who verifies.
        prompts: Folder of Markdown files that replace the shipped prompts.
        temperature: None leaves it to the server.
        seed: Passed to the endpoint.
        retry_failed: Try samples again whose last call failed.
        retry_hinted: Once all samples have ended, a second pass (`cot.second_pass`).
        best_of: Drafts of a sample in the second pass.
        quiet: No progress bar.
        max_tokens: Of a reply, reasoning included; None leaves it to the server.
        timeout: Seconds for one reply.
        requests_per_minute, tokens_per_minute: At most; None for no limit.
        cache: SQLite file of replies.
        batch_api: Ask through the server's Batch API: half the price, answers within a day.
        batch_times: When batches are sent and looked at.
        ray: Address of a Ray cluster, `auto` or `local`; None works in this process.
        shards: Workers of the cluster; a run keeps their number.
        au_source: What action units are read from: `blendshapes`, `pixels`, or `both`.
        data_root: Where data sets lie; None takes `EXPLLM_DATA`, else the settings file.
        kind: How to read the data set; None goes by what it looks like.
        licence: `any` or `permissive`: which weights may measure faces; None: as `EXPLLM_LICENCE` has it.

    Raises:
        UsageError: a value makes no sense.
    """

    dataset: str
    output: Path
    model: str = OFFLINE
    base_url: str | None = None
    key_env: str = "OPENAI_API_KEY"
    concurrency: int = 64
    limit: int | None = None
    budget: float | None = None
    prices: Path | None = None
    hint_after: int = 2
    max_rounds: int = 5
    verify: Verify = "both"
    prompts: Path | None = None
    temperature: float | None = 0.7
    seed: int | None = None
    retry_failed: bool = False
    retry_hinted: bool = False
    best_of: int = 4
    quiet: bool = False
    max_tokens: int | None = None
    timeout: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    cache: Path | None = None
    batch_api: bool = False
    batch_times: BatchTimes = field(default_factory=BatchTimes)
    ray: str | None = None
    shards: int | None = None
    au_source: str = "blendshapes"
    data_root: str | None = None
    kind: str | None = None
    licence: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", engine_model(self.model))
        if self.verify not in get_args(Verify):
            raise UsageError(f"--verify is {self.verify!r}: use llm, rules or both")
        if self.budget is not None and not self.budget > 0:
            raise UsageError(f"--budget is {self.budget:g}: give an amount in USD above 0")
        if self.batch_api and (self.model == OFFLINE or self.ray):
            other = "--ray" if self.ray else "--model rules, which asks nobody"
            raise UsageError(f"--batch-api does not go with {other}")
        if self.shards and not self.ray:
            raise UsageError("--shards needs --ray")
        if self.best_of < 1:
            raise UsageError(f"--best-of is {self.best_of}: give a number of drafts, at least 1")
        if self.retry_hinted and self.best_of > 1 and self.temperature == 0 and self.model != OFFLINE:
            raise UsageError(f"--best-of {self.best_of} at --temperature 0 writes one draft many times")

    @property
    def rules(self) -> Rules:
        return Rules(self.verify, self.hint_after, self.max_rounds)

    def opened(self) -> Dataset:
        """The data set.

        Raises:
            MissingData, RecordError, UsageError: as `open_named`.
        """
        return open_named(self.dataset, self.data_root, self.kind)

    def part(self, shards: int) -> "CotMakeOptions":
        """The options of one of `shards` workers: its share of the calls in flight and of the budgets."""

        def share(whole: float | None) -> float | None:
            return None if whole is None else whole / shards

        return replace(
            self, concurrency=max(1, self.concurrency // shards), budget=share(self.budget), quiet=True,
            requests_per_minute=share(self.requests_per_minute),
            tokens_per_minute=share(self.tokens_per_minute), cache=None,
        )  # fmt: skip


def engine_model(name: str) -> str:
    """What a run's settings call a model: `offline` for the rules, else its name at the endpoint.

    Raises:
        UsageError: `chat:` without a name.
    """
    bare = canonical_name(name).removeprefix(CHAT)
    if not bare:
        raise UsageError(f"{CHAT} needs the name of a model, such as {CHAT}gpt-4o")
    return bare


def make_engine(
    options: CotMakeOptions, prompts: Prompts, labels: tuple[Expression, ...],
    face_reader: FaceReaders | None = None,
) -> Engine:  # fmt: skip
    """The engine for these options.

    Args:
        face_reader: Opens whatever measures faces; None: samples must carry their action units.

    Raises:
        ExpllmError: the endpoint's settings make no sense, or its key is missing.
    """
    chat = None if options.model == OFFLINE else _chat(options)
    reader = None if face_reader is None else face_reader(options.au_source, options.licence)
    return Engine(
        writer=RuleWriter() if chat is None else _llm_writer(chat, prompts, options.seed or 0),
        labels=labels,
        rules=options.rules,
        img2au=reader or dataset_aus,
        release=(lambda: None) if reader is None else reader.close,
        gate=_gate(options, chat),
        prompt_hash=None if options.model == OFFLINE else prompts.hash,
    )


def _llm_writer(chat: OpenAIChat, prompts: Prompts, seed: int) -> LLMWriter:
    return LLMWriter(chat, prompts, lambda draft: chat.reseeded(seed + draft))


def _gate(options: CotMakeOptions, chat: OpenAIChat | None) -> RunBudget:
    """As many samples at one time as a batch has lines; when the run is to end, no batch is waited for."""
    if chat is None or (batches := chat.batches) is None:
        return RunBudget(options.concurrency, options.budget)
    return RunBudget(batches.lines, options.budget, batches.leave, lambda: batches.note)


def _chat(options: CotMakeOptions) -> OpenAIChat:
    batches = BatchPlan(options.output / BATCHES, times=options.batch_times) if options.batch_api else None
    return priced_chat(
        options.model, options.prices, options.budget, base_url=options.base_url,
        api_key_env=options.key_env, temperature=options.temperature, seed=options.seed,
        max_tokens=options.max_tokens, concurrency=options.concurrency, timeout=options.timeout,
        requests_per_minute=options.requests_per_minute, tokens_per_minute=options.tokens_per_minute,
        cache=options.cache, batches=batches,
    )  # fmt: skip
