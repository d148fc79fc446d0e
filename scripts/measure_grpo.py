"""Measures what learning from the audit does to a model: held-out texts before and after, three seeds.

    python scripts/measure_grpo.py --data DATA -o OUT                # 200 steps a seed
    python scripts/measure_grpo.py --data DATA -o OUT --minutes 30   # one piece; the same command goes on
    python scripts/measure_grpo.py --data DATA -o OUT --steps 4 --seeds 0 --held-out 24 --train-faces 64 \\
        train.batch=8 train.num_generations=4 train.micro_batch=4    # shows that it works

DATA holds FER+ (docs/data.md). Explanations are made by rules for the action units that they come with; the
model itself is asked without them, explanation first. Held-out are the first of FER+'s validation faces.
Every model is asked with the temperature and the mirror images of the one that it began with: a stage saves
none of its own. Of a training that an alarm stops, the model counts as it was then, and the alarm is named.
The interval of a figure resamples faces; that of a difference resamples pairs, of the mean over seeds.
Everything is kept in OUT: texts, trainings with their checkpoints, answers, figures.json.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from expllm.core.errors import ExitCode
from expllm.core.vocabulary import AUVector, label_set
from expllm.grounding import audit
from expllm.grounding.audit import UNCHECKABLE
from expllm.grounding.claims import Verdict
from expllm.grounding.outline import split
from expllm.rewards import DEFAULT_WEIGHTS, part_rewards, weighted

RECIPE: Final = Path(__file__).parents[1] / "recipes" / "grpo.yaml"
RESAMPLES: Final = 2_000
AT_ONCE: Final = 8
Row = dict[str, Any]
Figure = Callable[[Sequence[Row]], float]


class OutOfTimeError(Exception):
    """This piece is over; the same command goes on."""


@dataclass(frozen=True)
class Settings:
    """What the command line says."""

    model: str
    data: Path
    out: Path
    steps: int
    seeds: tuple[int, ...]
    train_faces: int
    held_out: int
    until: float
    overrides: tuple[str, ...]

    @property
    def texts(self) -> tuple[Path, Path]:
        """Explanations of the faces that are learned from, and of those that are held out."""
        return self.out / "texts_train", self.out / "texts_held_out"


def main() -> None:
    """Goes as far as its time allows, and prints the table once all is there."""
    settings = read_options()
    settings.out.mkdir(parents=True, exist_ok=True)
    try:
        make_texts(settings)
        rows = {"before": answered(settings, "before", settings.model)}
        for seed in settings.seeds:
            model = trained(settings, seed)
            rows[f"seed {seed}"] = answered(settings, f"seed-{seed}", str(model))
    except OutOfTimeError as piece:
        print(f"{piece}: the same command goes on", file=sys.stderr)
        sys.exit(3)
    after = [rows[f"seed {seed}"] for seed in settings.seeds]
    found = table(rows["before"], after)
    alarms = {seed: alarm for seed in settings.seeds if (alarm := alarm_of(settings.out / f"seed-{seed}"))}
    asked = how_asked(settings.model)
    (settings.out / "figures.json").write_text(
        json.dumps({"figures": found, "alarms": alarms, "asked": asked}, indent=1)
    )
    print("\n".join(lines(found, alarms, asked)))


def read_options() -> Settings:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default="compact", help="the model to begin with")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train-faces", type=int, default=2_000)
    parser.add_argument("--held-out", type=int, default=400)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given, overrides = parser.parse_known_args()
    until = time.monotonic() + 60 * given.minutes
    return Settings(
        given.model, given.data, given.output, given.steps, tuple(given.seeds), given.train_faces,
        given.held_out, until, tuple(overrides),
    )  # fmt: skip


def make_texts(settings: Settings) -> None:
    """Action units of the faces, with explanations by rules."""
    for split_, folder, most in zip(
        ("train", "valid"), settings.texts, (settings.train_faces, settings.held_out), strict=True
    ):
        run(
            settings,
            "cot",
            "make",
            f"{settings.data}/ferplus:{split_}",
            "-o",
            str(folder),
            "--limit",
            str(most),
        )


def trained(settings: Settings, seed: int) -> Path:
    """The folder of the model after its training, which resumes; or as an alarm stopped it."""
    folder = settings.out / f"seed-{seed}"
    stage = folder / "1-grpo"
    made, stopped = stage / "model", stage / "stopped_model"
    if not any((one / "expllm.json").is_file() for one in (made, stopped)):
        texts = ",".join(map(str, settings.texts))
        chosen = (
            f"model.init_from={settings.model}", f"data.root={settings.data}", f"data.texts=[{texts}]",
            f"train.max_steps={settings.steps}", f"train.seed={seed}", *settings.overrides,
        )  # fmt: skip
        run(settings, "train", str(RECIPE), *chosen, "-o", str(folder))
    return made if (made / "expllm.json").is_file() else stopped


def alarm_of(folder: Path) -> str | None:
    """The alarm that stopped a training, and when; None for a training that was not stopped."""
    from expllm.model.manifest import read_manifest

    stage = folder / "1-grpo"
    if (stage / "model" / "expllm.json").is_file():
        return None
    alarm = read_manifest(stage / "stopped_model").card["alarm"]
    return f"{alarm['name']} at step {alarm['step']}"


def how_asked(model: str) -> dict[str, Any]:
    """How all models are asked: as the one that they began with."""
    from expllm.model.manifest import calibrated_temperature, read_manifest
    from expllm.model.shipped import model_folder

    folder = model_folder(model)
    extra = read_manifest(folder).extra
    return {
        "order": "explanation-first", "hint": False, "mirrored": extra.get("mirrored") is True,
        "temperature": calibrated_temperature(folder, extra),
    }  # fmt: skip


def run(settings: Settings, *arguments: str) -> None:
    """Runs `expllm`, and stops it with Ctrl-C when the piece is over: it saves."""
    process = subprocess.Popen([sys.executable, "-m", "expllm", *arguments])
    try:
        left = settings.until - time.monotonic()
        code = process.wait(None if left == float("inf") else max(left, 0.0))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise OutOfTimeError(f"stopped in expllm {arguments[0]}") from None
    if code not in (0, 3, ExitCode.ALARM):
        sys.exit(code)


def answered(settings: Settings, name: str, model: str) -> list[Row]:
    """What a model says of the held-out faces, a line of JSON each; those that are there are kept."""
    path = settings.out / f"answers-{name}.jsonl"
    rows = kept_rows(path)
    with path.open("a") as file:
        for row in ask(settings, model, {row["id"] for row in rows}):
            file.write(json.dumps(row) + "\n")
            file.flush()
            rows.append(row)
            if time.monotonic() > settings.until:
                raise OutOfTimeError(f"stopped in the answers of {name}")
    return sorted(rows, key=lambda row: str(row["id"]))


def kept_rows(path: Path) -> list[Row]:
    """The answers of an earlier piece; a last line that a kill has torn is cut off the file."""
    if not path.exists():
        return []
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        with path.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    return [json.loads(line) for line in whole.splitlines()]


def ask(settings: Settings, model: str, known: set[str]) -> Iterator[Row]:
    """Label, explanation, and the label once more behind it, of every face that was not asked about."""
    from expllm.model.inference.generate import FaceVLM
    from expllm.model.shipped import model_folder
    from expllm.train.data_sources import read_faces
    from expllm.train.face_prompts import measured_faces
    from expllm.train.recipe import DataConfig, StageConfig

    data = DataConfig(root=str(settings.data), valid="ferplus:valid", texts=(str(settings.texts[1]),))
    stage = StageConfig(task="grpo", batch=8, micro_batch=8)
    answerer: FaceVLM | None = None
    reading = measured_faces(read_faces(data, stage, questions_of(model), "valid"))
    wanted = [i for i, face in enumerate(reading.faces) if face.id not in known]
    for some in (wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)):
        answerer = answerer or FaceVLM.load(model_folder(model), like=model_folder(settings.model))
        answers = answerer.generate([reading.image(index) for index in some])
        for place, index in enumerate(some):
            face = reading.faces[index]
            assert face.aus is not None
            asked = {"id": face.id, "truth": face.label.value, "aus": dict(face.aus)}
            yield {**asked, **row_of(answers, place)}


def row_of(answers: Any, place: int) -> Row:
    """What a model said of one face."""
    return {
        "text": answers.explanations[place].text, "labels": shares(answers.labels, place),
        "after": shares(answers.labels_after, place), "raw": raw_shares(answers.labels, place),
    }  # fmt: skip


def questions_of(model: str) -> Any:
    """What a model is asked."""
    from expllm.model.manifest import read_manifest
    from expllm.model.shipped import model_folder

    return read_manifest(model_folder(model)).questions


def shares(scores: Any, place: int) -> dict[str, float]:
    """Probabilities by label."""
    logs = scores.log_probabilities[place]
    return {label.value: float(np.exp(log)) for label, log in zip(scores.labels, logs, strict=True)}


def raw_shares(scores: Any, place: int) -> dict[str, float]:
    """Probabilities by label as the model gives them, at temperature 1."""
    sums = np.exp(scores.sums[place] - scores.sums[place].max())
    return {label.value: float(one) for label, one in zip(scores.labels, sums / sums.sum(), strict=True)}


def rewards(rows: Sequence[Row]) -> dict[str, list[float | None]]:
    """Every reward of every text."""
    return part_rewards(
        [row["text"] for row in rows], aus=[row["aus"] for row in rows],
        label=[row["truth"] for row in rows], label_probabilities=[row["after"] for row in rows],
    )  # fmt: skip


def enriched(rows: Sequence[Row]) -> list[Row]:
    """The rows with what the figures need: reward, claims, sentences."""
    parts = rewards(rows)
    whole = weighted(parts, DEFAULT_WEIGHTS)
    found = []
    for number, row in enumerate(rows):
        audited = audit(row["text"], AUVector(row["aus"]))
        counts = audited.counts
        checkable = sum(counts.values()) - sum(counts.get(verdict, 0) for verdict in UNCHECKABLE)
        found.append({
            **row, "reward": whole[number], "parts": {name: values[number] for name, values in parts.items()},
            "supported": counts.get(Verdict.SUPPORTED, 0), "checkable": checkable, "recall": audited.recall,
            "sentences": [one.strip() for one in split(row["text"]) if one.strip()],
        })  # fmt: skip
    return found


def mean_of(key: str) -> Figure:
    """The mean of a value where it is known."""

    def figure(rows: Sequence[Row]) -> float:
        known = [row[key] for row in rows if row[key] is not None]
        return float(np.mean(known)) if known else float("nan")

    return figure


def precision(rows: Sequence[Row]) -> float:
    """Claims that hold among those that can be checked, of all texts together."""
    return float(sum(row["supported"] for row in rows) / max(1, sum(row["checkable"] for row in rows)))


def accuracy(rows: Sequence[Row]) -> float:
    """Share of the labels, asked alone, that are right."""
    return float(np.mean([max(row["labels"], key=row["labels"].get) == row["truth"] for row in rows]))


def calibration_error(key: str) -> Figure:
    """Expected calibration error of the labels asked alone, 15 bins."""

    def figure(rows: Sequence[Row]) -> float:
        from expllm.evals.metrics.calibration import reliability

        names = [label.value for label in label_set(8)]
        given = np.array([[row[key].get(name, 0.0) for name in names] for row in rows])
        return float(reliability(given, [names.index(row["truth"]) for row in rows]).error)

    return figure


def different_texts(rows: Sequence[Row]) -> float:
    """Share of different texts."""
    return len({row["text"] for row in rows}) / len(rows)


def different_sentences(rows: Sequence[Row]) -> float:
    """Share of different sentences among all."""
    every = [sentence for row in rows for sentence in row["sentences"]]
    return len(set(every)) / max(1, len(every))


FIGURES: Final[Mapping[str, Figure]] = {
    "held-out reward": mean_of("reward"),
    "claims that hold": precision,
    "recall of active units, by intensity": mean_of("recall"),
    "label accuracy": accuracy,
    "expected calibration error": calibration_error("labels"),
    "the same at temperature 1": calibration_error("raw"),
    "different texts": different_texts,
    "different sentences": different_sentences,
}


def table(before: Sequence[Row], after: Sequence[Sequence[Row]]) -> dict[str, dict[str, Any]]:
    """Every figure before, after (mean over seeds) and their difference, with 95 % intervals."""
    first, later = enriched(before), [enriched(rows) for rows in after]
    assert all([row["id"] for row in rows] == [row["id"] for row in first] for rows in later)
    drawn = np.random.default_rng(0).integers(0, len(first), (RESAMPLES, len(first)))
    found: dict[str, dict[str, Any]] = {}
    for name, figure in FIGURES.items():
        every = np.array([[figure(rows), *resampled(rows, figure, drawn)] for rows in (first, *later)])
        mean = every[1:].mean(0)
        found[name] = {
            "before": interval(every[0]), "after": interval(mean), "difference": interval(mean - every[0]),
            "by seed": [float(one[0] - every[0][0]) for one in every[1:]],
        }  # fmt: skip
    return found


def resampled(rows: Sequence[Row], figure: Figure, drawn: NDArray[np.int64]) -> list[float]:
    """The figure of redrawn faces, [resamples]."""
    return [figure([rows[place] for place in places]) for places in drawn.tolist()]


def interval(values: NDArray[np.float64]) -> list[float]:
    """The estimate, which comes first, and its 95 % interval."""
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return [float(values[0]), float(low), float(high)]


def lines(
    found: Mapping[str, Mapping[str, Any]], alarms: Mapping[int, str], asked: Mapping[str, Any]
) -> Iterator[str]:
    """The table in Markdown, below how the models were asked."""
    looks = "picture and mirror image" if asked["mirrored"] else "one picture"
    yield (
        f"Before and after: {asked['order']}, no hint; labels from {looks} at temperature "
        f"{asked['temperature']:.3f}."
    )
    yield ""
    yield "| figure | before | after | difference | by seed | alarm |"
    yield "| --- | --- | --- | --- | --- | --- |"
    stopped = "; ".join(f"seed {seed}: {alarm}" for seed, alarm in alarms.items()) or "none"
    for name, row in found.items():
        cells = [f"{one:.3f} [{low:.3f}, {high:.3f}]" for one, low, high in (row["before"], row["after"])]
        one, low, high = row["difference"]
        seeds = ", ".join(f"{value:+.3f}" for value in row["by seed"])
        change = f"{one:+.3f} [{low:+.3f}, {high:+.3f}]"
        yield f"| {name} | {cells[0]} | {cells[1]} | {change} | {seeds} | {stopped} |"


if __name__ == "__main__":
    main()
