"""One run of the engine: opens the data, the writer and the run's folder, and works through the samples."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm import __version__
from expllm.chat import Prices
from expllm.cot.case import Rules
from expllm.cot.cluster_run import check_shards, work_on_cluster
from expllm.cot.engine_run import work_through
from expllm.cot.engine_setup import CotMakeOptions, FaceReaders, Verify, engine_model, make_engine
from expllm.cot.estimate import Estimate, estimate_run
from expllm.cot.journal import Journal, JournalReader
from expllm.cot.ledger import Ledger
from expllm.cot.prompt_set import Prompts
from expllm.cot.second_pass import try_again
from expllm.data import Dataset
from expllm.data.drawn import drawn_samples
from expllm.data.roots import open_named
from expllm.files.atomic import refuse_inputs
from expllm.files.runs import RunFolder

_CHANGEABLE: Final = frozenset({"base_url", "max_tokens"})
"""Settings that may differ when a run is resumed: they do not change what is asked."""


@dataclass(frozen=True)
class MadeRun:
    """A run after its end.

    Attributes:
        folder: Where it is.
        ledger: What was done, and what it cost.
        dataset: What it was made of; `dataset.skipped` names the rows that no run can use.
        stopped: Why it ended before its last sample; empty if it did not.
    """

    folder: Path
    ledger: Ledger
    dataset: Dataset
    stopped: str = ""


def make_cot(options: CotMakeOptions, *, face_reader: FaceReaders | None = None) -> MadeRun:
    """Makes an explanation for every face of a data set, or resumes a run that was interrupted.

    Args:
        face_reader: Opens whatever measures faces, such as `expllm.FaceReader`; None: the data must carry
            action units.

    Raises:
        ExpllmError: the data, the endpoint, the settings or the folder stand in the way.
        KeyboardInterrupt: it was interrupted; what was answered is kept.
    """
    refuse_inputs(options.output, options.dataset)
    prompts = Prompts.load(options.prompts)
    dataset = options.opened()
    folder = RunFolder(options.output)
    with folder.locked():
        _begin(folder, options, prompts, dataset)
        check_shards(folder, options.shards)
        stopped = _work(options, prompts, dataset, folder, face_reader)
    return MadeRun(folder.path, Ledger.of(folder), dataset, stopped)


def _work(
    options: CotMakeOptions, prompts: Prompts, dataset: Dataset, folder: RunFolder,
    face_reader: FaceReaders | None,
) -> str:  # fmt: skip
    """All samples that are open; why it ended, if by something else than their end."""
    stopped = ""
    if options.ray is not None:
        work_on_cluster(options, prompts, folder, dataset, face_reader)
    else:
        with closing(Journal(folder.journal)) as journal:
            if options.retry_failed:
                _reopen(journal.path)
            stopped = _run(options, prompts, dataset, journal, folder, face_reader)
    return stopped or (try_again(options, prompts, dataset, folder) if options.retry_hinted else "")


def estimated(
    dataset: str,
    model: str,
    limit: int | None = None,
    prices: Path | None = None,
    max_rounds: int = 5,
    verify: Verify = "both",
    prompts: Path | None = None,
    data_root: str | None = None,
    kind: str | None = None,
) -> tuple[Estimate, Dataset]:
    """What a run over `dataset` would take, and the data set; see `CotMakeOptions`."""
    data = open_named(dataset, data_root, kind)
    price = Prices.load(prices).models.get(engine_model(model))
    count = min(len(data), limit or len(data))
    found = estimate_run(
        (sample for _, sample in drawn_samples(data, limit)), count, data.labels, Prompts.load(prompts),
        Rules(verify, max_rounds=max_rounds), None if price is None else (price.input, price.output),
    )  # fmt: skip
    return found, data


def _begin(folder: RunFolder, options: CotMakeOptions, prompts: Prompts, dataset: Dataset) -> None:
    settings = {
        "expllm": __version__, "dataset": dataset.name, "fingerprint": dataset.fingerprint,
        "model": options.model, "base_url": options.base_url, "verify": options.verify,
        "hint_after": options.hint_after, "max_rounds": options.max_rounds,
        "temperature": options.temperature,
        "max_tokens": options.max_tokens, "seed": options.seed,
        "au_source": None if options.au_source == "blendshapes" else options.au_source,  # not in earlier runs
        "labels": [label.value for label in dataset.labels],
        "prompt_hash": prompts.hash, "prompts": prompts.texts,
    }  # fmt: skip
    if options.retry_hinted:
        settings["best_of"] = options.best_of
    if not folder.exists:
        folder.begin(settings)
        return
    free = _CHANGEABLE if _has_answers(folder.journals()) else _CHANGEABLE | settings.keys()
    second = folder.second_journal
    if not (second.is_file() and _has_answers([second])):
        free |= {"best_of"}
    folder.resume(settings, free)


def _has_answers(journals: Iterable[Path]) -> bool:
    """Whether any call was answered: until then, nothing binds a pass to its settings."""
    for path in journals:
        with closing(JournalReader(path)) as reader:
            if reader.db.execute("SELECT 1 FROM calls WHERE failure IS NULL LIMIT 1").fetchone():
                return True
    return False


def _reopen(path: Path) -> None:
    with closing(JournalReader(path)) as reader:
        reader.reopen_failed()


def _run(
    options: CotMakeOptions, prompts: Prompts, dataset: Dataset, journal: Journal, folder: RunFolder,
    face_reader: FaceReaders | None,
) -> str:  # fmt: skip
    samples = drawn_samples(dataset, options.limit)
    with closing(JournalReader(journal.path)) as reader:
        waiting = _total(dataset, options.limit) - len(reader.finished())
    engine = make_engine(options, prompts, dataset.labels, face_reader)
    if folder.second_journal.is_file():
        with closing(JournalReader(folder.second_journal)) as reader:
            engine.gate.spent_before = reader.spent()
    return work_through(engine, lambda: engine.run_placed(samples, journal), waiting, options)


def _total(dataset: Dataset, limit: int | None) -> int:
    return min(len(dataset), limit or len(dataset))
