"""A judge is opened and asked, as the options of `expllm eval cot` and `eval ladder` say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from expllm.cli.asking import ChatSettings, ask_all
from expllm.cli.audit_model import AuditOrder, ask_audit_model
from expllm.core.errors import UsageError
from expllm.evals.judge import scripted_judge
from expllm.evals.judge.judge_run import (
    ChatJudge,
    Judge,
    JudgeRun,
    JudgeSettings,
    RuleJudge,
    TextPair,
    readings_of,
)
from expllm.evals.judge.rubric import JudgeFile
from expllm.evals.model_audit import ClaimReader
from expllm.model.shipped import CHAT

if TYPE_CHECKING:
    from expllm.evals.saved_answers import Answer


@dataclass(frozen=True, kw_only=True)
class JudgeOrder(ChatSettings):
    """Who is to judge; names are those of the options."""

    judge: str
    judge_file: Path | None = None
    repeats: int = 1

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
            raise UsageError(f"{wrong} needs --judge chat:NAME")
        if chat and self.repeats > 1 and self.temperature == 0:
            raise UsageError(
                f"--repeats {self.repeats} at --temperature 0 repeats the same reply: use a higher one"
            )
        self.check_budget()
        return JudgeFile.load(self.judge_file)

    def opened(self, file: JudgeFile) -> Judge | None:
        """The judge; None where nobody compares texts.

        Raises:
            UsageError, KeyRejected, BadPrices, OutputError: as `ChatSettings.chat`.
        """
        if self.judge == scripted_judge.NAME:
            return RuleJudge(scripted_judge.NAME, scripted_judge.reply)
        if not self.judge.startswith(CHAT):
            return None
        chat = self.chat(self.judge.removeprefix(CHAT), "--judge-max-new-tokens", self._seed(0))
        again = [chat.reseeded(repeat) for repeat in range(1, self.repeats)]
        return ChatJudge([chat, *again], file, self.max_tokens)

    def passport(self, file: JudgeFile) -> JudgeSettings:
        """What is kept of the judge."""
        chat = self.judge.startswith(CHAT)
        return JudgeSettings(
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


def ask_judge(order: JudgeOrder, judge: Judge, file: JudgeFile, run: Path, pairs: Sequence[TextPair]) -> None:
    """Asks about every pair that has no reply yet; replies are kept below the run's folder.

    Raises:
        ChatError, RunError, OutputError: as `ask_all`.
    """
    passport = order.passport(file)
    readings = [reading for pair in pairs for reading in readings_of(pair, passport.repeats)]
    ask_all(order, JudgeRun.within(run, passport), passport, judge, readings, "judging", "readings")


@dataclass(frozen=True)
class Beside:
    """The judge and the audit model of a run with explanations, as far as any is to be asked."""

    judging: JudgeOrder
    file: JudgeFile
    judge: Judge | None
    reading: AuditOrder
    reader: ClaimReader | None

    def ask(self, run: Path, answers: "Sequence[Answer]") -> None:
        """Asks both about what has no reply yet.

        Raises:
            ChatError, RunError, OutputError: as `ask_all`.
        """
        from expllm.evals.explanation_scores import audited_texts, pairs_of

        if self.judge is not None:
            ask_judge(self.judging, self.judge, self.file, run, pairs_of(answers))
        if self.reader is not None:
            ask_audit_model(self.reading, self.reader, run, audited_texts(answers))


def opened_beside(
    reading: AuditOrder, judge: str, judge_file: Path | None, repeats: int,
    max_tokens: tuple[int | None, int | None], evaluated: bool,
) -> Beside:  # fmt: skip
    """Opens the judge and the audit model at one endpoint, before anything is asked.

    Address, cache and budget are the judge's only where it is a chat model, or where no other one is asked:
    else they are those of the audit model or of the model that is evaluated.

    Args:
        reading: The audit model, with the options of the endpoint.
        judge: Who compares texts.
        max_tokens: Of a judge's reply, by default what its file says; and of an explanation: a judge gets no
            fewer.
        evaluated: The model that explains is a chat model.

    Raises:
        UsageError, KeyRejected, BadPrices, OutputError: as `JudgeOrder.checked` and `ChatSettings.chat`.
    """
    reads, (judged, explained) = reading.checked(), max_tokens
    ours = judge.startswith(CHAT) or not (evaluated or reads)
    judging = JudgeOrder(
        judge=judge, judge_file=judge_file, repeats=repeats, max_tokens=judged,
        key_env=reading.key_env, base_url=reading.base_url if ours else None,
        cache=reading.cache if ours else None, budget=reading.budget if ours or not reads else None,
        temperature=reading.temperature, concurrency=reading.concurrency, prices=reading.prices,
        timeout=reading.timeout, retry_failed=reading.retry_failed, quiet=reading.quiet,
    )  # fmt: skip
    file = judging.checked()
    if judged is None and (explained or 0) > file.max_tokens:
        judging = replace(judging, max_tokens=explained)
    return Beside(judging, file, judging.opened(file), reading, reading.opened() if reads else None)
