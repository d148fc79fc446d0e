"""The parts of the docs that come from the code: vocabulary, commands, columns, exit codes, the example."""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer.main
from rich.console import Console
from typer.testing import CliRunner

from expllm.cli.main import app
from expllm.cli.view import analysis_view
from expllm.core.errors import ExitCode
from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import (
    ACTION_UNITS,
    AU_NAMES,
    EXPRESSION_SYNONYMS,
    LABEL_ORDERS,
    AUVector,
    Expression,
)
from expllm.cot.format_check import WORD_LIMIT
from expllm.cot.rule_writer import DEGREES, degree_word
from expllm.faces.au_reader import FAR_TURNED, BlendshapeReader
from expllm.faces.finder import MIN_FACE_SIDE
from expllm.files.images import ImageLimits
from expllm.model.manifest import read_manifest, seal
from expllm.model.shipped import model_folder
from expllm.predict.predictor import Explainer, Predictor
from expllm.report.columns import COLUMN_LAYOUTS, INTEGER_COLUMNS, TEXT_COLUMNS, au_row

PICTURE: Final = "examples/faces/astronaut.jpg"
COMPACT: Final = "compact"
WIDTH: Final = 80
"""Columns of a terminal in the docs."""

EXIT_CODES: Final = {
    ExitCode.DONE: "Everything was done.",
    ExitCode.FAILURE: (
        "Nothing could be done: every input failed, data or a package are missing, or a result could not be "
        "written."
    ),
    ExitCode.USAGE: "An option or argument makes no sense; nothing was started.",
    ExitCode.SOME_INPUTS_FAILED: (
        "The work was done, but some inputs failed, or faces were left out (`--max-faces`); they are named "
        "or counted on stderr. `cot make` and `eval` end so even if all failed: the run is saved and holds "
        "the reasons."
    ),
    ExitCode.NO_FACE: "The inputs could be read, but no face was measured in any of them.",
    ExitCode.MISSING_WEIGHTS: "A model file is missing or is not the expected one; the line says which.",
    ExitCode.ALARM: (
        "An alarm stopped a training that learns from rewards; the line says which, with its value and bound."
    ),
    ExitCode.INTERRUPTED: "Interrupted with Ctrl-C.",
}

COLUMN_NOTES: Final = {
    "input": "path, URL or other name of the picture",
    "frame": "frame number; 0 for a still picture",
    "face_id": "0 for the largest face of the picture, and so on",
    "faces_found": "faces in the picture; more than rows where `--max-faces` left some out",
    "status": "`ok`, `too_small`, `no_landmarks`, `no_face` or `error`",
    "FaceRectX": "left edge of the face, pixels of the upright picture",
    "FaceRectY": "top edge",
    "FaceRectWidth": "width",
    "FaceRectHeight": "height",
    "FaceScore": "the detector's confidence, 0-1; empty where only the landmark model saw the face",
    "Pitch": "degrees; positive looks up",
    "Roll": "degrees; positive leans the head to the subject's left shoulder",
    "Yaw": "degrees; positive turns to the subject's left",
    "expression": "the most probable expression",
    "uncertain": "1 where no expression is as probable as `--abstain` asks; `expression` is empty then",
    "text": "a model's text word for word; empty for rules",
    "text_problem": "what is wrong with the form of that text, or why there is none",
    "concluded": "the expression that the text ends with",
    "second_label": "the label asked once more, behind the text or before it",
    "agree": "1 where label, second label and conclusion are the same, else 0",
    "grounding_precision": "share of the text's claims that the action units support, 0-1",
    "grounding_recall": "share of what moves, by intensity, that the text tells, 0-1",
    "face_sentences": "sentences of the text about the face's movements",
    "unread_sentences": "those of them that the audit could not read: nothing in them is checked",
    "key_observations": "first part of the explanation",
    "overall_emotional_interpretation": "second part",
    "conclusion": "third part",
    "warnings": "what makes the reading less reliable",
    "error": "why the input could not be read",
    "detector": "who found the face",
    "au_reader": "who measured the action units, and by which calibration",
    "classifier": "who gave the probabilities",
    "writer": "who wrote the explanation; `offline` is rules, no language model",
    "expllm_version": "version of this package",
}


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def action_units() -> str:
    """The units with what is known of each, and whether the shipped reader measures it."""
    measured = BlendshapeReader().measured
    rows = [
        (
            au.number or "-",
            au.name,
            au.side or (f"whole face, moves {au.direction}" if au.direction else "whole face"),
            au.region,
            "+".join(map(str, au.facs)),
            ", ".join(f"`{name}`" for name in au.arkit),
            "yes" if au.name in measured else "**not measured**",
        )
        for au in ACTION_UNITS
    ]
    heads = ("no.", "name", "side", "region", "FACS", "ARKit blendshape", "measured")
    return f"{len(measured)} of {len(ACTION_UNITS)} units are measured.\n\n{table(heads, rows)}"


def labels() -> str:
    """How each data set numbers its labels."""
    numbers = sorted({order.first + i for order in LABEL_ORDERS.values() for i in range(len(order.labels))})
    rows = []
    for order in LABEL_ORDERS.values():
        named = dict(enumerate(order.labels, start=order.first))
        rows.append((f"`{order.dataset}`", *(named.get(number, "") for number in numbers)))
    return table(("data set", *map(str, numbers)), rows)


def synonyms() -> str:
    """Every word that names an expression."""
    return table(("expression", "also read as"), [(e, ", ".join(w)) for e, w in EXPRESSION_SYNONYMS.items()])


def command_lines() -> str:
    """The help of every command as it prints itself."""
    commands = _commands(typer.main.get_command(app))
    runner = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb"})
    parts = []
    for command in ("", *commands):
        arguments = [*command.split(), "--help"]
        shown = runner.invoke(app, arguments, prog_name="expllm", terminal_width=WIDTH).stdout
        title = " ".join(("expllm", *command.split()))
        parts.append(f"## {title}\n\n```text\n{_trimmed(shown)}\n```")
    return "\n\n".join(parts)


def _commands(group: Any, before: str = "") -> Iterator[str]:
    """The names of all commands below a group, those of its groups after their own."""
    for name, command in group.commands.items():
        if command.hidden:  # an old name
            continue
        yield f"{before}{name}"
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")


def exit_codes() -> str:
    """What the shell gets, and what it means."""
    return table(("code", "meaning"), [(code.value, EXIT_CODES[code]) for code in ExitCode])


def columns() -> str:
    """The columns of every set, in their order."""
    blank = FaceAnalysis(input="", status="no_face")
    names = list(COLUMN_LAYOUTS["expllm"](blank))
    rows = dict.fromkeys(_column(name) for name in names)  # the 24 units share a line, and so on
    only_aus = [name for name in names if name not in au_row(blank)]
    named = {
        name: ", ".join(f"`{c}`" for c in COLUMN_LAYOUTS[name](blank)) for name in ("pyfeat", "openface")
    }
    return "\n\n".join(
        (
            f"`expllm`, the default ({len(names)} columns):",
            table(("column", "type", "what it holds"), rows),
            f"`expllm aus` leaves out the {len(only_aus)} columns of the label and the explanation.",
            f"`pyfeat`: {named['pyfeat']}.",
            f"`openface`: {named['openface']}.",
        )
    )


def degrees() -> str:
    """Which intensities the words of an explanation stand for."""
    bounds = [low for low, _ in DEGREES]
    rows = [
        (f"{low:.2f} up to {high:.2f}", degree_word(low))
        for low, high in zip(bounds, [*bounds[1:], 1.0], strict=True)
    ]
    note = f"A whole explanation has at most {WORD_LIMIT} words."
    return f"{table(('intensity', 'word'), rows)}\n\n{note}"


def input_limits() -> str:
    """What a picture may cost, and what a face needs."""
    limits = ImageLimits()
    rows = (
        ("file size", f"at most {limits.max_bytes / 2**20:.0f} MiB"),
        ("pixels", f"at most {limits.max_pixels:,}, checked before anything is decoded"),
        ("download", f"at most {limits.timeout_s:.0f} s and {limits.max_redirects} redirects in all"),
        ("a face", f"at least {MIN_FACE_SIDE:.0f} pixels long in the searched picture, else `too_small`"),
        ("head pose", f"a warning beyond {FAR_TURNED:.0f} degrees of yaw or pitch"),
    )
    return table(("limit", "value"), rows)


def measure_example(root: Path, path: Path) -> None:
    """Reads the bundled picture with MediaPipe and keeps what it finds."""
    with Predictor() as predictor:
        (found,) = predictor.analyze(root / PICTURE, name=PICTURE)
    path.write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_example(path: Path) -> FaceAnalysis:
    """What was measured, explained anew by the code as it is now."""
    kept = FaceAnalysis.from_json(path.read_text(encoding="utf-8"))
    provenance = kept.provenance
    assert provenance is not None, f"{path} has no provenance"
    explained = Explainer().explain(
        kept.aus or AUVector(), detector=provenance.detector, au_reader=BlendshapeReader().identity
    )
    writer = explained["provenance"]  # it knows the rights of the rules; those of the reader were kept
    licences = {**provenance.licences, **writer.licences}
    explained["provenance"] = writer.model_copy(update={"licences": licences})
    return kept.model_copy(update=explained)


def example_is_stale(path: Path) -> bool:
    """Whether the code would now say something else of the same measurements."""
    return read_example(path).to_json() != FaceAnalysis.from_json(path.read_text(encoding="utf-8")).to_json()


def ask_compact(root: Path, path: Path) -> None:
    """Has the shipped model explain the bundled picture, if these weights have not done so before."""
    if compact_is_stale(path):
        with Predictor.load(COMPACT) as predictor:
            (found,) = predictor.analyze(root / PICTURE, name=PICTURE)
        path.write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def compact_is_stale(path: Path) -> bool:
    """Whether other weights ship now than those that wrote the text."""
    digest = seal(read_manifest(model_folder(COMPACT)).to_dict())[:12]
    if not path.is_file():
        return True
    provenance = FaceAnalysis.from_json(path.read_text(encoding="utf-8")).provenance
    return provenance is None or digest not in provenance.writer


def compact_example(path: Path) -> str:
    """The bundled picture as the shipped model explains it, on a terminal."""
    return _shown(FaceAnalysis.from_json(path.read_text(encoding="utf-8")))


def example(path: Path) -> str:
    """The bundled picture as `expllm analyze --model offline` shows it on a terminal."""
    return _shown(read_example(path))


def _shown(analysis: FaceAnalysis) -> str:
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH, no_color=True, highlight=False, color_system=None)
    console.print(analysis_view([analysis]))
    return f"```text\n{_trimmed(buffer.getvalue())}\n```"


def example_python(path: Path) -> str:
    """The same from Python; figures are rounded, as the last digits differ between processors."""
    found = FaceAnalysis.from_json(path.read_text(encoding="utf-8"))
    probability = (found.probabilities or {})[found.expression] if found.expression else 0.0
    aus = found.aus or AUVector()
    smile = aus["left lip corner pull"] or 0.0
    assert aus["cheeks puff"] is None
    return "\n".join(
        (
            "```python",
            "import expllm",
            "",
            f'for face in expllm.analyze("{PICTURE}"):',
            f"    print(face.expression)  # {found.expression}",
            f'    print(f"{{face.probabilities[face.expression]:.2f}}")  # {probability:.2f}',
            f"    print(f\"{{face.aus['left lip corner pull']:.2f}}\")  # {smile:.2f}",
            '    print(face.aus["cheeks puff"])  # None: not measured',
            "    print(face.cot.key_observations)",
            "```",
        )
    )


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def _column(column: str) -> tuple[str, str, str]:
    """Name, type and meaning of a column, or of the family that it belongs to."""
    if column in AU_NAMES:
        first, last = f"`{AU_NAMES[0]}`", f"`{AU_NAMES[-1]}`"
        return (
            f"{first} ... {last} ({len(AU_NAMES)})",
            "number",
            "intensity of each action unit, 0-1; empty: not measured",
        )
    if column.startswith("prob_"):
        first, *_, last = (f"`prob_{label}`" for label in Expression)
        return f"{first} ... {last} ({len(Expression)})", "number", "probability of each expression, 0-1"
    kind = "integer" if column in INTEGER_COLUMNS else "text" if column in TEXT_COLUMNS else "number"
    return f"`{column}`", kind, COLUMN_NOTES[column]
