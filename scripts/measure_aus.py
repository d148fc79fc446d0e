"""How well action units are read from photographs: against the published models, votes and blind ratings.

    python scripts/measure_aus.py --data ../shared/data

Faces are found and measured as `expllm aus --au-source both` does it, on FER+ valid and on portraits of
people whom nobody learned from (`--test`: FER+ test, once per finished reader). *flip r* is the agreement of
what the network says of each crop alone and of its mirror image alone. A unit that the shipped table calls
measured has to pass the rule of `au_evidence`; those that do not are named, and the end is 1. The last column
says what speaks for a unit; units that only blendshapes read and that neither labels nor raters speak for are
taken from their calibration (`calibrate_aus.py`), and counted apart.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from au_evidence import (
    LEAST_AUC,
    LEAST_FLIP,
    LEAST_R,
    LEAST_SEEN,
    SLACK,
    Rating,
    by_labels,
    by_raters,
    correlation,
    ratings,
)
from au_readings import Array, Read
from tower_faces import LABELS, OTHERS

from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES, AUSource
from expllm.data.people import people_part
from expllm.faces.crops import upright_crop
from expllm.faces.finder import FaceFinder
from expllm.faces.pixel_reader import PixelReader, Ramp, UnitReader, load_units
from expllm.faces.unit_network import CHANNELS, CROP_SIDE, FACS, face_net
from expllm.files.images import open_image
from expllm.files.progress import Progress

_SETS: Final = ("ferplus", "portraits")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--test", action="store_true", help="read FER+ test instead of FER+ valid")
    parser.add_argument("--limit", type=int, help="faces of each set")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    sets = {"ferplus": f"ferplus_{'test' if options.test else 'valid'}", "portraits": "portraits_train"}
    measured = {name: measure(options.data, stem, options.limit) for name, stem in sets.items()}
    rated = ratings(options.data / "blind_ratings.csv")
    table = load_units()["actions"]
    rows = [figures(action, entry, measured, rated) for action, entry in table.items()]
    show(rows, {name: len(one.label) for name, one in measured.items()})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"\n{summary(rows)}")
    failing = [row["action"] for row in rows if row["measured"] and not row["passes"]]
    if failing:
        raise SystemExit(f"called measured, and breaks the rule: {', '.join(failing)}")


@dataclass(frozen=True)
class Measured(Read):
    """Faces as they were measured; `straight` and `flipped` are what the network says of either look alone.

    Attributes:
        joined: [N, 31] what is read from both sources.
        shapes: [N, 31] what is read from blendshapes alone.
    """

    joined: Array
    shapes: Array


def measure(data: Path, stem: str, limit: int | None) -> Measured:
    """Every face that the teacher could be trusted on, as it is found and read."""
    readings = pq.read_table(data / f"au_readings_{stem}.parquet").to_pydict()
    place = {int(row): at for at, row in enumerate(readings["row"]) if readings["frontal_clear"][at]}
    both, alone, net = UnitReader(AUSource.BOTH), UnitReader(), face_net()
    rows: list[dict[str, Any]] = []
    chosen = [(number, row) for number, row in _rows(data, stem) if number in place][:limit]
    with (
        FaceFinder() as finder,
        Progress(len(chosen), doing="measuring", things=f"faces of {stem}") as progress,
    ):
        for number, row in chosen:
            picture = open_image(row["image"])
            faces = finder.find(picture)
            progress.step(0)
            if not faces or faces[0].blendshapes is None:
                continue
            face, shapes = faces[0], faces[0].blendshapes
            crop = upright_crop(picture, face.box, face.pose[2] if face.pose else 0.0, CROP_SIDE)
            looks = net.looks([crop])
            aus = [reader.read(picture, [face])[0] for reader in (both, alone)]
            at = place[number]
            rows.append({
                "straight": looks.units[0, 0], "flipped": looks.units[1, 0], "clear": looks.mean().clear[0],
                "teacher": [readings[f"ens_AU{facs:02}"][at] for facs in FACS],
                "channels": [shapes.get(name, 0.0) for name in CHANNELS], "trusted": 1.0,
                "logits": np.zeros(len(LABELS)), "votes": np.zeros(len(LABELS)), "label": row["label"],
                "row": number, "joined": aus[0] and aus[0].to_array(), "shapes": aus[1] and aus[1].to_array(),
            })  # fmt: skip
    return Measured(**{name: np.array([row[name] for row in rows], float) for name in rows[0]})


def _rows(data: Path, stem: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number, picture and label of each row that counts: of FER+ by votes, of portraits by person."""
    number = 0
    for shard in sorted(data.glob(f"{stem}-*.parquet")):
        for row in pq.read_table(shard).to_pylist():
            label = _label(row)
            if label is not None:
                yield number, {"image": row["image"], "label": label}
            number += 1


def _label(row: dict[str, Any]) -> int | None:
    """Index among FER+'s labels; None of a row that does not count."""
    if "identity" in row:
        return LABELS.index(row["label"]) if people_part(row["identity"]) == "valid" else None
    votes = [row[f"votes_{name}"] for name in (*LABELS, *OTHERS)]
    most = int(np.argmax(votes))
    return most if most < len(LABELS) else None


def figures(
    action: str, entry: dict[str, Any], measured: dict[str, Measured], rated: list[Rating]
) -> dict[str, Any]:
    """What is known of an action, and whether it passes."""
    units = [AU_NAMES.index(au.name) for au in ACTION_UNITS if au.action == action]
    fer = measured["ferplus"]
    pixels = PixelReader().table.actions[action].pixels
    row: dict[str, Any] = {"action": action, "measured": entry["measured"], "weights": entry["weights"]}
    if pixels is not None:
        row |= {f"r_{name}": _agreement(pixels, one) for name, one in measured.items()}
        row["flip_r"] = min(_flip(pixels, one) for one in measured.values())
        row["labels_pixels"] = by_labels(action, pixels.value(fer.units), fer)
    for name, values in (("labels", fer.joined), ("labels_blendshapes", fer.shapes)):
        known = values[:, units].mean(axis=1)
        there = ~np.isnan(known)
        row[name] = by_labels(action, known[there], fer.at(there)) if there.mean() > 0.5 else {}
    row["raters"] = by_raters(action, rated)
    row["rated_auc"] = entry["figures"].get("rated_auc")
    row |= {"agrees": agrees(row), "evidence": evidence(row), "calibrated": calibrated(entry)}
    return row | {"passes": row["agrees"] and bool(row["evidence"] or row["calibrated"])}


def _flip(pixels: Ramp, faces: Measured) -> float:
    """How well the network's readings of faces and of their mirror images agree."""
    every = np.ones(len(faces.label), bool)
    return correlation(pixels.value(faces.straight), pixels.value(faces.flipped), every)


def _agreement(pixels: Ramp, faces: Measured) -> float:
    return correlation(
        pixels.value(faces.units), pixels.value(faces.teacher), np.ones(len(faces.label), bool)
    )


def agrees(row: dict[str, Any]) -> bool:
    """Whether pixels that are read agree with the teacher, and with their mirror images."""
    return not row["weights"]["pixels"] or (
        min(row["r_ferplus"], row["r_portraits"]) >= LEAST_R and row["flip_r"] >= LEAST_FLIP
    )


def evidence(row: dict[str, Any]) -> list[str]:
    """What besides the teacher speaks for an action: expressions, rated faces, readers' top faces."""
    labels = {**row["labels"], **row.get("labels_pixels", {})}
    found = [f"{name} {value:.2f}" for name, value in labels.items() if value >= LEAST_AUC]
    if row["rated_auc"] is not None and row["rated_auc"] >= LEAST_AUC:
        found.append(f"rated faces {row['rated_auc']:.2f}")
    raters = row["raters"].items()
    return found + [
        f"{reader} {seen['top']} / {seen['random']}"
        for reader, seen in raters
        if seen["top"] - seen["random"] >= LEAST_SEEN
    ]


def calibrated(entry: dict[str, Any]) -> bool:
    """Whether the calibration of blendshapes answers for an action that pixels do not measure.

    A channel of this table needs labels or raters like any other.
    """
    return entry["weights"]["blendshapes"] > 0 and not entry["weights"]["pixels"] and entry["channel"] is None


def summary(rows: list[dict[str, Any]]) -> str:
    """How many units pass by which evidence, and what was refused although its figures would do."""
    good = [row for row in rows if row["measured"] and row["passes"]]
    alone = [row["action"] for row in good if not row["evidence"]]
    refused = [row for row in rows if not row["measured"] and row["evidence"]]
    would = [row["action"] for row in refused if min(row.get(f"r_{one}", 0) for one in _SETS) >= LEAST_R]
    sides = {row["action"]: sum(au.action == row["action"] for au in ACTION_UNITS) for row in good}
    lines = [
        f"{len(good)} actions ({sum(sides.values())} units) pass, {len(good) - len(alone)} "
        f"({sum(sides.values()) - sum(sides[one] for one in alone)}) of them by evidence from faces",
        f"by their calibration alone: {', '.join(alone) or 'none'}",
        f"not measured, though r and evidence would do: {', '.join(would) or 'none'} (the table asks for "
        f"r {LEAST_R + SLACK:.2f} on faces cut out before)",
    ]
    return "\n".join(lines)


def show(rows: list[dict[str, Any]], counts: dict[str, int]) -> None:
    """The table, in Markdown."""
    heads = ("action", "read from", "r FER+", "r portraits", "flip r", "AUC pixels", "AUC blendshapes",
             "AUC both", "raters: top / random", "passes by")  # fmt: skip
    print(", ".join(f"{count} faces of {name}" for name, count in counts.items()))
    print(f"\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for row in rows:
        cells = (
            row["action"], _sources(row), _number(row.get("r_ferplus")), _number(row.get("r_portraits")),
            _number(row.get("flip_r")), _aucs(row.get("labels_pixels", {})), _aucs(row["labels_blendshapes"]),
            _aucs(row["labels"]), _raters(row["raters"]),
            "" if row["passes"] or not row["measured"] else "FAILS",
        )  # fmt: skip
        print(f"| {' | '.join(cells)} |")


def _verdict(row: dict[str, Any]) -> str:
    if row["measured"] and not row["passes"]:
        return "FAILS"
    reasons = "; ".join(row["evidence"]) or ("calibration alone" if row["calibrated"] else "-")
    return reasons if row["measured"] else f"(not measured) {reasons}"


def _sources(row: dict[str, Any]) -> str:
    used = [f"{name} {share:.1f}" for name, share in row["weights"].items() if share]
    return ", ".join(used) or "not measured"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _aucs(labels: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in labels.items()) or "-"


def _raters(seen: dict[str, Any]) -> str:
    return ", ".join(f"{one['top']} / {one['random']}" for one in seen.values()) or "-"


if __name__ == "__main__":
    main()
