"""Fits the expression classifier on action units and writes its JSON asset with the card.

    python scripts/crop_portraits.py ../shared/data/portraits_train-*.parquet -o CROPS
    python scripts/fit_expression_classifier.py --data ../shared/data --crops CROPS --cache CACHE

One classifier for each source of action units (`--au-source`). Blendshapes are those of
`au_readings_*.parquet`; pixels are read by the network in batches, and kept in CACHE. FER+ train and
portraits of the people whom the network learned from are fitted on; terms, strengths and weights are chosen
on FER+ valid and half of the other people. FER+ test is read with `--test` alone, once, at the end.
"""

import argparse
import datetime
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from expression_data import Array, Data, Faces, Inputs, load
from expression_figures import HEAD, class_table, figures, short
from expression_fitting import MAJORITY_ONLY, TRIAL_HEAD, Fitter, Setting, Trial, choose
from flat_json import flat_json
from unit_readings import hash_of

from expllm.core.vocabulary import AUSource
from expllm.faces.au_classifier import CLASSIFIER_FILES, AUClassifier, softmax
from expllm.faces.au_reader import load_calibration
from expllm.faces.pixel_reader import UnitReader, load_units

FOLDER: Final = Path(__file__).parents[1] / "src" / "expllm" / "assets"
LIMITS: Final = (
    "Trained on posed and web photographs labelled by viewers: it says what viewers would call the face, "
    "not what its owner feels.",
    "Fear, disgust and contempt are rare in the training data and seldom answered: see their recall.",
    "Fitted on what this package reads: action units of other tools have other scales.",
    "The probabilities carry the class frequencies of FER+ train: in another population they shift.",
)


def measure(answers: Array, faces: Faces, fitter: Fitter) -> dict[str, Any]:
    """Figures over the faces that were measured, over those that this classifier is for, and over all.

    A row without a measured face counts as answered with the class frequencies of FER+ train, so neutral.
    """
    found, read = faces.found, faces.read
    everything = np.where(found[:, None], answers, fitter.prior)
    result = {
        "faces_not_measured": round(float(1 - found.mean()), 4),
        "measured_faces": figures(answers[found], faces.labels[found], fitter.labels),
        "all_rows": figures(everything, faces.labels, fitter.labels),
    }
    if not read[found].all():
        result["read_from_pixels"] = figures(answers[read], faces.labels[read], fitter.labels)
    return result


def answered(own: Array, faces: Faces, count: int) -> Array:
    """The classifier's answers [N, K]; faces that it is not for are answered by that of the blendshapes."""
    if faces.read[faces.found].all():
        return own
    return np.where(faces.read[:, None], own, AUClassifier.from_asset(count).batch(faces.aus))


def baseline(fitter: Fitter, setting: Setting, faces: dict[str, Faces]) -> dict[str, Any]:
    """The same regression on other inputs: accuracy and macro-F1 over measured faces and over all rows."""
    slopes, offset = fitter.fit(setting)
    short_figures: dict[str, Any] = {"l2": setting.l2}
    for name, rows in faces.items():
        values = np.full((len(rows.labels), len(slopes)), np.nan)
        values[rows.read] = fitter.values(rows[rows.read], setting.terms)
        answers = answered(softmax(values @ slopes + offset), rows, len(fitter.labels))
        both = measure(answers, rows, fitter)
        short_figures[name] = {
            part: {key: both[part][key] for key in ("accuracy", "macro_f1")}
            for part in ("measured_faces", "all_rows")
        }
    return short_figures


def evaluate(fitter: Fitter, trial: Trial, model: AUClassifier) -> dict[str, Any]:
    """The card's figures of one model; the only place that reads the test sets."""
    data = fitter.data
    sets = {"ferplus_valid": data.valid, "portraits_held_out": data.portraits_held_out}
    if len(data.test.labels):
        sets["ferplus_test"] = data.test
    result: dict[str, Any] = {"temperature": trial.temperature}
    slopes, offset = fitter.fit(trial.setting)
    count = len(fitter.labels)
    for name, faces in sets.items():
        result[name] = measure(answered(model.batch(faces.aus), faces, count), faces, fitter)
        cold = softmax(fitter.values(faces, trial.setting.terms) @ slopes + offset)
        found = faces.found
        before = figures(answered(cold, faces, count)[found], faces.labels[found], fitter.labels)
        result[name]["before_temperature"] = {key: before[key] for key in ("nll", "ece")}
    plain = Setting(l2=1e-4, portraits=0.0)
    compared = {key: faces for key, faces in sets.items() if key.startswith("ferplus")}
    result["compared"] = {
        "52 blendshapes, plain": baseline(fitter, replace(plain, terms="blendshapes"), compared),
        "the same action units, plain": baseline(fitter, replace(plain, terms="linear"), compared),
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


def constants_digest(source: AUSource) -> str:
    """Short SHA-256 of the constants that action units are read with: other constants need another fit."""
    keys = ("measured", "channels", "combine", "dead_zone", "full_scale")
    units = load_calibration()["aus"].items()
    constants: dict[str, Any] = {name: [unit.get(key) for key in keys] for name, unit in units}
    if source is not AUSource.BLENDSHAPES:
        actions = load_units()["actions"].items()
        constants["pixels"] = {
            name: [one[key] for key in ("pixels", "channel", "weights")] for name, one in actions
        }
    return hashlib.sha256(json.dumps(constants, sort_keys=True).encode()).hexdigest()[:16]


def describe(
    source: AUSource, inputs: Inputs, data: Data, chosen: Trial, trials: list[Trial]
) -> dict[str, Any]:
    """The card without its figures."""
    return {
        "about": "expression from action units: logistic regression (expllm.faces.au_classifier)",
        "date": datetime.date.today().isoformat(),
        "command": "python scripts/fit_expression_classifier.py --data ../shared/data --crops CROPS "
        f"--au-source {source}{' --halves' * inputs.halves}"
        f"{f' --shards {inputs.shards}' if inputs.shards else ''}",
        "seed": "0 for random traces; the loss is convex, started at zero; people split by SHA-256",
        "au_reader": UnitReader(source).identity,
        "au_constants": constants_digest(source),
        "network": hash_of(inputs.net) if source is not AUSource.BLENDSHAPES else None,
        "data": data.rows(),
        "portraits": "fitted on the people whom the network learned from; of the others one half validates, "
        "one half is held out",
        "first_look": "fitted on half of FER+ valid, measured on the other half" if inputs.halves else None,
        "protocol": "FER+ majority: rows whose largest vote is unknown or NF are dropped; ties: the first",
        "monotone": "no label but happiness gains where the lip corners rise (bounds in the fit)",
        "setting": {**asdict(chosen.setting), "majority_only_sharpness": MAJORITY_ONLY},
        "trials_on_validation": [trial.row() for trial in trials],
        "limits": list(LIMITS),
    }


def write(asset: dict[str, Any], path: Path) -> None:
    """Writes JSON, and says how large it is."""
    path.write_text(flat_json(asset), encoding="utf-8")
    print(f"\n{path.name}: {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder of the Parquet files"
    )
    parser.add_argument("--crops", type=Path, required=True, help="folder of the portraits that were cut out")
    parser.add_argument("--cache", type=Path, help="where the network's readings are kept")
    parser.add_argument("--au-source", type=AUSource, default=AUSource.BOTH)
    parser.add_argument(
        "--shards", type=int, help="shards of FER+ train and of the portraits; all if left out"
    )
    parser.add_argument(
        "--halves", action="store_true", help="fit on half of FER+ valid, measure on the other: a first look"
    )
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    parser.add_argument("--choose-only", action="store_true", help="stop before anything is written")
    parser.add_argument("--test", action="store_true", help="read FER+ test, once per finished classifier")
    options = parser.parse_args()
    source = options.au_source
    inputs = Inputs(options.data, options.crops, options.cache, shards=options.shards, halves=options.halves)
    data = load(inputs, source, test=options.test)
    print(json.dumps(data.rows(), indent=1), f"\n\n{TRIAL_HEAD}")
    measured = UnitReader(source).measured
    fitters = {count: Fitter(data, count, measured) for count in (8, 7)}
    chosen, trials = choose(fitters[8])
    if options.choose_only:
        return
    card = describe(source, inputs, data, chosen, trials)
    models, results = {}, {}
    for count, fitter in fitters.items():
        trial = fitter.try_out(chosen.setting)
        name = f"au-logreg-{count}" if source is AUSource.BLENDSHAPES else f"au-logreg-{count}-{source}"
        written = fitter.coefficients(trial.setting, trial.temperature, f"{name}/{card['date'][:7]}")
        models[str(count)] = written.to_dict()
        results[str(count)] = evaluate(fitter, trial, AUClassifier(written))
        show(written.identity, results[str(count)])
    write({"card": {**card, "results": results}, "models": models}, options.output / CLASSIFIER_FILES[source])


if __name__ == "__main__":
    main()
