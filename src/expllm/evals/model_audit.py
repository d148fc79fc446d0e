"""Texts whose claims a language model reads, beside the rules: both readings checked alike, and compared.

The audit's own rules read what they know. A model reads any wording, and may be wrong in its own ways: so
neither replaces the other, and where they disagree a person can look.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from expllm import __version__
from expllm.chat import ChatModel, Message, Reply
from expllm.cot.sample_session import key_of
from expllm.evals import journaled_questions
from expllm.evals.claim_comparison import AuditComparison, AuditedText, Disagreement
from expllm.evals.claim_reading import READING_MAX_TOKENS, question, read_reply
from expllm.evals.journaled_questions import FORMAT, QuestionRun

NO_CLAIMS: Final = "no JSON of the asked form in the reply"


class AuditModelSettings(journaled_questions.RecordedSettings):
    """Which model reads claims, and what it is asked.

    Attributes:
        model: `chat:NAME`.
        base_url: Of the server.
        prompt_hash: SHA-256 of the question.
        temperature: Of the model's sampling.
        max_tokens: Of a reply, where it was given.
    """

    audit_format: int = FORMAT
    expllm: str = __version__
    model: str
    base_url: str | None = None
    prompt_hash: str
    temperature: float | None = None
    max_tokens: int | None = None


class ClaimReader:
    """Asks a chat model for the claims of texts.

    Args:
        chat: The model.
        max_tokens: Of a reply; None takes `READING_MAX_TOKENS`.
    """

    def __init__(self, chat: ChatModel, max_tokens: int | None = None) -> None:
        self._chat, self._max_tokens = chat, max_tokens or READING_MAX_TOKENS

    async def ask(self, question: AuditedText) -> Reply:
        return await self._chat.ask([Message("user", _asked(question))], max_tokens=self._max_tokens)

    def key(self, question: AuditedText) -> tuple[str, ...]:
        return self._chat.identity, _asked(question)

    async def close(self) -> None:
        await self._chat.close()


def _asked(text: AuditedText) -> str:
    return question(text.text)


class AuditRun(QuestionRun[AuditedText, AuditModelSettings]):
    """The folder of a model that reads claims."""

    kind = AuditModelSettings
    version = "audit_format"
    step = "Audit"

    @classmethod
    def within(cls, run: Path, passport: AuditModelSettings) -> "AuditRun":
        """The folder of this model in a run's: another one for all that gives other claims."""
        parts = (passport.model, passport.prompt_hash, str(passport.temperature))
        name = re.sub(r"[^\w.@-]+", "-", passport.model)
        return cls(run / f"audit-{name}-{key_of(parts)[:8]}")

    @classmethod
    def all_in(cls, run: Path) -> list["AuditRun"]:
        """Every model that was asked about the texts of a run."""
        return cls.all_under(run, "audit-*")


@dataclass(frozen=True)
class ModelAudit:
    """What a model read out of texts, beside the rules.

    Attributes:
        passport: Who was asked what.
        models: What the server called the models that replied.
        texts: How many there are.
        unscored: Why a text has no reading by the model -> how many. They count in none of the figures below.
        said: The same reason -> what the server said of one of them, where it said anything.
        open: Texts that were not asked about yet.
        misquoted: Claims of the model whose words do not stand in the text: dropped.
        malformed: Claims of the model that do not fit the schema: dropped.
        sentences: Sentences about the face, as either of them sees it.
        unread: `rules`, `model`, `both` -> how many of them hold no claim that it, or either, read.
        verdicts: `rules`, `model` -> its claims by verdict.
        same: Claims that both read and that get the same verdict.
        disagreements: All that they read differently.
        tokens: Asked and answered, as the server counted; None where it did not.
        cost: USD; None where a price is not known.
    """

    passport: AuditModelSettings
    models: tuple[str, ...]
    texts: int
    unscored: dict[str, int]
    said: dict[str, str]
    open: int
    misquoted: int
    malformed: int
    sentences: int
    unread: dict[str, int]
    verdicts: dict[str, dict[str, int]]
    same: int
    disagreements: tuple[Disagreement, ...]
    tokens: tuple[int | None, int | None]
    cost: float | None

    @property
    def complete(self) -> bool:
        """Whether every text was asked about and has a reading."""
        return not self.open and not self.unscored

    def counts(self) -> dict[str, int]:
        """Disagreements by kind."""
        return dict(sorted(Counter(one.kind for one in self.disagreements).items()))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "passport": self.passport.to_dict(), "counts": self.counts()}


def model_audit(run: AuditRun, texts: Sequence[AuditedText]) -> ModelAudit:
    """Reads what a model replied about `texts`, and compares. The model is not needed.

    Raises:
        RunError: the folder is of another version, or damaged.
    """
    replies = run.replies()
    unscored = Counter(why for text in texts if (why := replies.unanswered.get(text.id)))
    found = AuditComparison()
    for text in texts:
        if (reply := replies.texts.get(text.id)) is None:
            continue
        if (reading := read_reply(reply, text.text)) is None:
            unscored[NO_CLAIMS] += 1
        else:
            found.add(text, reading)
    return ModelAudit(
        passport=run.passport(), models=replies.models, texts=len(texts),
        unscored=dict(sorted(unscored.items())),
        said={why: said for why, said in replies.said.items() if why in unscored},
        open=sum(text.id not in replies.ended for text in texts), misquoted=found.misquoted,
        malformed=found.malformed, sentences=found.sentences,
        unread={who: found.unread[who] for who in ("rules", "model", "both")},
        verdicts={who: dict(sorted(counts.items())) for who, counts in found.verdicts.items()},
        same=found.same, disagreements=tuple(found.disagreements), tokens=replies.tokens, cost=replies.cost,
    )  # fmt: skip


def all_model_audits(run: Path, texts: Sequence[AuditedText]) -> list[ModelAudit]:
    """Every model that was asked in a run's folder.

    Raises:
        RunError: as `model_audit`.
    """
    return [model_audit(one, texts) for one in AuditRun.all_in(run)]
