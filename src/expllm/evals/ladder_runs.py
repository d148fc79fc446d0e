"""The folder of a ladder test: its texts, and below it whoever judged them."""

import heapq
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from expllm import __version__
from expllm.core.errors import ExpllmError, MissingData, NoFaceError, RecordError
from expllm.core.records import Record
from expllm.cot.sample_session import key_of
from expllm.data import Dataset, Sample
from expllm.data.drawn import lot
from expllm.evals.ladder import Ladder, Told
from expllm.evals.references import EngineReferences, explained_samples
from expllm.evals.splits import open_named
from expllm.files.atomic import whole_file, write_json
from expllm.files.progress import Progress
from expllm.files.runs import RunError, RunFolder
from expllm.predict.img2au import FaceReader

_FORMAT: Final = 1
"""Format of a ladder's folder."""


class LadderSettings(Record):
    """Whose texts stand on the ladder.

    Attributes:
        source: The data set or run as it was given.
        limit: At most so many faces.
        seed: Of their drawing.
        faces: How many had a text; those that never name their label under headings are not on the ladder.
        unmeasured: How many have no text, as they could not be measured.
        digest: SHA-256 of all texts.
    """

    ladder_format: int = _FORMAT
    expllm: str = __version__
    source: str
    limit: int
    seed: int
    faces: int
    unmeasured: int = 0
    digest: str


class LadderRun:
    """The folder of a ladder test.

    Args:
        path: Made when it begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = RunFolder(path)

    @classmethod
    def at(cls, path: Path) -> "LadderRun | None":
        """The ladder test in a folder; None if the folder holds something else."""
        run = cls(path)
        return run if run.folder.exists and "ladder_format" in run.folder.settings() else None

    @property
    def texts_file(self) -> Path:
        return self.path / "texts.jsonl"

    def begin(self, settings: LadderSettings, ladders: Sequence[Ladder]) -> None:
        """Writes the texts; where the same ones are there already, nothing is done.

        Raises:
            OutputError: the folder cannot be written.
            RunError: it holds a run with other texts.
        """
        with self.folder.locked():
            if self.folder.exists:
                self.folder.resume(settings.to_dict(), frozenset({"expllm"}))
                return
            with whole_file(self.texts_file) as file:
                file.writelines(f"{ladder.to_json()}\n" for ladder in ladders)
            self.folder.begin(settings.to_dict())

    def settings(self) -> LadderSettings:
        """Whose texts these are.

        Raises:
            RunError: the folder is of another version, or cannot be read.
        """
        found = self.folder.settings()
        version = found.get("ladder_format")
        if version != _FORMAT:
            raise RunError(f"{self.path}: a ladder of format {version}, this is format {_FORMAT}: test again")
        try:
            return LadderSettings.from_dict({key: found[key] for key in found if key != "format"})
        except RecordError as error:
            raise RunError(f"{self.folder.settings_file}: {error}: test again elsewhere") from None

    def ladders(self) -> list[Ladder]:
        """The texts.

        Raises:
            RunError: they cannot be read.
        """
        try:
            with open(self.texts_file, encoding="utf-8", newline="\n") as file:  # U+2028 ends no line
                return [Ladder.from_json(line) for line in file]
        except (OSError, UnicodeDecodeError, RecordError) as error:
            raise RunError(f"{self.texts_file}: cannot be read ({error}): test again elsewhere") from None

    def write_scores(self, scores: dict[str, object]) -> None:
        """Writes `scores.json`.

        Raises:
            OutputError: it cannot be written.
        """
        write_json(self.path / "scores.json", scores)


def folder_name(settings: LadderSettings) -> Path:
    """`runs/eval/ladder-...`: another one for other texts."""
    named = re.sub(r"[^\w.@-]+", "-", Path(settings.source).name)
    return Path("runs") / "eval" / f"ladder-{named}-{settings.digest[:8]}"


def digest_of(ladders: Iterable[Ladder]) -> str:
    """SHA-256 of all texts."""
    return key_of(text for one in ladders for text in (one.id, one.reference, *one.texts.values()))


def faces_with_texts(
    source: str, root: str | None, kind: str | None, limit: int, seed: int, *, quiet: bool = False
) -> tuple[list[Told], int, Dataset | None]:
    """Labelled faces with a text that is held to be right, how many have none, and their data set.

    The data set is None where the source is a run.

    The text is the one that comes with the face, in a data set or a run of `expllm cot make`; where there are
    none, the engine writes it by rules from the measured face.

    Raises:
        NoFaceError: texts were to be written, and no picture shows a face.
        MissingData: no face has both for another reason.
    """
    made = RunFolder(Path(source)).exists

    def samples() -> Iterable[Sample]:
        return explained_samples(Path(source)) if dataset is None else dataset

    dataset = None if made else open_named(source, root, kind)
    carried = any(sample.text for sample in samples())
    labelled = [one for one in samples() if one.expression and (one.text or not carried)]
    drawn = heapq.nsmallest(limit, labelled, key=lambda one: lot(one.id, seed))
    count = len(drawn)
    faceless = 0
    if not carried and drawn:
        labels = tuple(dict.fromkeys(one.expression for one in labelled if one.expression))
        measured, faceless = _measured(drawn, quiet)
        texts = EngineReferences(labels).texts(measured)
        drawn = [one.model_copy(update={"text": text}) for one, text in zip(measured, texts, strict=True)]
    told = [Told(one.id, one.expression, one.aus, one.text) for one in drawn if one.expression and one.text]
    if count and faceless == count:
        raise NoFaceError(f"{source}: no face found in any of {count} picture(s)")
    if not told:
        raise MissingData(f"{source}: no face with a label and a text, or one that could be measured")
    return told, count - len(told), dataset


def _measured(samples: Sequence[Sample], quiet: bool) -> tuple[list[Sample], int]:
    """Faces with measured action units, and how many pictures show no face; others are left out, too."""
    reader, found, lost, faceless = FaceReader(), list[Sample](), 0, 0
    try:
        with Progress(len(samples), shown=not quiet, doing="measuring", things="faces") as progress:
            for sample in samples:
                try:
                    aus = sample.aus or reader(sample)[0]
                    found.append(sample.model_copy(update={"aus": aus}))
                except ExpllmError as error:
                    lost += 1
                    faceless += isinstance(error, NoFaceError)
                progress.step(lost)
    finally:
        reader.close()
    return found, faceless
