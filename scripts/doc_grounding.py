"""The figures of the grounding audit as tables, from docs/grounding.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from doc_parts import table

FIGURES: Final = Path(__file__).parents[1] / "docs" / "grounding.json"
WHERE: Final = {"units": "in the units", "text": "in the text"}


def _figures() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def verdicts() -> str:
    """What the audit says to the published texts, by half, and to the package's own writer."""
    figures = _figures()
    columns = {
        "all texts": "all",
        "chosen on": "development",
        "only read": "check",
        "offline writer": "offline",
    }
    sets = [figures[key] for key in columns.values()]
    rows = [
        ["texts", *(f"{one['texts']:,}" for one in sets)],
        ["claims", *(f"{one['claims']:,}" for one in sets)],
    ]
    for verdict in figures["all"]["verdicts"]:
        rows.append([verdict, *(_share(one["verdicts"][verdict], one["claims"]) for one in sets)])
    rows += [
        ["mean precision", *(f"{one['precision']:.3f}" for one in sets)],
        ["mean recall", *(f"{one['recall']:.3f}" for one in sets)],
        ["texts that claim what is refuted", *(_share(one["texts_refuted"], one["texts"]) for one in sets)],
        ["label in the conclusion", *(_share(one["label_in_conclusion"], one["texts"]) for one in sets)],
        ["another label instead", *(_share(one["label_conflicts"], one["texts"]) for one in sets)],
    ]
    return table(["", *columns], rows)


def faults() -> str:
    """Faults that were put in and noticed, by kind and half."""
    found = _figures()["faults"]
    rows = [
        [kind, words, *(_noticed(found[half][where].get(kind, [0, 0])) for half in ("development", "check"))]
        for where, words in WHERE.items()
        for kind in found["check"][where]
    ]
    return table(["fault", "put", "chosen on", "only read"], rows)


def judged() -> str:
    """The audit beside the verdicts by hand, as first judged and as it is now."""
    hand = _figures()["hand"]
    sets = [hand["first"], hand["now"]]
    names = {
        "alarms (not supported, though it could be checked)": "alarms",
        "**false alarms**": "false_alarms",
        "wrong by hand": "wrong",
        "wrong by hand, yet supported": "wrong_but_supported",
        "read where the text claims nothing, or another thing": "misread",
        "read since, not judged": "unjudged",
    }
    rows = [["claims", *(str(one["claims"]) for one in sets)]]
    rows += [[name, *(_share(one[key], one["claims"]) for one in sets)] for name, key in names.items()]
    return table([f"{hand['texts']} texts", "when judged", "now"], rows)


def _share(count: int, of: int) -> str:
    return f"{count:,} ({100 * count / max(of, 1):.1f} %)"


def _noticed(pair: list[int]) -> str:
    return f"{pair[0]:,} of {pair[1]:,} ({100 * pair[0] / max(pair[1], 1):.1f} %)"
