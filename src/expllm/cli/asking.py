"""Asks a model about what is saved in a run: shows progress, ends at Ctrl-C or when the budget is spent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from expllm.chat import OpenAIChat, priced_chat
from expllm.cli.options import check_budget
from expllm.cot.calls import Named
from expllm.cot.journal import SampleOutcome
from expllm.cot.sample_session import RunBudget
from expllm.evals.journaled_questions import Asker, QuestionRun, RecordedSettings
from expllm.files.progress import Progress
from expllm.files.signals import stopped_by_signals

_Asked = TypeVar("_Asked", bound=Named)
_Who = TypeVar("_Who", bound=RecordedSettings)


@dataclass(frozen=True, kw_only=True)
class ChatSettings:
    """An endpoint and how it is asked; names are those of the options."""

    base_url: str | None = None
    key_env: str = "OPENAI_API_KEY"
    temperature: float | None = 0.0
    max_tokens: int | None = None
    concurrency: int = 8
    budget: float | None = None
    prices: Path | None = None
    timeout: float = 60.0
    cache: Path | None = None
    retry_failed: bool = False
    quiet: bool = False

    def check_budget(self) -> None:
        """Refuses a budget that buys nothing.

        Raises:
            UsageError: it is not above 0.
        """
        check_budget(self.budget)

    def chat(self, name: str, max_tokens_option: str, seed: int | None = None) -> OpenAIChat:
        """The model at the endpoint.

        Raises:
            UsageError: a budget without a price.
            KeyRejected, BadPrices, OutputError: as `OpenAIChat`.
        """
        return priced_chat(
            name, self.prices, self.budget, base_url=self.base_url, api_key_env=self.key_env,
            temperature=self.temperature, seed=seed, max_tokens_option=max_tokens_option,
            concurrency=self.concurrency, timeout=self.timeout, cache=self.cache,
        )  # fmt: skip


def ask_all(
    settings: ChatSettings, run: QuestionRun[_Asked, _Who], passport: _Who, asker: Asker[_Asked],
    questions: Sequence[_Asked], doing: str, things: str,
) -> None:  # fmt: skip
    """Asks every question that has no reply yet; replies are kept in the folder of `run`.

    Raises:
        ChatError: nothing can be asked at all.
        RunError: another process asks this model.
        OutputError: the folder cannot be written.
    """
    gate = RunBudget(settings.concurrency, settings.budget)
    with run.folder.locked():
        run.begin(passport)
        open_ = run.open(questions, failed=settings.retry_failed)
        with Progress(open_, shown=not settings.quiet, doing=doing, things=things) as progress:
            asyncio.run(_ask(settings, run, asker, questions, gate, progress))
            if gate.broke:
                progress.say(
                    f"expllm: the budget of {settings.budget:g} USD is spent ({gate.spent:.4f}): run the "
                    "same command with a higher --budget to continue"
                )
    if gate.stopping:
        raise KeyboardInterrupt


async def _ask(
    settings: ChatSettings, run: QuestionRun[_Asked, _Who], asker: Asker[_Asked], questions: Sequence[_Asked],
    gate: RunBudget, progress: Progress,
) -> None:  # fmt: skip
    failed = 0

    def count(outcome: SampleOutcome) -> None:
        nonlocal failed
        failed += outcome.status == "failed"
        progress.step(failed)

    try:
        with stopped_by_signals(gate.stop):
            await run.ask(asker, questions, gate, count, retry_failed=settings.retry_failed)
    finally:
        await asker.close()
