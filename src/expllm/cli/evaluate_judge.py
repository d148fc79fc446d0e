"""Asks a judge: opens it, shows progress, ends at Ctrl-C or when the budget is spent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.chat import OpenAIChat, Prices
from expllm.cot.journal import Outcome
from expllm.cot.memory import Gate
from expllm.errors import UsageError
from expllm.evals import scripted_judge
from expllm.evals.judge import JudgeFile
from expllm.evals.judging import ChatJudge, Judge, JudgeRun, Pair, Passport, Reading, RuleJudge, readings_of
from expllm.progress import Progress
from expllm.signals import stopped_by_signals

CHAT: Final = "chat:"


@dataclass(frozen=True)
class JudgeOrder:
    """Who is to judge; names are those of the options."""

    judge: str
    base_url: str | None = None
    key_env: str = "OPENAI_API_KEY"
    judge_file: Path | None = None
    repeats: int = 1
    temperature: float | None = 0.0
    max_tokens: int | None = None
    concurrency: int = 8
    budget: float | None = None
    prices: Path | None = None
    timeout: float = 60.0
    cache: Path | None = None
    retry_failed: bool = False
    quiet: bool = False

    def checked(self, others: Sequence[str] = ("none", scripted_judge.NAME)) -> JudgeFile:
        """The judge's file, after all that can be checked before anything is asked.

        Args:
            others: Judges that are no chat model.

        Raises:
            UsageError: an option makes no sense.
        """
        chat = self.judge.startswith(CHAT) and self.judge != CHAT
        if not chat and self.judge not in others:
            raise UsageError(f"--judge is {self.judge!r}: use {', '.join(others)} or chat:NAME")
        given = {"--base-url": self.base_url, "--judge-file": self.judge_file, "--budget": self.budget,
                 "--cache": self.cache}  # fmt: skip
        if not chat and (wrong := next((name for name, value in given.items() if value is not None), None)):
            raise UsageError(f"{wrong} is for a language model as judge: --judge chat:NAME")
        if chat and self.repeats > 1 and self.temperature == 0:
            raise UsageError(
                f"--repeats {self.repeats} at --temperature 0 asks the same thing again: give a higher one"
            )
        if self.budget is not None and not self.budget > 0:
            raise UsageError(f"--budget is {self.budget:g}: give an amount in USD above 0")
        return JudgeFile.load(self.judge_file)

    def opened(self, file: JudgeFile) -> Judge | None:
        """The judge; None where nobody compares texts.

        Raises:
            UsageError: a budget without a price.
            KeyRejected, BadPrices, OutputError: as `OpenAIChat`.
        """
        if self.judge == scripted_judge.NAME:
            return RuleJudge(scripted_judge.NAME, scripted_judge.reply)
        if not self.judge.startswith(CHAT):
            return None
        name, prices = self.judge.removeprefix(CHAT), Prices.load(self.prices)
        if self.budget is not None and name not in prices.models:
            raise UsageError(f"--budget needs a price, and none is known for {name!r}: give --prices FILE")
        chat = OpenAIChat(
            name, base_url=self.base_url, api_key_env=self.key_env, temperature=self.temperature,
            seed=self._seed(0), max_tokens_option="--judge-max-tokens", concurrency=self.concurrency,
            prices=prices, timeout=self.timeout, cache=self.cache,
        )  # fmt: skip
        again = [chat.reseeded(repeat) for repeat in range(1, self.repeats)]
        return ChatJudge([chat, *again], file, self.max_tokens)

    def passport(self, file: JudgeFile) -> Passport:
        """What is kept of the judge."""
        chat = self.judge.startswith(CHAT)
        return Passport(
            judge=self.judge,
            base_url=self.base_url,
            file=file.text,
            prompt_hash=file.hash,
            repeats=self.repeats,
            temperature=self.temperature if chat else None,
            seed=self._seed(0) if chat else None,
            max_tokens=self.max_tokens if chat else None,
        )

    def _seed(self, repeat: int) -> int | None:
        """Each time another one, or else a cache would give the first reply again."""
        return None if self.repeats == 1 else repeat


def ask_judge(order: JudgeOrder, judge: Judge, file: JudgeFile, run: Path, pairs: Sequence[Pair]) -> None:
    """Asks about every pair that has no reply yet; replies are kept below the run's folder.

    Raises:
        ChatError: nothing can be asked at all.
        RunError: another process asks this judge.
        OutputError: the folder cannot be written.
    """
    passport = order.passport(file)
    folder = JudgeRun.within(run, passport)
    gate = Gate(order.concurrency, order.budget)
    with folder.folder.locked():
        folder.begin(passport)
        readings = [reading for pair in pairs for reading in readings_of(pair, passport.repeats)]
        open_ = folder.open(readings, failed=order.retry_failed)
        with Progress(open_, shown=not order.quiet, doing="judging", things="readings") as progress:
            asyncio.run(_ask(order, folder, judge, readings, gate, progress))
            if gate.broke:
                progress.say(
                    f"expllm: the budget of {order.budget:g} USD is spent ({gate.spent:.4f}): the same "
                    "command with a higher --budget goes on"
                )
    if gate.stopping:
        raise KeyboardInterrupt


async def _ask(
    order: JudgeOrder, folder: JudgeRun, judge: Judge, readings: Sequence[Reading], gate: Gate,
    progress: Progress,
) -> None:  # fmt: skip
    failed = 0

    def count(outcome: Outcome) -> None:
        nonlocal failed
        failed += outcome.status == "failed"
        progress.step(failed)

    try:
        with stopped_by_signals(gate.stop):
            await folder.ask(judge, readings, gate, count, retry_failed=order.retry_failed)
    finally:
        await judge.close()
