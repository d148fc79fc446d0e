"""The parts of the docs that come from the figures in the shipped JSON: the two model cards."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from doc_parts import table

from expllm.core.vocabulary import ACTION_UNITS, AUSource
from expllm.faces.au_classifier import FITTED, read_asset
from expllm.faces.au_reader import load_calibration
from expllm.faces.pixel_reader import UnitTable, load_units

FIGURES: Final = {
    "renders_pearson": "r",
    "renders_spearman": "rho",
    "renders_auc": "AUC",
    "renders_leak": "leak",
    "renders_strong": "strong",
    "ladder_rise_of_scale": "rise",
    "neutral_p50": "rest, median",
    "neutral_p90": "rest, 90 %",
    "neutral_p95": "rest, 95 %",
    "all_p99": "all, 99 %",
    "yaw_spearman": "abs. rho with yaw",
    "pitch_spearman": "abs. rho with pitch",
}
"""Figure of a unit -> heading of its column; explained beside the table."""

SETS: Final = {
    "ferplus_valid": "FER+ valid",
    "ferplus_test": "FER+ test",
    "portraits_held_out": "portraits, held-out identities",
}
SOURCE_PARTS: Final = {"measured_faces": "faces that were measured", "read_from_pixels": "read from pixels"}
DOCS: Final = Path(__file__).parents[1] / "docs"
UNFITTED: Final = "*Not fitted yet for the network that ships: `make fit-units` does it.*"
LEVELS: Final = (0.0, 0.2, 0.6)
CARD: Final = ("what", "as it stands in the asset")
BLENDSHAPE_UNITS: Final = [au for au in ACTION_UNITS if au.number is not None]
"""Those that the calibration of the blendshapes speaks of: FEAFA's."""
PARTS: Final = {"measured_faces": "faces that were measured", "all_rows": "all rows"}


def au_card() -> str:
    """Where the constants of the AU reader come from."""
    return table(CARD, [(key.replace("_", " "), _text(value)) for key, value in _au("card").items()])


def au_constants() -> str:
    """How every measured unit is read."""
    rows = []
    for au in BLENDSHAPE_UNITS:
        entry = _au("aus")[au.name]
        if entry["measured"]:
            rows.append((au.number, au.name, *_constants(entry)))
    return table(("no.", "unit", "score", "dead zone", "full scale", "full scale from"), rows)


def au_figures() -> str:
    """How well every measured unit is read, as far as that is known."""
    entries = {au.name: _au("aus")[au.name] for au in BLENDSHAPE_UNITS}
    measured = {name: entry["figures"] for name, entry in entries.items() if entry["measured"]}
    keys = [key for key in FIGURES if any(key in figures for figures in measured.values())]
    rows = [(name, *(_figure(key, f) for key in keys), _labels(f)) for name, f in measured.items()]
    heads = ("unit", *(FIGURES[key] for key in keys), "AUC on FER+ faces")
    return table(heads, rows)


def au_rejected() -> str:
    """What was tried for the units that are not measured, and why it was not good enough."""
    rows = []
    for au in BLENDSHAPE_UNITS:
        entry = _au("aus")[au.name]
        if not entry["measured"]:
            tried = entry.get("tried")
            figures = entry.get("figures", {})
            rows.append(
                (
                    au.number,
                    au.name,
                    _formula(tried) if tried else "-",
                    _figure("renders_pearson", figures),
                    _figure("renders_auc", figures),
                    entry.get("reason", "-"),
                )
            )
    return table(("no.", "unit", "tried", "r", "AUC", "why it is not measured"), rows)


def au_sources() -> str:
    """What each action is read from if pixels are read as well, and on what evidence."""
    rows = []
    for action, entry in load_units()["actions"].items():
        figures = entry["figures"]
        used = [f"{name} {share:.1f}" for name, share in entry["weights"].items() if share]
        rows.append(
            (
                action,
                ", ".join(used) or "**not measured**",
                *(_two(figures.get(name)) for name in ("r_ferplus", "r_portraits", "flip_r_portraits")),
                _labels_of(figures.get("labels", {})),
                _labels_of(figures.get("labels_blendshapes", {})),
                ", ".join(f"{one['top']} / {one['random']}" for one in figures["raters"].values()) or "-",
                "-" if entry["error"] is None else f"{entry['error']:.2f}",
            )
        )
    heads = (
        "action", "read from (share)", "r, FER+", "r, portraits", "mirror r", "AUC of pixels",
        "AUC of blendshapes", "raters: top / random", "error",
    )  # fmt: skip
    return table(heads, rows)


def au_conditions(part: str) -> str:
    """How readings from pixels bear turned heads and bad pictures."""
    tables = json.loads((DOCS / "au_conditions.json").read_text(encoding="utf-8"))
    heads, *rows = tables[part]
    return table(heads, rows)


def au_groups() -> str:
    """By how much readings of the same movements differ between rendered heads."""
    pairs = json.loads((DOCS / "au_groups.json").read_text(encoding="utf-8"))
    names = dict.fromkeys(name for found in pairs.values() for name in found)
    rows = [(name, *(group_cell(found.get(name, {})) for found in pairs.values())) for name in names]
    return table(("", *pairs), rows)


def group_cell(found: dict[str, Any]) -> str:
    """`+0.05 (0.01-0.09)`."""
    if "mean" not in found:
        return "-"
    if "low" not in found:
        return f"{found['mean']:+.2f}"
    text = f"{found['mean']:+.2f} ({found['low']:+.2f} to {found['high']:+.2f})"
    return f"**{text}**" if found["low"] > 0 or found["high"] < 0 else text


def au_bands() -> str:
    """Of each action that has them: the band around a reading of 0, of 0.2 and of 0.6, from both sources."""
    rows = []
    for name, action in UnitTable().actions.items():
        band = action.bands.get(action.source(seen=True))
        if band is not None and any(action.weights):
            ends = [band.around(level) for level in LEVELS]
            rows.append(
                (name, str(action.source(seen=True)), *(f"{low:.2f}-{high:.2f}" for low, high in ends))
            )
    return table(("action", "read from", *(f"a reading of {level:g}" for level in LEVELS)), rows)


def au_sources_card() -> str:
    """Where the table of sources comes from."""
    return table(CARD, [(key.replace("_", " "), _text(value)) for key, value in load_units()["card"].items()])


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _labels_of(labels: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in labels.items()) or "-"


def classifier_card() -> str:
    """What the classifier was fitted on, and how it was chosen."""
    card = dict(_classifier("card"))
    for told_elsewhere in ("results", "limits", "trials_on_validation"):
        card.pop(told_elsewhere, None)
    rows = [(key.replace("_", " "), _text(value)) for key, value in card.items()]
    rows.append(("trials on validation", _text(len(_classifier("card")["trials_on_validation"]))))
    for count, model in _classifier("models").items():
        size = f"{len(model['weights'])} terms, {len(model['missing'])} action units"
        rows.append((f"model of {count} expressions", f"`{model['identity']}`: {size}"))
    return table(CARD, rows)


def classifier_sources() -> str:
    """How well labels from each source of action units are."""
    rows = []
    for source in FITTED:
        for count, results in read_asset(source)["card"]["results"].items():
            for name in [name for name in SETS if name in results]:
                rows += [
                    (f"`{source}`", count, SETS[name], title, found["rows"], *_ranges(found), found["ece"])
                    for key, title in SOURCE_PARTS.items()
                    if (found := results[name].get(key)) is not None
                ]
    heads = ("source", "labels", "set", "counted", "rows", "accuracy (95 %)", "macro-F1 (95 %)", "ECE")
    return table(heads, rows)


def classifier_source_cards() -> str:
    """What the classifiers of pixels were fitted on."""
    if len(FITTED) == 1:
        return UNFITTED
    cards = {source: read_asset(source)["card"] for source in FITTED if source is not AUSource.BLENDSHAPES}
    told = ("date", "au_reader", "network", "portraits", "monotone", "data", "setting")
    rows = [(key.replace("_", " "), *(_text(card.get(key)) for card in cards.values())) for key in told]
    return table(("what", *(f"`{source}`" for source in cards)), rows)


def classifier_source_classes() -> str:
    """Each class on FER+ valid, from both sources."""
    if AUSource.BOTH not in FITTED:
        return UNFITTED
    found = read_asset(AUSource.BOTH)["card"]["results"]["8"]["ferplus_valid"]["measured_faces"]
    return _classes(found)


def _ranges(found: Mapping[str, Any]) -> tuple[str, str]:
    """Accuracy and macro-F1 with their intervals, as far as they are known."""
    texts = []
    for key in ("accuracy", "macro_f1"):
        low, high = found.get(f"{key}_95", (None, None))
        texts.append(_percent(found[key]) + ("" if low is None else f" ({100 * low:.1f}-{100 * high:.1f})"))
    return texts[0], texts[1]


def classifier_limits() -> str:
    """What the card warns of."""
    return "\n".join(f"* {limit}" for limit in _classifier("card")["limits"])


def classifier_figures() -> str:
    """Accuracy and the rest on every set, then each class and the confusions on FER+ test."""
    parts = []
    for count, results in _results().items():
        parts.append(f"### {count} expressions\n\n{_sets(results)}")
        for name, title in SETS.items():
            if name == "ferplus_valid":  # it chose the settings: its figures flatter
                continue
            found = results[name]["measured_faces"]
            parts.append(f"#### {title}, {count} expressions, measured faces\n\n{_classes(found)}")
            parts.append(f"Rows are the viewers' label, columns the answer:\n\n{_confusion(found)}")
    return "\n\n".join(parts)


def classifier_compared() -> str:
    """The same regression on other inputs."""
    rows = []
    for count, results in _results().items():
        own = {name: results[name] for name in SETS if name in results}
        for title, figures in {"this classifier": own, **results["compared"]}.items():
            for name in [key for key in SETS if key in figures and key != "ferplus_valid"]:
                both = [figures[name][part] for part in PARTS]
                shares = [_percent(part[key]) for part in both for key in ("accuracy", "macro_f1")]
                rows.append((count, title, SETS[name], *shares))
    heads = ("labels", "input", "set", "accuracy", "macro-F1", "accuracy, all rows", "macro-F1, all rows")
    return table(heads, rows)


def classifier_errors() -> str:
    """For a reader who decides something: how often each answer is wrong on FER+ test."""
    found = _results()["8"]["ferplus_test"]["measured_faces"]
    names = list(found["per_class"])
    rows = []
    for i, (name, one) in enumerate(found["per_class"].items()):
        wrong = [(count, names[j]) for j, count in enumerate(found["confusion"][i]) if j != i]
        often = ", ".join(f"{label} ({count})" for count, label in sorted(wrong, reverse=True)[:2] if count)
        missed, false = _missing_part(one["recall"]), _missing_part(one["precision"])
        rows.append((name, one["rows"], missed, false, often or "-"))
    heads = ("expression", "faces", "missed", "wrong when answered", "most often taken for (faces)")
    return table(heads, rows)


def _au(key: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = load_calibration()[key]
    return found


def _classifier(key: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = read_asset()[key]
    return found


def _results() -> Mapping[str, Any]:
    found: Mapping[str, Any] = _classifier("card")["results"]
    return found


def _constants(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return _formula(entry), _text(entry["dead_zone"]), _text(entry["full_scale"]), str(entry["scale_from"])


def _formula(entry: Mapping[str, Any]) -> str:
    """`eyeBlinkLeft - 0.45 eyeLookDownLeft`."""
    text = ""
    for name, weight in entry["channels"].items():
        sign = " - " if weight < 0 else " + "
        text += f"{sign}{'' if abs(weight) == 1 else f'{abs(weight):g} '}{name}"
    text = text.removeprefix(" + ").replace(" - ", "-", 1) if text.startswith(" - ") else text[3:]
    return f"`{text}`" if entry["combine"] == "sum" else f"`max of {text.replace(' + ', ', ')}`"


def _figure(key: str, figures: Mapping[str, float]) -> str:
    if key not in figures:
        return "-"
    value = abs(figures[key]) if "abs." in FIGURES[key] else figures[key]
    return f"{value:.2f}"


def _labels(figures: Mapping[str, float]) -> str:
    known = {k.removeprefix("ferplus_auc_"): v for k, v in figures.items() if k.startswith("ferplus_auc_")}
    return ", ".join(f"{label} {value:.2f}" for label, value in known.items()) or "-"


def _sets(results: Mapping[str, Any]) -> str:
    rows = []
    for name, title in SETS.items():
        for part, which in PARTS.items():
            found = results[name][part]
            low, high = found["accuracy_95"]
            accuracy = f"{_percent(found['accuracy'])} ({100 * low:.1f}-{100 * high:.1f})"
            rows.append(
                (title, which, found["rows"], accuracy, _percent(found["macro_f1"]), found["nll"],
                 found["ece"], _percent(found["majority_class_accuracy"]))
            )  # fmt: skip
    heads = ("set", "counted", "rows", "accuracy (95 %)", "macro-F1", "NLL", "ECE", "largest class")
    return table(heads, rows)


def _classes(found: Mapping[str, Any]) -> str:
    rows = [
        (name, one["rows"], *(_percent(one[key]) for key in ("precision", "recall", "f1")))
        for name, one in found["per_class"].items()
    ]
    return table(("expression", "rows", "precision", "recall", "F1"), rows)


def _confusion(found: Mapping[str, Any]) -> str:
    names = list(found["per_class"])
    return table(("", *names), [(name, *row) for name, row in zip(names, found["confusion"], strict=True)])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _missing_part(share: float | None) -> str:
    return "never answered" if share is None else f"{100 * (1 - share):.0f} %"


def _text(value: object) -> str:
    """A value of a card in one cell."""
    if isinstance(value, Mapping):
        return "; ".join(f"{_inner(key, one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 1 else f"{value:g}"
    return "-" if value is None else str(value).replace("../shared/data", "DATA")


def _inner(key: str, value: object) -> str:
    name = key.replace("_", " ")
    return (
        f"{name} ({_text(value).replace(';', ',')})"
        if isinstance(value, Mapping)
        else f"{name}: {_text(value)}"
    )
