"""One call of `expllm analyze` or `expllm aus`: inputs -> outcomes -> writer, and an exit code."""

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import chain, count, groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from expllm.cli.ending import complain
from expllm.cli.terminal import TerminalStatus, keep_stderr_to_ourselves
from expllm.core.errors import (
    ExitCode,
    ExpllmError,
    MissingWeights,
    NoFaceError,
    OutputError,
    RecordError,
    UsageError,
    one_line,
)
from expllm.core.records import FaceAnalysis
from expllm.files.atomic import output_stream, whole_file
from expllm.files.folders import Entry
from expllm.files.inputs import STDIN, Input, expand_inputs, is_url, recorded_name
from expllm.files.signals import raise_pending
from expllm.report.output_writers import BINARY_FORMATS, OutputWriter, writer_for

if TYPE_CHECKING:
    from expllm.files.progress import Progress
    from expllm.predict import FaceExplainer
    from expllm.predict.batch import InputOutcome

_MOST_NAMED: Final = 3
"""Files left out for one reason that are named without `--verbose`."""


@dataclass
class Session:
    """The settings of a call, and what it has seen so far.

    Attributes:
        predictor: Arguments of [`Predictor`][expllm.predict.predictor.Predictor].
        model: Arguments of [`open_explainer`][expllm.predict.open_explainer]; None for action units only.
        render: Turns the analyses of one input into something that rich prints.
        on_no_face: `row`, `skip` or `error`.
    """

    predictor: dict[str, Any]
    model: dict[str, Any] | None
    render: Callable[[list[FaceAnalysis]], Any]
    output: str | None
    format_: str
    on_no_face: str
    quiet: bool
    columns: str
    overlay: Path | None
    workers: int | None
    landmarks: bool
    verbose: bool = False
    done: int = 0
    failed: int = 0
    faceless: int = 0
    """Failed because no face was found (`--on-no-face error`); the others could not be read."""
    faces: int = 0
    cut: int = 0
    """Pictures with more faces than were asked for."""
    taken: set[str] = field(default_factory=set)
    """Paths that no overlay may be written to: inputs, and the overlays so far."""
    explainer: "FaceExplainer | None" = None

    def run(self, arguments: list[str]) -> ExitCode:
        """Works through every input and returns the exit code."""
        from expllm.files.progress import Progress

        keep_stderr_to_ourselves()
        left_out: list[Entry] = []
        inputs = list(expand_inputs(arguments, left_out))
        self._spare(inputs)
        self._say_what_is_left_out(left_out)
        progress = Progress(len(inputs), shown=self._shows_progress(), note=self._cost)
        with ExitStack() as stack:
            shown = self.model is not None and not self.quiet and not progress.drawn
            status = stack.enter_context(TerminalStatus(shown=shown, texts=self._on_terminal()))
            self._open_explainer(stack, status)
            self._make_overlay_folder()
            file = stack.enter_context(self._file())
            stack.enter_context(progress)
            writer = stack.enter_context(self._writer(file))
            for outcome in stack.enter_context(closing(self._outcomes(inputs))):
                status.clear()
                analyses = self._take(outcome, progress)
                writer.write(analyses, outcome.picture)
                self._draw(outcome)
                progress.step(self.failed)
                status.begin("looking for faces")
            raise_pending()
        code = self._exit_code()
        if code == ExitCode.NO_FACE and self.on_no_face != "error":  # else each input was named
            complain(f"no face in {'the picture' if self.done == 1 else f'any of {self.done:,} inputs'}")
        return code

    def _say_what_is_left_out(self, entries: list[Entry]) -> None:
        if not self.quiet:
            sys.stderr.writelines(
                f"expllm: {one_line(text)}\n" for text in left_out_texts(entries, self.verbose)
            )

    def _open_explainer(self, stack: ExitStack, status: TerminalStatus) -> None:
        """One for all threads; what is wrong with the model is said before any picture is opened."""
        if self.model is None:
            return
        from expllm.predict import open_explainer
        from expllm.predict.abstention import check_abstain

        self._say_who_explains(self.model)
        status.begin("starting")
        opened = open_explainer(**self.model, on_token=status.write, on_status=status.doing)
        self.explainer = stack.enter_context(closing(opened))
        check_abstain(self.predictor.get("abstain"), self.explainer)

    def _say_who_explains(self, model: dict[str, Any]) -> None:
        """Says so where rules stand in for the model that ships."""
        from expllm.core.packages import missing_line
        from expllm.model.shipped import MODEL_VARIABLE, missing_packages

        named = model.get("model") or model.get("labels") or os.environ.get(MODEL_VARIABLE)
        if not self.quiet and not named and (lacking := missing_packages()):
            sys.stderr.write(f"expllm: the rules explain instead of compact: {missing_line(*lacking)}\n")

    def _cost(self) -> str:
        spent = 0.0 if self.explainer is None else self.explainer.spent
        return f"{spent:.4f} USD" if spent else ""

    def _spare(self, inputs: Iterable[Input]) -> None:
        """Makes sure that no result is written over a picture or table that is read."""
        if self.output is None and self.overlay is None:
            return
        self.taken = {os.path.realpath(one.name) for one in inputs if one.error is None}
        if self.output is not None and os.path.realpath(self.output) in self.taken:
            raise UsageError(f"-o {self.output} is one of the inputs: choose another name")

    def _file(self) -> AbstractContextManager[IO[Any]]:
        binary, for_people = self.format_ in BINARY_FORMATS, self.format_ == "text"
        return output_stream(self.output, binary=binary, for_people=for_people)

    def _writer(self, file: IO[Any]) -> OutputWriter:
        return writer_for(
            self.format_, file, columns=self.columns, explain=self.model is not None,
            landmarks=self.landmarks, render=self.render,
        )  # fmt: skip

    def _shows_progress(self) -> bool:
        """Results that scroll by on a terminal are progress enough; a bar would tear them apart."""
        return not self.quiet and not self._on_terminal()

    def _on_terminal(self) -> bool:
        return self.output is None and sys.stdout.isatty()

    def _outcomes(self, inputs: Iterable[Input]) -> "Generator[InputOutcome, None, None]":
        from expllm.predict.batch import InputOutcome

        def kind(one: Input) -> str:
            return "failed" if one.error else "table" if one.is_table else "picture"

        for group, members in groupby(inputs, key=kind):
            if group == "failed":
                yield from (InputOutcome(recorded_name(one.name), None, [], one.error) for one in members)
            elif group == "table":
                for one in members:
                    yield from self._table_outcomes(one)
            else:
                yield from self._picture_outcomes(members)

    def _picture_outcomes(self, inputs: Iterable[Input]) -> "Generator[InputOutcome, None, None]":
        from expllm.predict.batch import ImageToOpen, analyze_many
        from expllm.predict.predictor import Predictor

        def source(one: Input) -> ImageToOpen:
            return ImageToOpen(one.name) if one.name != STDIN else ImageToOpen("<stdin>", _standard_input())

        if self.explainer is not None:
            self.explainer.preload()
        made = {**self.predictor, "explain": self.explainer is not None, "explainer": self.explainer}
        yield from analyze_many(
            map(source, inputs), lambda: Predictor(**made), workers=self.workers, allow_url=True
        )

    def _table_outcomes(self, table: Input) -> "Generator[InputOutcome, None, None]":
        """One outcome a row; what is wrong with the table ends it, and what came before stays."""
        from expllm.faces.au_tables import read_au_table
        from expllm.files.tabular import doubted_names
        from expllm.predict.batch import InputOutcome
        from expllm.predict.predictor import Explainer, measured_row

        name, empty = recorded_name(table.name), True
        chosen = self.model is not None and self.model.get("model") is not None
        if chosen and self.explainer is not None and self.explainer.needs_image:
            who = self.explainer.identity
            what = f"{name}: a table of action units shows no face to {who}: use --model offline"
            yield InputOutcome(name, None, [], UsageError(what))
            return
        explainer = Explainer(self.model.get("labels") or 8) if self.model else None
        options = {
            name: self.predictor[name] for name in ("mirrored", "write", "abstain") if name in self.predictor
        }
        doubt = ""
        try:
            for row in read_au_table(Path(table.name)):
                empty = False
                if not doubt and (doubt := doubted_names(Path(table.name), [row.input] if row.named else [])):
                    complain(f"{name}: {doubt}")
                named = replace(row, input=recorded_name(row.input))
                if row.status == "error":
                    yield InputOutcome(
                        named.input, None, [], RecordError(row.error or f"{row.input}: an error")
                    )
                elif row.status == "no_face" and self.on_no_face != "row":
                    yield InputOutcome(named.input, None, [])
                else:
                    yield InputOutcome(named.input, None, [measured_row(named, explainer, **options)])
        except ExpllmError as error:
            yield InputOutcome(name, None, [], error)
        else:
            if empty:
                yield InputOutcome(name, None, [], RecordError(f"{name}: the table has no rows"))

    def _take(self, outcome: "InputOutcome", progress: "Progress") -> list[FaceAnalysis]:
        """Counts an outcome, complains about a failed one, and gives what shall be written of it."""
        self.done += 1
        self.faces += outcome.face_found
        error = outcome.error
        if isinstance(error, MissingWeights):
            raise error
        if error is None and not outcome.analyses:
            if self.on_no_face == "row":
                return [_blank(outcome, "no_face", note=outcome.note)]
            if self.on_no_face == "skip":
                return []
            self.faceless += 1
            error = NoFaceError(f"{outcome.name}: no face found. {outcome.note}".rstrip(". "))
        self._count_cut(outcome, progress)
        if silent := [one for one in outcome.analyses if one.explanation and one.explanation.text is None]:
            self.failed += 1
            for one in silent:
                problem = one.explanation.problem if one.explanation else ""
                progress.say(f"expllm: {one_line(f'{outcome.name}, face {one.face_id}: {problem}')}")
        if error is not None:
            self.failed += 1
            progress.say(f"expllm: {error.line}")
            return [_blank(outcome, "error", error.line)] if self.format_ != "text" else []
        return outcome.analyses

    def _count_cut(self, outcome: "InputOutcome", progress: "Progress") -> None:
        """Says so where a picture has more faces than were asked for."""
        shown = len(outcome.analyses)
        found = max((one.faces_found or 0 for one in outcome.analyses), default=0)
        if found > shown:
            self.cut += 1
            progress.say(f"expllm: {one_line(outcome.name)}: {shown} of {found} faces (--max-faces {shown})")

    def _make_overlay_folder(self) -> None:
        if self.overlay is not None:
            try:
                self.overlay.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"cannot make the folder {self.overlay}: {error.strerror}") from None

    def _draw(self, outcome: "InputOutcome") -> None:
        if self.overlay is None or outcome.picture is None:
            return
        from expllm.files.formats import our_mark
        from expllm.report import draw_overlay

        image = draw_overlay(outcome.picture, outcome.analyses)
        with whole_file(self._overlay_path(outcome.name, self.overlay), "wb") as file:
            image.save(file, format="PNG", compress_level=3, pnginfo=our_mark())

    def _overlay_path(self, name: str, folder: Path) -> Path:
        """`face.png` for `some/face.jpg`; with a number where that is another overlay, or an input."""
        path = urlsplit(name).path.rstrip("/") if is_url(name) else name
        stem = one_line(Path(path).stem).replace("/", "_").strip("<>") or "picture"
        stem = stem.encode()[:200].decode(errors="ignore")  # names of files have at most 255 bytes
        names = chain([stem], (f"{stem}-{number}" for number in count(2)))
        paths = (folder / f"{one}.png" for one in names)
        free = next(one for one in paths if os.path.realpath(one) not in self.taken)
        self.taken.add(os.path.realpath(free))
        return free

    def _exit_code(self) -> ExitCode:
        if self.failed == self.done and self.failed > self.faceless:
            return ExitCode.FAILURE
        if self.cut or (self.failed and (self.faces or self.failed < self.done)):
            return ExitCode.SOME_INPUTS_FAILED
        return ExitCode.DONE if self.faces else ExitCode.NO_FACE


def _standard_input() -> "bytes | ExpllmError":
    """All of standard input, or why it cannot be read: that is one failed input, not the end of the run."""
    from expllm.files.images import read_stream

    try:
        return read_stream(sys.stdin.buffer, "<stdin>")
    except ExpllmError as error:
        return error


def left_out_texts(entries: Iterable[Entry], verbose: bool) -> Iterator[str]:
    """What folders hold that is not analyzed: a line that counts it, or with `verbose` a line for each."""
    by_reason: dict[str, list[str]] = {}
    for entry in entries:
        by_reason.setdefault(entry.left_out, []).append(entry.path)
    if verbose:
        yield from (f"left out: {name}: {why}" for why, names in by_reason.items() for name in names)
    elif by_reason:
        yield "left out: " + "; ".join(_counted(why, names) for why, names in by_reason.items())


def _counted(why: str, names: list[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return f"{len(names):,} {why} ({shown}{more})"


def _blank(outcome: "InputOutcome", status: str, error: str | None = None, note: str = "") -> FaceAnalysis:
    """The row of an input without a face."""
    from expllm.faces.measure import missed_warnings

    size = outcome.picture.full_size if outcome.picture is not None else None
    width, height = size or (None, None)
    missed = missed_warnings(size) if size and status == "no_face" else ()
    return FaceAnalysis.from_dict(
        {
            "input": outcome.name,
            "status": status,
            "error": error,
            "image_width": width,
            "image_height": height,
            "warnings": (*((note,) if note else ()), *missed),
        }
    )
