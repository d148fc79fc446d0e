"""Writes the generated parts of the docs and README from the code and its assets, or checks them.

    python scripts/make_docs.py            # write what is stale; reads the bundled picture again
    python scripts/make_docs.py --check    # write nothing; exit 1 and name each part that is stale

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; the names are those of
`PARTS`. The example's measurements are kept in docs/example.json, so that a check needs no MediaPipe and a
processor that rounds otherwise makes nothing stale; the text of the model that ships is kept beside them, in
docs/example_compact.json, and asked for again when other weights ship. The model card is copied to the
weights.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import doc_cards
import doc_chat
import doc_grounding
import doc_meanings
import doc_parts

from expllm.core.errors import ExpllmError

ROOT: Final = Path(__file__).parents[1]
EXAMPLE: Final = ROOT / "docs" / "example.json"
COMPACT_EXAMPLE: Final = ROOT / "docs" / "example_compact.json"
CARD: Final = ROOT / "docs" / "model_card.md"
CARD_OF_WEIGHTS: Final = ROOT / "src" / "expllm" / "assets" / "compact" / "README.md"
COMMAND: Final = "python scripts/make_docs.py"

PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "action-units": doc_parts.action_units,
    "au-changed": partial(doc_cards.au_conditions, "changed"),
    "au-turned": partial(doc_cards.au_conditions, "turned"),
    "au-bands": doc_cards.au_bands,
    "au-card": doc_cards.au_card,
    "au-constants": doc_cards.au_constants,
    "au-figures": doc_cards.au_figures,
    "au-rejected": doc_cards.au_rejected,
    "au-groups": doc_cards.au_groups,
    "au-sources": doc_cards.au_sources,
    "au-sources-card": doc_cards.au_sources_card,
    "chat-dialects": doc_chat.dialects,
    "chat-errors-of-all": doc_chat.errors_of_all,
    "chat-errors-of-one": doc_chat.errors_of_one,
    "classifier-card": doc_cards.classifier_card,
    "classifier-compared": doc_cards.classifier_compared,
    "classifier-errors": doc_cards.classifier_errors,
    "classifier-figures": doc_cards.classifier_figures,
    "classifier-limits": doc_cards.classifier_limits,
    "classifier-source-cards": doc_cards.classifier_source_cards,
    "classifier-source-classes": doc_cards.classifier_source_classes,
    "classifier-sources": doc_cards.classifier_sources,
    "cli": doc_parts.command_lines,
    "columns": doc_parts.columns,
    "degrees": doc_parts.degrees,
    "example-compact": lambda: doc_parts.compact_example(COMPACT_EXAMPLE),
    "example": lambda: doc_parts.example(EXAMPLE),
    "example-python": lambda: doc_parts.example_python(COMPACT_EXAMPLE),
    "exit-codes": doc_parts.exit_codes,
    "grounding-faults": doc_grounding.faults,
    "grounding-hand": doc_grounding.judged,
    "grounding-verdicts": doc_grounding.verdicts,
    "input-limits": doc_parts.input_limits,
    "labels": doc_parts.labels,
    "meanings": doc_meanings.meanings,
    "meanings-pairs": doc_meanings.combinations,
    "meanings-sources": doc_meanings.sources,
    "synonyms": doc_parts.synonyms,
}

PART = re.compile(
    r"^(?P<head><!-- generated: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(?P<tail>^<!-- end -->)",
    re.DOTALL | re.MULTILINE,
)


def pages() -> list[Path]:
    """Every page that may hold generated parts."""
    return [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]


def updated(text: str) -> tuple[str, list[str]]:
    """A page with every part as it should be, and the names of the parts that were not."""
    stale = []

    def renew(found: re.Match[str]) -> str:
        name = found["name"]
        body = f"\n{PARTS[name]().strip()}\n\n" if name in PARTS else found["body"]
        if body != found["body"] or name not in PARTS:
            stale.append(name)
        return found["head"] + body + found["tail"]

    return PART.sub(renew, text), stale


def card_of_weights() -> str:
    """The model card for whoever has the weights' folder alone: links and pictures lead nowhere there."""
    text = re.sub(r"^!\[.*\n", "", CARD.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", text)


def check() -> list[str]:
    """Every problem, one line each, with the command that mends it."""
    problems = []
    used: set[str] = set()
    for page in pages():
        text = page.read_text(encoding="utf-8")
        where = page.relative_to(ROOT)
        used |= {found["name"] for found in PART.finditer(text)}
        for name in updated(text)[1]:
            mend = f"run {COMMAND}" if name in PARTS else f"known are {', '.join(PARTS)}"
            what = "is stale" if name in PARTS else "is not known"
            problems.append(f"{where}: part {name!r} {what}: {mend}")
        if len(re.findall("^<!-- generated:", text, re.MULTILINE)) != len(PART.findall(text)):
            problems.append(f"{where}: a generated part has no end: add <!-- end -->")
    problems += [f"docs: no page shows the part {name!r}" for name in PARTS if name not in used]
    if doc_parts.example_is_stale(EXAMPLE):
        problems.append(f"docs/example.json: the explanation is stale: run {COMMAND}")
    if doc_parts.compact_is_stale(COMPACT_EXAMPLE):
        problems.append(f"docs/example_compact.json: other weights ship now: run {COMMAND}")
    if not CARD_OF_WEIGHTS.is_file() or CARD_OF_WEIGHTS.read_text(encoding="utf-8") != card_of_weights():
        problems.append(f"{CARD_OF_WEIGHTS.relative_to(ROOT)}: is no copy of the model card: run {COMMAND}")
    return problems


def write() -> None:
    """Measures the bundled picture and writes every page that has a stale part."""
    doc_parts.measure_example(ROOT, EXAMPLE)
    doc_parts.ask_compact(ROOT, COMPACT_EXAMPLE)
    for page in pages():
        text, stale = updated(page.read_text(encoding="utf-8"))
        if stale:
            page.write_text(text, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: {', '.join(stale)}")
    CARD_OF_WEIGHTS.write_text(card_of_weights(), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything is stale")
    options = parser.parse_args()
    try:
        if not options.check:
            write()
        problems = check()
    except (ExpllmError, OSError, KeyError) as error:
        problems = [f"cannot make the docs: {type(error).__name__}: {error}"]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
