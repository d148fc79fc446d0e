"""`expllm eval`: how good a model is, from answers that are saved."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from expllm.cli import chat_options as chat
from expllm.cli import evaluate_report
from expllm.cli.ending import all_lost, leave, of_answers
from expllm.cli.evaluate_options import (
    AbstainOption,
    BatchOption,
    BoxesOption,
    DatasetArgument,
    DtypeOption,
    KindOption,
    LimitOption,
    MirroredOption,
    ModelArgument,
    OutputOption,
    PlotOption,
    QuietOption,
    RootOption,
    RunArgument,
)
from expllm.cli.figures import JsonOption, print_json, print_view
from expllm.cli.terminal import keep_stderr_to_ourselves
from expllm.core.errors import UsageError
from expllm.core.packages import PLOTS, require
from expllm.files.atomic import refuse_inputs

if TYPE_CHECKING:
    from expllm.evals.saved_answers import Answer, Settings, Task

app = typer.Typer(
    help="How good a model is; every answer is saved, every figure can be computed again.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.command("accuracy", short_help="Accuracy and its kin on a test set, with intervals and alarms.")
def accuracy(
    model: ModelArgument,
    dataset: DatasetArgument,
    output: OutputOption = None,
    data_root: RootOption = None,
    kind: KindOption = None,
    as_json: JsonOption = False,
    batch: BatchOption = 16,
    limit: LimitOption = None,
    boxes: BoxesOption = None,
    dtype: DtypeOption = "float32",
    plot: PlotOption = False,
    abstain: AbstainOption = None,
    base_url: chat.ChatBaseUrl = None,
    key_env: chat.ChatKeyEnv = None,
    temperature: chat.ChatTemperature = None,
    max_tokens: chat.ChatMaxTokens = None,
    timeout: chat.ChatTimeout = None,
    cache: chat.ChatCache = None,
    budget: chat.ChatBudget = None,
    prices: chat.ChatPrices = None,
    questions: chat.ServedQuestions = None,
    served_name: chat.ServedName = None,
    quiet: QuietOption = False,
) -> None:
    """Ask a model about every face of a data set, and score its labels.

    The same command goes on where it was cut. Exit code 3: pictures are unreadable or missing, or answers
    hold no label; each unreadable one is named and counts as wrong. 4: no face was found in any picture.
    """
    endpoint = (
        base_url, key_env, temperature, max_tokens, timeout, cache, budget, prices, questions, served_name,
    )  # fmt: skip
    run, settings, answers = _asked(
        "accuracy", model, dataset, output, data_root, kind, batch, limit, boxes, dtype, quiet, plot, endpoint
    )
    _report(run, settings, answers, as_json, plot, abstain)


@app.command("transfer", short_help="A model on a data set with other labels: what both have is scored.")
def transfer(
    model: ModelArgument,
    dataset: DatasetArgument,
    output: OutputOption = None,
    data_root: RootOption = None,
    kind: KindOption = None,
    as_json: JsonOption = False,
    batch: BatchOption = 16,
    limit: LimitOption = None,
    boxes: BoxesOption = None,
    dtype: DtypeOption = "float32",
    plot: PlotOption = False,
    abstain: AbstainOption = None,
    base_url: chat.ChatBaseUrl = None,
    key_env: chat.ChatKeyEnv = None,
    temperature: chat.ChatTemperature = None,
    max_tokens: chat.ChatMaxTokens = None,
    timeout: chat.ChatTimeout = None,
    cache: chat.ChatCache = None,
    budget: chat.ChatBudget = None,
    prices: chat.ChatPrices = None,
    questions: chat.ServedQuestions = None,
    served_name: chat.ServedName = None,
    quiet: QuietOption = False,
) -> None:
    """Score a model on a data set that it was not trained for (the paper's Table II).

    Label sets are aligned by the synonym table. Faces whose label the model was never taught are left out,
    answers that the data set does not have are wrong; both are counted.
    """
    endpoint = (
        base_url, key_env, temperature, max_tokens, timeout, cache, budget, prices, questions, served_name,
    )  # fmt: skip
    run, settings, answers = _asked(
        "transfer", model, dataset, output, data_root, kind, batch, limit, boxes, dtype, quiet, plot, endpoint
    )
    _report(run, settings, answers, as_json, plot, abstain)


@app.command("rescore", short_help="The tables of a run from its saved answers, without the model.")
def rescore(
    run: RunArgument,
    as_json: JsonOption = False,
    plot: PlotOption = False,
    abstain: AbstainOption = None,
) -> None:
    """Compute every figure of a run again from its saved answers, and from the replies of its judges."""
    from expllm.cli.evaluate_cot import report_cot, report_ladder
    from expllm.evals.ladder_runs import LadderRun
    from expllm.evals.saved_answers import EvalRun

    if LadderRun.at(run):
        report_ladder(run, as_json)
    saved = EvalRun(run)
    if saved.settings().task == "cot":
        report_cot(run, saved.settings(), saved.answers(), as_json)
    _report(run, saved.settings(), saved.answers(), as_json, plot, abstain)


@app.command("compare", short_help="McNemar's test between two runs on the same faces.")
def compare(run: RunArgument, other: RunArgument, as_json: JsonOption = False) -> None:
    """Say whether two runs differ surely in accuracy, on the faces that both answered."""
    from expllm.evals.saved_answers import EvalRun
    from expllm.evals.scores import compare as compared

    runs = [EvalRun(path) for path in (run, other)]
    one, two = ((each.settings(), each.answers()) for each in runs)
    found = compared(one, two)
    if as_json:
        print_json({"runs": [str(run), str(other)], **found.to_dict()})
        return
    from expllm.cli.evaluate_view import comparison_view

    print_view(comparison_view(found, (run, other)))


app.command("report", short_help="One page of many runs, beside the paper's tables.")(evaluate_report.report)


@app.command("calibrate", short_help="Fit a model's temperature on validation data, and save it with it.")
def calibrate(
    model: ModelArgument,
    dataset: DatasetArgument,
    output: OutputOption = None,
    data_root: RootOption = None,
    kind: KindOption = None,
    as_json: JsonOption = False,
    batch: BatchOption = 16,
    limit: LimitOption = None,
    boxes: BoxesOption = None,
    dtype: DtypeOption = "float32",
    mirrored: MirroredOption = None,
    quiet: QuietOption = False,
) -> None:
    """Make a model's probabilities mean what they say: one number, fitted on validation faces.

    The number is written into the model's folder, and no answer changes. At least 50 faces are needed.
    The calibration error before and after is that of the same faces; a plot goes into the run's folder.
    With --mirrored the model looks twice for a label, which takes longer and is right a little more often.
    """
    from expllm.model.shipped import OFFLINE, model_folder

    if model == OFFLINE:
        raise UsageError("offline has no folder for a temperature, and is calibrated: give a model's folder")
    if model.startswith(("chat:", "endpoint:")):
        raise UsageError(f"{model.partition(':')[0]}: has no folder for a temperature: give a model's folder")
    from expllm.evals.calibrate import calibrated, look_twice

    if mirrored is not None:
        look_twice(model_folder(model), mirrored)
    run, settings, answers = _asked(
        None, model, dataset, output, data_root, kind, batch, limit, boxes, dtype, quiet, True
    )
    if unanswered := all_lost(answers):
        leave(unanswered)
    settings, found = calibrated(model_folder(model), run, settings, answers)
    if not as_json:
        from expllm.cli.evaluate_view import temperature_lines

        typer.echo("\n".join(temperature_lines(found)))
    _report(run, settings, answers, as_json, True, fitted=asdict(found))


def _asked(
    task: "Task | None", model: str, name: str, output: Path | None, root: str | None, kind: str | None,
    batch: int, limit: int | None, boxes: bool | None, dtype: str, quiet: bool, plot: bool,
    endpoint: tuple[Any, ...] = (None,) * 10,
) -> "tuple[Path, Settings, list[Answer]]":  # fmt: skip
    """The run's folder and all answers; without a task they are for calibration."""
    from expllm.evals.labellers import labeller
    from expllm.evals.runner import Question, answer_all, default_folder
    from expllm.evals.splits import open_named

    keep_stderr_to_ourselves()
    require(*(PLOTS if plot else ()))
    dataset = open_named(name, root, kind)
    options = chat.chat_options(*endpoint)
    with labeller(model, dataset.labels, boxes=boxes, dtype=dtype, kind=dataset.kind, chat=options) as who:
        if task is None:
            from expllm.evals.calibrate import check_validation

            check_validation(dataset, name)
            task = "accuracy" if set(dataset.labels) <= set(who.identity.labels) else "transfer"
        question = Question(dataset, name, task, limit)
        run = output or default_folder(who, question)
        refuse_inputs(run, name, model)
        return run, *answer_all(who, question, run, batch, quiet=quiet)


def _report(
    run: Path,
    settings: "Settings",
    answers: "list[Answer]",
    as_json: bool,
    plot: bool,
    abstain: float | None = None,
    fitted: dict[str, Any] | None = None,
) -> NoReturn:
    """Writes the figures into the run's folder, prints them, and leaves with the exit code.

    Args:
        fitted: The temperature that was fitted just now; it is printed only.
    """
    from expllm.evals.saved_answers import EvalRun
    from expllm.evals.scores import score

    scores = score(settings, answers, abstain=abstain)
    EvalRun(run).write_scores(scores.to_dict())
    if plot or abstain is not None:
        from expllm.evals.calibrate import write_plots

        write_plots(scores, run)
    if as_json:
        print_json({"run": str(run), **scores.to_dict(), **({"fitted": fitted} if fitted else {})})
    else:
        from expllm.cli.evaluate_view import scores_view

        print_view(scores_view(scores, run))
    leave(of_answers(scores, answers))
