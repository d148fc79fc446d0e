"""A language model reads the claims of texts beside the rules, as `--audit-model` says: asked, and shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from expllm.cli.asking import ChatSettings, ask_all
from expllm.core.errors import ExitCode, UsageError
from expllm.evals.claim_comparison import AuditedText
from expllm.evals.claim_reading import question_hash
from expllm.evals.model_audit import AuditModelSettings, AuditRun, ClaimReader, ModelAudit
from expllm.model.shipped import CHAT

if TYPE_CHECKING:
    from rich.console import RenderableType

    from expllm.cli.ending import Ending

MOST_SHOWN: Final = 20
"""Disagreements that are printed; the JSON has all of them."""


@dataclass(frozen=True, kw_only=True)
class AuditOrder(ChatSettings):
    """Which model reads claims; names are those of the options."""

    audit_model: str

    def checked(self) -> bool:
        """Whether a model is to read at all.

        Raises:
            UsageError: an option makes no sense.
        """
        if self.audit_model == "none":
            return False
        if not self.audit_model.startswith(CHAT) or self.audit_model == CHAT:
            raise UsageError(f"--audit-model is {self.audit_model!r}: use none or chat:NAME")
        self.check_budget()
        return True

    def opened(self) -> ClaimReader:
        """The model.

        Raises:
            UsageError, KeyRejected, BadPrices, OutputError: as `ChatSettings.chat`.
        """
        chat = self.chat(self.audit_model.removeprefix(CHAT), "--audit-max-new-tokens")
        return ClaimReader(chat, self.max_tokens)

    def passport(self) -> AuditModelSettings:
        """What is kept of the model."""
        return AuditModelSettings(
            model=self.audit_model, base_url=self.base_url, prompt_hash=question_hash(),
            temperature=self.temperature, max_tokens=self.max_tokens,
        )  # fmt: skip


def ask_audit_model(
    order: AuditOrder, reader: ClaimReader, run: Path, texts: Sequence[AuditedText]
) -> AuditRun:
    """Asks about every text that has no reply yet; replies are kept below the run's folder.

    Raises:
        ChatError, RunError, OutputError: as `ask_all`.
    """
    passport = order.passport()
    folder = AuditRun.within(run, passport)
    ask_all(order, folder, passport, reader, texts, "reading", "texts")
    return folder


def of_audit_models(audits: Sequence[ModelAudit]) -> "Ending":
    """Texts that a model did not read."""
    from expllm.cli.ending import Ending, listed

    parts = []
    for one in audits:
        lost = {**one.unscored, **({"not asked yet": one.open} if one.open else {})}
        if lost:
            count = sum(lost.values())
            parts.append(
                f"{one.passport.model}: {count:,} of {one.texts:,} texts have no reading: "
                f"{listed(lost, one.said)}"
            )
    return Ending(ExitCode.SOME_INPUTS_FAILED, "; ".join(parts)) if parts else Ending()


def model_audit_view(found: ModelAudit) -> "list[RenderableType]":
    """What a model read beside the rules, where they disagree, and its passport."""
    from expllm.cli.cot_view import Foreign
    from expllm.cli.evaluate_view import table_of

    table = table_of((f"claims, read by {found.passport.model}", False), ("model", True), ("rules", True))
    verdicts = sorted(set(found.verdicts["rules"]) | set(found.verdicts["model"]))
    for verdict in verdicts:
        table.add_row(verdict, *(f"{found.verdicts[who].get(verdict, 0):,}" for who in ("model", "rules")))
    table.add_row(
        "sentences about the face not read", *(f"{found.unread[who]:,}" for who in ("model", "rules"))
    )
    lines = [Foreign(line, "") for line in _summary(found)]
    lines += [Foreign(line, "yellow") for line in _lost(found)]
    lines += [Foreign(line, "") for line in _disagreements(found)]
    return [Foreign("", ""), table, *lines, *(Foreign(line, "") for line in _passport(found))]


def _summary(found: ModelAudit) -> Iterator[str]:
    kinds = "".join(f", {count:,} {kind}" for kind, count in found.counts().items())
    yield f"read by both with the same verdict: {found.same:,}{kinds}"
    yield f"read by neither: {found.unread['both']:,} of {found.sentences:,} sentences about the face"


def _lost(found: ModelAudit) -> Iterator[str]:
    if found.misquoted:
        yield f"dropped, as their words do not stand in the text: {found.misquoted:,} claims of the model"
    if found.malformed:
        yield f"dropped, as they do not fit the schema: {found.malformed:,} claims of the model"
    for why, count in found.unscored.items():
        said = f' (for example: "{found.said[why]}")' if why in found.said else ""
        yield f"{count:,} of {found.texts:,} texts not read by the model: {why}{said}"
    if found.open:
        yield f"{found.open:,} of {found.texts:,} texts not asked about yet"


def _disagreements(found: ModelAudit) -> Iterator[str]:
    for one in found.disagreements[:MOST_SHOWN]:
        yield f'{one.sample}: "{one.words}": rules {one.rules or "nothing"}; model {one.model or "nothing"}'
    if (rest := len(found.disagreements) - MOST_SHOWN) > 0:
        yield f"{rest:,} more disagreements: --json has all of them"


def _passport(found: ModelAudit) -> Iterator[str]:
    who = found.passport
    others = [model for model in found.models if f"{CHAT}{model}" != who.model]
    named = f" (the server says {', '.join(others)})" if others else ""
    yield f"audit model: {who.model}{named}, asked {who.begun}, prompt {who.prompt_hash[:12]}"
    asked, answered = ("unknown" if count is None else f"{count:,}" for count in found.tokens)
    cost = "unknown" if found.cost is None else f"{found.cost:.4f} USD"
    yield f"tokens: {asked} in, {answered} out; cost: {cost}"
