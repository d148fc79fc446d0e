"""What the commands print: analyses and action units for a terminal.

Texts come from outside (file names, a model's words), so they are `Text`, never markup, and without
control characters. Where the terminal's encoding is not UTF-8, bars and frames are ASCII.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from expllm.core.errors import one_line
from expllm.core.vocabulary import ACTION_UNITS, ActionUnit, AUVector
from expllm.report import rows

if TYPE_CHECKING:
    from expllm.core.records import Explanation, FaceAnalysis

_Justify: TypeAlias = Literal["left", "center", "right"]
_Draw: TypeAlias = "Callable[[FaceAnalysis, _Screen], RenderableType]"
_WIDE: Final = 110  # columns from which the bars stand beside the explanation
_NARROW: Final = 54  # columns below which there is no room for two sides in a row
_LONGEST_LINE: Final = 132  # wider terminals get a margin, not longer lines
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_RIGHT, _LEFT, _WHOLE = "cyan", "yellow", "bright_blue"


def analysis_view(analyses: "Sequence[FaceAnalysis]", *, verbose: bool = False) -> RenderableType:
    """Everything that is said of each face, in the order given, with a heading an input.

    Args:
        analyses: Any number of them; those of one input stand together.
        verbose: Show all 31 action units, not only those above 0.05.
    """
    return _View(analyses, lambda analysis, screen: _face(analysis, screen, verbose))


def aus_view(analyses: "Sequence[FaceAnalysis]") -> RenderableType:
    """A table of the 31 action units for each face: FEAFA number, name, FACS numbers, intensity 0-1."""
    return _View(analyses, _au_table)


def vocabulary_view() -> RenderableType:
    """The 31 action units: FEAFA number, name, FACS numbers, and the blendshapes that measure each."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading in ("no.", "action unit", "FACS", "blendshapes"):
        table.add_column(heading, justify="right" if heading == "no." else "left", overflow="fold")
    for au in ACTION_UNITS:
        table.add_row(_number(au), au.name, _facs(au), ", ".join(au.arkit))
    return table


class _View:
    """Headings and faces, drawn when the console is known: its width and its encoding."""

    def __init__(self, analyses: "Sequence[FaceAnalysis]", draw: _Draw) -> None:
        self.analyses = analyses
        self.draw = draw

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        heading = ""
        screen = _Screen(min(options.max_width, _LONGEST_LINE), options.ascii_only)
        for analysis in self.analyses:
            name = rows.name_text(analysis)
            if name != heading:
                yield screen.text(name, "bold")
                heading = name
            sentence = rows.status_text(analysis)
            if analysis.status == "no_face":
                sentence = " ".join((sentence or "", *analysis.warnings))
            if sentence is None:
                yield self.draw(analysis, screen)
            else:
                which = f"{rows.face_text(analysis)}: " if analysis.box else ""
                style = "red" if analysis.status == "error" else "yellow"
                yield Padding(screen.text(which + sentence, style), (0, 2))
                if analysis.status == "no_face":
                    yield from (Padding(screen.text(text, "yellow"), (0, 2)) for text in analysis.warnings)


class _Screen:
    """A terminal's width (columns) and whether it shows more than ASCII."""

    def __init__(self, width: int, ascii_only: bool) -> None:
        self.width = width
        self.ascii_only = ascii_only

    def text(self, content: str, style: str = "") -> Text:
        """Foreign words as they are, without markup, control characters or what the encoding lacks."""
        printable = one_line(content)
        if self.ascii_only:
            printable = printable.encode("ascii", "backslashreplace").decode("ascii")
        return Text(printable, style=style)

    def bar(self, value: float | None, width: int, style: str, *, backwards: bool = False) -> Text:
        """A bar of `width` columns for `value` (0-1), or words where it was not measured."""
        if value is None:
            return Text(rows.NOT_MEASURED, style="dim", justify="right" if backwards else "left")
        if self.ascii_only:
            drawn = "#" * round(value * width) or "|"  # zero is a line, not nothing
        elif backwards:  # no character fills eighths of a cell from its right edge
            drawn = "█" * round(value * width) or "▕"
        else:
            full, rest = divmod(round(value * width * 8), 8)
            drawn = ("█" * full + _EIGHTHS[rest]).rstrip() or "▏"
        return Text(drawn.rjust(width) if backwards else drawn.ljust(width), style=style)


def _face(analysis: "FaceAnalysis", screen: _Screen, verbose: bool) -> RenderableType:
    inner = screen.width - 4  # frame and padding of the panel
    wide = screen.width >= _WIDE
    across = (inner - 4) * 11 // 20 if wide else inner
    bars = _bars(analysis, screen, across, verbose)
    words = _words(analysis, screen)
    body: RenderableType = Group(bars, Text(), words)
    if wide:
        body = Table.grid(padding=(0, 4, 0, 0))
        body.add_column(width=across)
        body.add_column(width=inner - 4 - across)
        body.add_row(bars, words)
    title = f"{rows.face_text(analysis)}: {rows.label_text(analysis)}"
    probability = rows.label_probability(analysis)
    if probability is not None:
        title += f" {rows.percent_text(probability)}"
    return Panel(body, title=screen.text(title, "bold"), title_align="left", box=ROUNDED, width=screen.width)


def _bars(analysis: "FaceAnalysis", screen: _Screen, width: int, verbose: bool) -> RenderableType:
    """Probabilities and action units in `width` columns."""
    parts: list[RenderableType] = []
    if analysis.probabilities:
        parts += [_probabilities(analysis, screen, width), Text()]
    return Group(*parts, *_units(analysis, screen, width, verbose))


def _probabilities(analysis: "FaceAnalysis", screen: _Screen, width: int) -> Table:
    table = _grid(("left", 18), ("right", 5), ("left", width - 18 - 5 - 4))
    for expression, value in rows.ranked_expressions(analysis):
        chosen = "bold" if expression == analysis.expression else ""
        bar = screen.bar(value, width - 18 - 5 - 4, "green" if chosen else "")
        table.add_row(Text(expression.value, chosen), Text(rows.percent_text(value), chosen), bar)
    return table


def _units(analysis: "FaceAnalysis", screen: _Screen, width: int, verbose: bool) -> Iterable[RenderableType]:
    aus = rows.intensities(analysis)
    shown = set(aus) if verbose else set(aus.active(rows.SHOWN_ABOVE))
    unknown = [name for name in aus if aus[name] is None]
    if width < _NARROW:
        yield from (Text(f"{rows.intensity_text(aus[name])} {name}") for name in aus if name in shown)
    else:
        yield from _pairs(aus, shown, screen, width)
        yield from _whole(aus, shown, screen, width)
    if not shown:
        yield Text(f"no measured action unit is above {rows.SHOWN_ABOVE:.2f}")
    quiet = len(aus.measured) - len(shown)
    if not verbose and shown and quiet:
        yield Text(f"{quiet} more at {rows.SHOWN_ABOVE:.2f} or below", "dim")
    if unknown:
        yield Text(f"{rows.NOT_MEASURED}: {', '.join(unknown)}", "dim")


def _pairs(aus: AUVector, shown: set[str], screen: _Screen, width: int) -> Iterable[RenderableType]:
    pairs = [row for row in rows.PAIRS if shown & set(row[1:])]
    side = (width - 18 - 2 * 4 - 8) // 2
    table = _grid(("right", side), ("right", 4), ("center", 18), ("left", 4), ("left", side))
    table.add_row(Text("subject's right", _RIGHT), "", "", "", Text("subject's left", _LEFT))
    for action, right, left in pairs:
        table.add_row(
            screen.bar(aus[right], side, _RIGHT, backwards=True), _value(aus[right]), Text(action),
            _value(aus[left]), screen.bar(aus[left], side, _LEFT),
        )  # fmt: skip
    return [table] if pairs else []


def _whole(aus: AUVector, shown: set[str], screen: _Screen, width: int) -> Iterable[RenderableType]:
    names = [name for name in rows.SIDELESS_UNITS if name in shown]
    across = width - 18 - 5 - 4
    table = _grid(("left", 18), ("right", 5), ("left", across))
    table.add_row(Text("whole face", "dim"))
    for name in names:
        table.add_row(Text(name), _value(aus[name]), screen.bar(aus[name], across, _WHOLE))
    return [table] if names else []


def _words(analysis: "FaceAnalysis", screen: _Screen) -> RenderableType:
    """The explanation, the warnings, and who wrote it."""
    parts: list[RenderableType] = []
    unread = _unread(analysis.explanation)
    if analysis.cot is not None:
        for heading, part in zip(analysis.cot.HEADINGS, analysis.cot.parts, strict=True):
            parts += [Text(heading, "bold"), _underlined(part, unread, screen), Text()]
    if analysis.explanation is not None:
        parts += _checked(analysis, analysis.explanation, screen)
    parts += [screen.text(f"warning: {warning}", "yellow") for warning in analysis.warnings]
    if analysis.provenance is not None:
        parts.append(screen.text(rows.writer_text(analysis.provenance), "dim"))
    return Group(*parts)


def _unread(explanation: "Explanation | None") -> list[str]:
    """Sentences of a model's text that the audit could not read."""
    grounding = explanation.grounding if explanation else None
    return [" ".join(passage.text.split()) for passage in grounding.unread] if grounding else []


def _underlined(part: str, unread: Sequence[str], screen: _Screen) -> Text:
    """A part of a text, what the audit could not read underlined."""
    text = screen.text(" ".join(part.split()))
    text.highlight_words((screen.text(sentence).plain for sentence in unread), "underline")
    return text


def _checked(
    analysis: "FaceAnalysis", explanation: "Explanation", screen: _Screen
) -> Iterable[RenderableType]:
    """What the checks of a model's text found; and the text, where it does not have the three parts."""
    unread = _unread(explanation)
    if analysis.cot is None and explanation.text is not None:
        yield from (Text("Answer", "bold"), _underlined(explanation.text, unread, screen), Text())
    for sentence in rows.check_texts(explanation, analysis.expression):
        wrong = explanation.agree is False or explanation.problem is not None
        yield screen.text(sentence, "yellow" if wrong else "")
    # Named as well as underlined: a file and a screen without styles show no line.
    yield from (screen.text(f'not read: "{sentence}"', "underline") for sentence in unread)
    yield Text()


def _au_table(analysis: "FaceAnalysis", screen: _Screen) -> RenderableType:
    aus = rows.intensities(analysis)
    width = max(12, min(40, screen.width - 62))
    title = screen.text(rows.face_text(analysis), "bold")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("no.", justify="right")
    table.add_column("action unit", min_width=24, overflow="fold")
    table.add_column("FACS")
    table.add_column("0-1", justify="right", min_width=4)
    table.add_column("likely", style="dim", min_width=9)
    table.add_column("", min_width=width, overflow="crop", no_wrap=True)
    for au in ACTION_UNITS:
        side = au.side or au.direction
        style = _WHOLE if side is None else _RIGHT if side == "right" else _LEFT
        value = aus[au.name]
        bar = screen.bar(value, width, style)
        table.add_row(_number(au), Text(au.name), _facs(au), _value(value), _band(analysis, au.name), bar)
    return Group(table, *(screen.text(f"warning: {warning}", "yellow") for warning in analysis.warnings))


def _number(au: ActionUnit) -> str:
    """FEAFA's number; none for a unit that only FACS has."""
    return "" if au.number is None else str(au.number)


def _facs(au: ActionUnit) -> str:
    return "+".join(str(number) for number in au.facs)


def _band(analysis: "FaceAnalysis", name: str) -> str:
    """Between what the unit probably lies; nothing where that is not known."""
    reading = rows.reading_of(analysis, name)
    if reading is None or reading.low is None or reading.high is None:
        return ""
    return f"{reading.low:.2f}-{reading.high:.2f}"


def _value(value: float | None) -> Text:
    return Text("" if value is None else rows.intensity_text(value))


def _grid(*columns: tuple[_Justify, int]) -> Table:
    """A borderless table with columns of fixed width."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify, width in columns:
        # Cropped, as Rich's ellipsis is no ASCII character.
        table.add_column(justify=justify, width=max(1, width), no_wrap=True, overflow="crop")
    return table
