"""Fits the expression classifier on action units and writes its JSON asset with the card.

    python scripts/fit_expression_classifier.py --data ../shared/data --cache faces.npz

Action units are read by the product's own reader. FER+ train and four parts of the portraits are fitted on;
terms, strengths and weights are chosen on FER+ valid and one part of the portraits; FER+ test and the last
part of the portraits are read once, at the end. Portraits are split by identity, never by row. Delete the
cache when the face finder has changed.
"""

import argparse
import hashlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from expression_data import PARTS, Array, Data, Faces, load
from expression_figures import HEAD, class_table, figures, short
from expression_fitting import MAJORITY_ONLY, TRIAL_HEAD, Fitter, Setting, Trial, choose

import expllm.faces.au_classifier
from expllm.faces.au_classifier import AUClassifier, softmax
from expllm.faces.au_reader import BlendshapeReader, load_calibration

DATE: Final = "2026-11-23"
OUTPUT: Final = Path(expllm.faces.au_classifier.__file__).parent / "assets" / expllm.faces.au_classifier.ASSET
LIMITS: Final = (
    "Trained on posed and web photographs labelled by viewers: it says what viewers would call the face, "
    "not what its owner feels.",
    "Fear, disgust and contempt are rare in the training data and seldom answered: see their recall.",
    "FEAFA has no lip corner depressor (AU 15), lid tightener (7) or dimpler (14): sadness, anger and "
    "contempt lose their clearest signs.",
    "Fitted on this package's MediaPipe reader: action units of other tools have other scales.",
    "The probabilities carry the class frequencies of FER+ train: in another population they shift.",
)


def measure(answers: Array, faces: Faces, fitter: Fitter) -> dict[str, Any]:
    """Figures over the faces that were measured, and over all rows.

    A row without a measured face counts as answered with the class frequencies of FER+ train, so neutral.
    """
    found = faces.found
    everything = np.where(found[:, None], answers, fitter.prior)
    return {
        "faces_not_measured": round(float(1 - found.mean()), 4),
        "measured_faces": figures(answers[found], faces.labels[found], fitter.labels),
        "all_rows": figures(everything, faces.labels, fitter.labels),
    }


def baseline(fitter: Fitter, setting: Setting, faces: dict[str, Faces]) -> dict[str, Any]:
    """The same regression on other inputs: accuracy and macro-F1 over measured faces and over all rows."""
    slopes, offset = fitter.fit(setting)
    short_figures: dict[str, Any] = {"l2": setting.l2}
    for name, rows in faces.items():
        values = np.full((len(rows.labels), len(slopes)), np.nan)
        values[rows.found] = fitter.values(rows[rows.found], setting.terms)
        both = measure(softmax(values @ slopes + offset), rows, fitter)
        short_figures[name] = {
            part: {key: both[part][key] for key in ("accuracy", "macro_f1")}
            for part in ("measured_faces", "all_rows")
        }
    return short_figures


def evaluate(fitter: Fitter, trial: Trial, model: AUClassifier) -> dict[str, Any]:
    """The card's figures of one model; the only place that reads the test sets."""
    data = fitter.data
    sets = {
        "ferplus_valid": data.valid,
        "ferplus_test": data.test,
        "portraits_held_out": data.portraits_held_out,
    }
    result: dict[str, Any] = {"temperature": trial.temperature}
    slopes, offset = fitter.fit(trial.setting)
    for name, faces in sets.items():
        result[name] = measure(model.batch(faces.aus), faces, fitter)
        found = faces[faces.found]
        cold = softmax(fitter.values(found, trial.setting.terms) @ slopes + offset)
        before = figures(cold, found.labels, fitter.labels)
        result[name]["before_temperature"] = {key: before[key] for key in ("nll", "ece")}
    plain = Setting(l2=1e-4, portraits=0.0)
    compared = {key: sets[key] for key in ("ferplus_valid", "ferplus_test")}
    result["compared"] = {
        "52 blendshapes, plain": baseline(fitter, replace(plain, terms="blendshapes"), compared),
        "24 action units, plain": baseline(fitter, replace(plain, terms="linear"), compared),
    }
    return result


def show(name: str, result: dict[str, Any]) -> None:
    """Prints the figures of one model as Markdown."""
    print(f"\n## {name}\n\n{HEAD}")
    sets = [key for key, value in result.items() if isinstance(value, dict) and "all_rows" in value]
    for key in sets:
        for part in ("measured_faces", "all_rows"):
            print(short(f"{key}, {part}", result[key][part]))
    for key in sets:
        one = result[key]
        print(f"\n{key}, measured faces; {100 * one['faces_not_measured']:.1f} % not measured;", end=" ")
        print(f"before temperature {one['before_temperature']}\n\n{class_table(one['measured_faces'])}")
    print("\n" + json.dumps(result["compared"], indent=1))


def constants_digest() -> str:
    """Short SHA-256 of the constants that action units are read with: other constants need another fit."""
    keys = ("measured", "channels", "combine", "dead_zone", "full_scale")
    units = load_calibration()["aus"].items()
    constants = {name: [unit.get(key) for key in keys] for name, unit in units}
    return hashlib.sha256(json.dumps(constants, sort_keys=True).encode()).hexdigest()[:16]


def describe(reader: BlendshapeReader, data: Data, chosen: Trial, trials: list[Trial]) -> dict[str, Any]:
    """The card without its figures."""
    return {
        "about": "expression from action units: logistic regression (expllm.faces.au_classifier)",
        "date": DATE,
        "command": "python scripts/fit_expression_classifier.py --data ../shared/data --cache faces.npz",
        "seed": "0 for random traces; the loss is convex, started at zero; identities split by SHA-256",
        "au_reader": reader.identity,
        "au_constants": constants_digest(),
        "data": data.rows(),
        "portrait_parts": {
            "by identity": PARTS,
            "held out": [0],
            "validation": [1],
            "fitted on": list(range(2, PARTS)),
        },
        "protocol": "FER+ majority: rows whose largest vote is unknown or NF are dropped; ties: the first",
        "setting": {**asdict(chosen.setting), "majority_only_sharpness": MAJORITY_ONLY},
        "trials_on_validation": [trial.row() for trial in trials],
        "limits": list(LIMITS),
    }


def write(asset: dict[str, Any], path: Path) -> None:
    """JSON with one line for a list of numbers, so that a change of coefficients can be reviewed."""
    text = json.dumps(asset, indent=1)
    flat = re.sub(r"\[[^\[\]{}\"]*\]", lambda found: " ".join(found[0].split()), text)
    path.write_text(flat + "\n", encoding="utf-8")
    print(f"\n{path.name}: {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder of the Parquet files"
    )
    parser.add_argument("--cache", type=Path, help="npz file that keeps the blendshapes of all pictures")
    parser.add_argument("--processes", type=int, default=2, help="face finders at work")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--choose-only", action="store_true", help="stop before the test sets are read")
    options = parser.parse_args()
    reader = BlendshapeReader()
    data = load(options.data, options.cache, options.processes, reader)
    print(json.dumps(data.rows(), indent=1), f"\n\n{TRIAL_HEAD}")
    fitters = {count: Fitter(data, count, reader.measured) for count in (8, 7)}
    chosen, trials = choose(fitters[8])
    if options.choose_only:
        return
    models, results = {}, {}
    for count, fitter in fitters.items():
        trial = fitter.try_out(chosen.setting)
        written = fitter.coefficients(trial.setting, trial.temperature, f"au-logreg-{count}/{DATE[:7]}")
        models[str(count)] = written.to_dict()
        results[str(count)] = evaluate(fitter, trial, AUClassifier(written))
        show(written.identity, results[str(count)])
    card = describe(reader, data, chosen, trials)
    write({"card": {**card, "results": results}, "models": models}, options.output)


if __name__ == "__main__":
    main()
