"""The engine at work in this process: progress, signals, and why it ended."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from expllm.cot.engine import Engine
from expllm.cot.engine_setup import CotMakeOptions
from expllm.cot.journal import SampleOutcome
from expllm.cot.sample_session import RunBudget
from expllm.files.progress import Progress
from expllm.files.signals import stopped_by_signals


def work_through(
    engine: Engine, work: Callable[[], Awaitable[None]], waiting: int, options: CotMakeOptions
) -> str:
    """Does some work with an engine and closes it; why it ended, if the budget is spent.

    Args:
        waiting: Samples that have not ended.

    Raises:
        KeyboardInterrupt: it was asked to end.
    """
    live = Live(engine.gate)
    with Progress(max(waiting, 0), shown=not options.quiet, doing="explaining", note=live.note) as progress:

        def count(outcome: SampleOutcome) -> None:
            live.count(outcome)
            progress.step(live.unresolved)

        engine.on_outcome = count
        asyncio.run(_with_signals(engine, work))
    if engine.gate.broke:
        return (
            f"the budget of {options.budget:g} USD is spent ({engine.gate.spent:.4f}): "
            "run the same command with a higher --budget to continue"
        )
    if engine.gate.stopping:
        raise KeyboardInterrupt
    return ""


@dataclass
class Live:
    """What the progress bar says beside rate and time left."""

    gate: RunBudget
    ended: int = 0
    unresolved: int = 0
    hinted: int = 0

    def count(self, outcome: SampleOutcome) -> None:
        self.ended += 1
        self.unresolved += outcome.status != "resolved"
        self.hinted += bool(outcome.record["hinted"])

    def note(self) -> str:
        """Share that was given the label, USD of the whole run where any were paid, what lies in batches."""
        notes = [f"{self.hinted / self.ended:.0%} given the label"] if self.ended else []
        notes += [f"{self.gate.spent:.2f} USD"] if self.ended and self.gate.spent else []
        return ", ".join([*notes, *filter(None, [self.gate.pending()])])


async def _with_signals(engine: Engine, work: Callable[[], Awaitable[None]]) -> None:
    """Runs the work; the first Ctrl-C lets the calls under way end, the second does not wait."""
    try:
        with stopped_by_signals(engine.gate.stop):
            await work()
    finally:
        await engine.close()
