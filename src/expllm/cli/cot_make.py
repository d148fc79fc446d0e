"""One call of `expllm cot make`: opens the data, the writer and the run, and lets the engine work."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from expllm import __version__
from expllm.chat import Prices
from expllm.cli.cot_cluster import check_shards, work_on_cluster
from expllm.cli.cot_engine import Order, limited, make_engine
from expllm.cli.ending import Ending, of_data, of_run
from expllm.cli.figures import print_json
from expllm.cli.terminal import keep_stderr_to_ourselves
from expllm.core.errors import ExitCode
from expllm.cot.case import Rules
from expllm.cot.engine import Engine
from expllm.cot.estimate import Estimate, estimate
from expllm.cot.journal import Journal, JournalReader, Outcome
from expllm.cot.ledger import Ledger
from expllm.cot.prompt_set import Prompts
from expllm.cot.sample_session import Gate
from expllm.data import Dataset, Sample, open_dataset
from expllm.files.atomic import refuse_inputs
from expllm.files.progress import Progress
from expllm.files.runs import RunFolder
from expllm.files.signals import stopped_by_signals

CHANGEABLE: Final = frozenset({"base_url", "max_tokens"})
"""Settings that may differ when a run is resumed: they do not change what is asked."""


def work(order: Order, *, as_json: bool = False) -> tuple[Ending, ...]:
    """Makes or resumes a run; how it ended.

    Args:
        as_json: Print the run's ledger at the end.

    Raises:
        ExpllmError: the data, the endpoint, the settings or the folder stand in the way.
    """
    keep_stderr_to_ourselves()
    refuse_inputs(order.output, order.dataset)
    prompts = Prompts.load(order.prompts)
    dataset = open_dataset(order.dataset)
    folder = RunFolder(order.output)
    with folder.locked():
        _begin(folder, order, prompts, dataset)
        check_shards(folder, order.shards)
        spent = _work(order, prompts, dataset, folder)
    ledger = Ledger.of(folder)
    if as_json:
        print_json(ledger.to_dict())
    return spent, of_data(dataset), of_run(ledger)


def _work(order: Order, prompts: Prompts, dataset: Dataset, folder: RunFolder) -> Ending:
    """All samples that are open; how it ended, if by something else than their end."""
    if order.ray is not None:
        work_on_cluster(order, prompts, folder, _total(dataset, order.limit))
        return Ending()
    with closing(Journal(folder.path / "journal.sqlite")) as journal:
        if order.retry_failed:
            _reopen(journal.path)
        return _run(order, prompts, dataset, journal)


def estimated(
    dataset: str,
    model: str,
    limit: int | None,
    prices: Path | None,
    max_rounds: int,
    verify: Any,
    prompts: Path | None,
) -> tuple[Estimate, Ending]:
    """What a run over `dataset` would take, and what of it no run could use."""
    data = open_dataset(dataset)
    price = Prices.load(prices).models.get(model)
    count = min(len(data), limit or len(data))
    found = estimate(
        islice(iter(data), limit), count, data.labels, Prompts.load(prompts),
        Rules(verify, max_rounds=max_rounds), None if price is None else (price.input, price.output),
    )  # fmt: skip
    return found, of_data(data)


def _begin(folder: RunFolder, order: Order, prompts: Prompts, dataset: Dataset) -> None:
    settings = {
        "expllm": __version__, "dataset": dataset.name, "fingerprint": dataset.fingerprint,
        "model": order.model, "base_url": order.base_url, "verify": order.verify,
        "hint_after": order.hint_after, "max_rounds": order.max_rounds, "temperature": order.temperature,
        "max_tokens": order.max_tokens, "seed": order.seed,
        "au_source": None if order.au_source == "blendshapes" else order.au_source,  # not in earlier runs
        "labels": [label.value for label in dataset.labels],
        "prompt_hash": prompts.hash, "prompts": prompts.texts,
    }  # fmt: skip
    if not folder.exists:
        folder.begin(settings)
        return
    folder.resume(settings, CHANGEABLE if _has_answers(folder) else CHANGEABLE | settings.keys())


def _has_answers(folder: RunFolder) -> bool:
    """Whether any call was answered: until then, nothing binds the run to its settings."""
    for path in folder.journals():
        with closing(JournalReader(path)) as reader:
            if reader.db.execute("SELECT 1 FROM calls WHERE failure IS NULL LIMIT 1").fetchone():
                return True
    return False


def _reopen(path: Path) -> None:
    with closing(JournalReader(path)) as reader:
        reader.reopen_failed()


def _run(order: Order, prompts: Prompts, dataset: Dataset, journal: Journal) -> Ending:
    samples = limited(dataset, order.limit)
    total = _total(dataset, order.limit)
    with closing(JournalReader(journal.path)) as reader:
        done = len(reader.finished())
    engine = make_engine(order, prompts, dataset.labels)
    live = Live(engine.gate)
    with Progress(
        max(total - done, 0), shown=not order.quiet, doing="explaining", note=live.note
    ) as progress:

        def count(outcome: Outcome) -> None:
            live.count(outcome)
            progress.step(live.unresolved)

        engine.on_outcome = count
        asyncio.run(_with_signals(engine, samples, journal))
    if engine.gate.broke:
        line = (
            f"the budget of {order.budget:g} USD is spent ({engine.gate.spent:.4f}): "
            "the same command with a higher --budget goes on"
        )
        return Ending(ExitCode.SOME_INPUTS_FAILED, line)
    if engine.gate.stopping:
        raise KeyboardInterrupt
    return Ending()


@dataclass
class Live:
    """What the progress bar says beside rate and time left."""

    gate: Gate
    ended: int = 0
    unresolved: int = 0
    hinted: int = 0

    def count(self, outcome: Outcome) -> None:
        self.ended += 1
        self.unresolved += outcome.status != "resolved"
        self.hinted += bool(outcome.record["hinted"])

    def note(self) -> str:
        """Share that was told the label, and USD of the whole run where anything was paid."""
        if not self.ended:
            return ""
        cost = f", {self.gate.spent:.2f} USD" if self.gate.spent else ""
        return f"{self.hinted / self.ended:.0%} told the label{cost}"


def _total(dataset: Dataset, limit: int | None) -> int:
    return min(len(dataset), limit or len(dataset))


async def _with_signals(engine: Engine, samples: Iterator[Sample], journal: Journal) -> None:
    """Runs the engine; the first Ctrl-C lets the calls under way end, the second does not wait."""
    try:
        with stopped_by_signals(engine.gate.stop):
            await engine.run(samples, journal)
    finally:
        await engine.close()
