"""The texts that explanations are compared with: the engine's own, as in the paper, or saved ones."""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from expllm.core.errors import MissingData
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.engine import Engine
from expllm.cot.explanation import CotRecord
from expllm.cot.journal import JournalRow
from expllm.cot.merged_journal import merged_journals
from expllm.cot.sample_session import SampleSession
from expllm.cot.writers import RuleWriter
from expllm.data import Dataset, Sample, open_dataset
from expllm.data import DatasetRow as DataRow
from expllm.files.runs import RunFolder

GENERATED: Final = "offline engine"
FROM_DATASET: Final = "the data set's own texts"


class References(Protocol):
    """Gives the text of a face.

    Attributes:
        name: Where the texts come from.
        digest: SHA-256 of them; of texts that are written on the way, their writer.
    """

    name: str
    digest: str

    def aus(self, sample: Sample) -> AUVector | None:
        """The action units that came with the text; None where they have to be measured."""
        ...

    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        """One text a face, from its label and its action units; None where there is none.

        Args:
            samples: With `aus` where the face was measured.
        """
        ...


@dataclass(frozen=True)
class _Saved:
    text: str
    aus: AUVector | None


class SavedReferences:
    """Texts that were made before.

    Args:
        name: Where they come from.
        texts: By the id of the face.
    """

    def __init__(self, name: str, texts: Mapping[str, _Saved]) -> None:
        self.name, self._texts = name, texts
        digest = hashlib.sha256()
        for key in sorted(texts):
            digest.update(repr((key, texts[key].text)).encode())
        self.digest = digest.hexdigest()

    @classmethod
    def load(cls, path: Path) -> "SavedReferences":
        """The texts of a run of `expllm cot make`, or of what `expllm cot export` wrote of one.

        Raises:
            MissingData: there are no texts in it.
            RunError, RecordError, UsageError: it cannot be read.
        """
        texts = _saved(explained_samples(path) if RunFolder(path).exists else open_dataset(str(path)))
        if not texts:
            raise MissingData(f"{path}: holds no explanation: give a run of 'expllm cot make' or its export")
        return cls(str(path), texts)

    @classmethod
    def carried(cls, dataset: Dataset) -> "SavedReferences | None":
        """The texts that a data set carries; None if it carries none."""
        texts = _saved(dataset)
        return cls(FROM_DATASET, texts) if texts else None

    def among(self, dataset: Dataset) -> Dataset:
        """The faces of a data set that have a text here.

        Raises:
            MissingData: none has one.
        """

        def rows() -> Iterator[DataRow]:
            return (row for row in dataset.rows() if row.sample is None or row.sample.id in self._texts)

        count = sum(sample.id in self._texts for sample in dataset)
        if not count:
            example = next((sample.id for sample in dataset), "none")
            raise MissingData(
                f"{self.name}: has no text for any face of {dataset.name}: its ids look like "
                f"{next(iter(self._texts))!r}, those of the data set like {example!r}"
            )
        return replace(dataset, count=count, rows=rows)

    def aus(self, sample: Sample) -> AUVector | None:
        """See `References`."""
        saved = self._texts.get(sample.id)
        return saved.aus if saved else None

    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        """See `References`."""
        saved = (self._texts.get(sample.id) for sample in samples)
        return [found.text if found else None for found in saved]


class EngineReferences:
    """Texts that the engine writes by rules while faces are asked about.

    Args:
        labels: The label set of the data.
    """

    def __init__(self, labels: tuple[Expression, ...]) -> None:
        self.name = GENERATED
        self.digest = hashlib.sha256(GENERATED.encode()).hexdigest()
        self._engine = Engine(RuleWriter(), labels)

    def aus(self, sample: Sample) -> AUVector | None:
        """See `References`."""
        return None

    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        """See `References`."""
        return asyncio.run(self._texts(samples))

    async def _texts(self, samples: Sequence[Sample]) -> list[str | None]:
        return [await self._text(sample) for sample in samples]

    async def _text(self, sample: Sample) -> str | None:
        if sample.aus is None:
            return None
        record = await self._engine.explain(sample, SampleSession(sample.id, _Nowhere(), self._engine.gate))
        return record.cot.text if record.cot else None


class _Nowhere:
    """Keeps nothing: what rules wrote can be written again."""

    async def add(self, row: JournalRow) -> None:
        return None


def explained_samples(path: Path) -> Iterator[Sample]:
    """The faces of a run of `expllm cot make` that have a text, with it and their action units.

    Raises:
        RunError: it is another run, or cannot be read.
    """
    folder = RunFolder(path)
    folder.settings()
    with merged_journals(folder) as journals:
        for ended in journals.ended:
            record = CotRecord.from_dict(journals.outcome(ended).record)
            if record.cot is not None:
                yield Sample(
                    id=record.id, expression=record.expression, aus=record.aus, text=record.cot.text,
                    au_source=record.au_source,
                )  # fmt: skip


def _saved(samples: Iterable[Sample]) -> dict[str, _Saved]:
    return {sample.id: _Saved(sample.text, sample.aus) for sample in samples if sample.text}
