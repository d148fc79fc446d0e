"""Trains and evaluates the variants of a recipe, and puts what came out beside the paper's figures.

A folder for each training, `NAME-SEED`: the run as `expllm train` writes it, and in `eval` the answers as
`expllm eval accuracy` saves them. What is finished is not done again, also by another training that begins in
the same way; what was begun goes on.
"""

import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import ExpllmError, MissingWeights
from expllm.data import Dataset
from expllm.evals.ablation import Variant, with_seed
from expllm.evals.adapter import open_adapter
from expllm.evals.metrics.bootstrap import Interval
from expllm.evals.runner import Question, answer_all
from expllm.evals.saved_answers import EvalRun
from expllm.evals.scores import RunScores, score_run
from expllm.files.atomic import whole_file, write_json
from expllm.train.recipe import Recipe

FIGURES: Final = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class VariantRun:
    """One training of a variant.

    Attributes:
        folder: Its run; variants that train the same share one.
        scores: None where it failed.
        problem: Why.
    """

    seed: int
    folder: Path
    scores: RunScores | None = None
    problem: str = ""


@dataclass(frozen=True)
class Ablation:
    """What is to be done, and where.

    Attributes:
        variants: What is trained, in the order of the tables.
        seeds: How many trainings of each.
        output: The folder of all.
        every: All variants of the recipe: what was finished of them before stays in the tables.
    """

    variants: tuple[Variant, ...]
    seeds: int
    output: Path
    every: tuple[Variant, ...] = ()

    def trainings(self) -> Iterator[tuple[Path, int, Recipe]]:
        """Each once, all variants under the first seed before the second."""
        for seed in range(self.seeds):
            homes: dict[str, Variant] = {}
            for variant in self.variants:
                if variant.recipe is not None and homes.setdefault(variant.home, variant) is variant:
                    yield self.folder(variant, seed), seed, with_seed(variant.recipe, seed)

    def finished_before(self) -> Iterator[tuple[Path, int, Recipe]]:
        """Evaluated trainings in the folder that are not among `trainings`: of other variants or seeds."""
        asked = {folder for folder, _, _ in self.trainings()}
        for variant in self.every:
            for seed in self._seeds_of(variant) if variant.name == variant.home else ():
                folder = self.folder(variant, seed)
                if variant.recipe is not None and folder not in asked and _is_evaluated(folder):
                    yield folder, seed, with_seed(variant.recipe, seed)

    def _seeds_of(self, variant: Variant) -> list[int]:
        endings = (
            path.name.removeprefix(f"{variant.home}-") for path in self.output.glob(f"{variant.home}-*")
        )
        return sorted(int(ending) for ending in endings if ending.isdecimal())

    def shown(self, found: Iterable[Path]) -> tuple[Variant, ...]:
        """The rows of the tables: what was asked for, and what has a training."""
        homes = {self.home_of(folder) for folder in found}
        asked = {variant.name for variant in self.variants}
        rows = self.every or self.variants
        return tuple(one for one in rows if one.name in asked or one.home in homes)

    @staticmethod
    def home_of(folder: Path) -> str:
        """Name of the variant that was trained in a folder."""
        return folder.name.rpartition("-")[0]

    def folder(self, variant: Variant, seed: int) -> Path:
        """Of a training."""
        return self.output / f"{variant.home}-{seed}"

    def state(self, variant: Variant) -> str:
        """How far its trainings are."""
        if variant.recipe is None:
            return "not possible"
        folders = [self.folder(variant, seed) for seed in range(self.seeds)]
        if all(map(_is_evaluated, folders)):
            return "finished"
        return "begun" if any(folder.exists() for folder in folders) else "open"


def _is_evaluated(folder: Path) -> bool:
    return (folder / "eval" / "scores.json").is_file()


def run_ablation(
    ablation: Ablation, dataset: Dataset, name: str, *, limit: int | None = None, batch: int = 16,
    quiet: bool = False, after: Callable[[dict[Path, VariantRun]], None] = lambda _: None,
) -> dict[Path, VariantRun]:  # fmt: skip
    """Does all that is open; a training that fails is told, and the others go on.

    Args:
        dataset: What the models are evaluated on.
        name: What the user calls it.
        limit: Faces, the same ones for every variant.
        after: Told after every training, with all that there is by then.

    Raises:
        KeyboardInterrupt: it was stopped; what is done is saved.
    """
    from expllm.evals.shared_work import take_over
    from expllm.train.stages import train_stages

    def evaluated(folder: Path, recipe: Recipe, quiet: bool) -> RunScores:
        model = train_stages(recipe, folder, quiet=quiet)
        done.append((folder, recipe))
        return _evaluated(model, dataset, name, folder / "eval", limit, batch, quiet)

    done: list[tuple[Path, Recipe]] = []
    found = _kept(ablation, evaluated)
    trainings = list(ablation.trainings())
    for number, (folder, seed, recipe) in enumerate(trainings, 1):
        if not quiet:
            sys.stderr.write(f"expllm: {folder.name}, {number} of {len(trainings)}\n")
        try:
            take_over(folder, recipe, done)
            found[folder] = VariantRun(seed, folder, evaluated(folder, recipe, quiet))
        except ExpllmError as error:
            sys.stderr.write(f"expllm: {folder.name}: {error.line}\n")
            found[folder] = VariantRun(seed, folder, problem=error.line)
        after(found)
    return found


def _kept(ablation: Ablation, evaluated: Callable[[Path, Recipe, bool], RunScores]) -> dict[Path, VariantRun]:
    """What was finished before and fits: nothing of it is trained or asked again, only compared."""
    from expllm.train.stages import stage_dirs

    found: dict[Path, VariantRun] = {}
    for folder, seed, recipe in ablation.finished_before():
        try:
            if not (stage_dirs(folder, recipe)[-1].model / "expllm.json").is_file():
                raise MissingWeights(f"its model is gone: name {ablation.home_of(folder)} to train it again")
            found[folder] = VariantRun(seed, folder, evaluated(folder, recipe, True))
        except ExpllmError as error:
            sys.stderr.write(f"expllm: {folder.name} is left out of the tables: {error.line}\n")
    return found


def _evaluated(
    model: Path, dataset: Dataset, name: str, output: Path, limit: int | None, batch: int, quiet: bool
) -> RunScores:
    with open_adapter(str(model), dataset.labels, kind=dataset.kind) as who:
        settings, answers = answer_all(who, Question(dataset, name, limit=limit), output, batch, quiet=quiet)
    scores = score_run(settings, answers)
    EvalRun(output).write_scores(scores.to_dict())
    return scores


def rows(ablation: Ablation, found: dict[Path, VariantRun]) -> list[dict[str, Any]]:
    """Each variant with its figures, as JSON values; shares of 0-1, the paper's in percent."""
    by_home: dict[str, list[VariantRun]] = {}
    for folder, one in found.items():
        by_home.setdefault(ablation.home_of(folder), []).append(one)
    return [_row(variant, by_home.get(variant.home, [])) for variant in ablation.shown(found)]


def _row(variant: Variant, trained: Sequence[VariantRun]) -> dict[str, Any]:
    done = sorted(trained, key=lambda one: one.seed)
    scored = [one.scores for one in done if one.scores is not None]
    row: dict[str, Any] = {
        "table": variant.table, "variant": variant.name, "row": variant.row, "override": variant.override,
        "note": variant.note, "paper": variant.paper, "trainings": len(scored),
    }  # fmt: skip
    for figure in FIGURES:
        row[figure] = _figure([getattr(one.intervals, figure) for one in scored])
    row["majority_share"] = scored[0].figures.majority_share if scored else None
    row["alarms"] = sorted({alarm for one in scored for alarm in one.alarms})
    row["seeds"] = [_seed(one) for one in done]
    return row


def _figure(intervals: Sequence[Interval]) -> dict[str, Any] | None:
    """Over all seeds: the mean, the mean ends of the intervals of the faces, and the spread of the seeds."""
    if not intervals:
        return None
    estimates = [one.estimate for one in intervals]
    return {
        "estimate": statistics.fmean(estimates),
        "low": statistics.fmean(one.low for one in intervals),
        "high": statistics.fmean(one.high for one in intervals),
        "spread": statistics.stdev(estimates) if len(estimates) > 1 else None,
        "least": min(estimates),
        "most": max(estimates),
    }


def _seed(one: VariantRun) -> dict[str, Any]:
    figures = {name: asdict(getattr(one.scores.intervals, name)) if one.scores else None for name in FIGURES}
    return {"seed": one.seed, "run": one.folder.name, "problem": one.problem, **figures}


def write_ablation(
    ablation: Ablation, found: dict[Path, VariantRun], about: dict[str, Any]
) -> dict[str, Any]:
    """Writes `ablation.json` and `ablation.md`; what the former holds.

    Args:
        about: Recipe, overrides and data set, by name.

    Raises:
        OutputError: they cannot be written.
    """
    table = {**about, "variants": rows(ablation, found)}
    write_json(ablation.output / "ablation.json", table)
    with whole_file(str(ablation.output / "ablation.md"), "w") as file:
        file.write(ablation_markdown(table))
    return table


def ablation_markdown(table: dict[str, Any]) -> str:
    """Tables IV and V, with the paper's figures in their own column."""
    lines = [
        f"Variants of {table['recipe']}, evaluated on {table['data']} ({table['faces']:,} faces). "
        "95 % intervals are those of the faces; the spread is the standard deviation over the trainings. "
        "The paper's figures are of RAF-DB.",
    ]
    for key, title in (("IV", "labels : explanations"), ("V", "what is left out")):
        of_table = [row for row in table["variants"] if row["table"] == key]
        if of_table:
            lines += [
                "",
                f"**Table {key}**",
                "",
                f"| {title} | trainings | accuracy % | spread | macro-F1 % | paper % | |",
            ]
            lines += ["| --- | --- | --- | --- | --- | --- | --- |", *map(_line, of_table)]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    problems = [one["problem"] for one in row["seeds"] if one["problem"]]
    told = "; ".join(part for part in (row["note"], *row["alarms"], *problems) if part)
    accuracy, f1 = (_percent(row[name]) for name in ("accuracy", "macro_f1"))
    spread = "" if row["accuracy"] is None or row["accuracy"]["spread"] is None else (
        f"{100 * row['accuracy']['spread']:.1f}"
    )  # fmt: skip
    paper = "" if row["paper"] is None else f"{row['paper']:.2f}"
    cells = (row["row"], row["trainings"], accuracy, spread, f1, paper, told.replace("|", "/"))
    return f"| {' | '.join(map(str, cells))} |"


def _percent(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return "-"
    return f"{100 * figure['estimate']:.1f} [{100 * figure['low']:.1f}, {100 * figure['high']:.1f}]"
