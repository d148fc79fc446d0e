"""`expllm eval`: how good a model is, from answers that are saved."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from expllm.cli import evaluate_report
from expllm.cli.chat_options import chat_options
from expllm.cli.command import Command, new_group
from expllm.cli.ending import leave, of_answers
from expllm.cli.figures import JsonOption, print_json, print_view
from expllm.cli.options import (
    AbstainOption,
    AnyKeyEnvOption,
    AnyMaxNewTokensOption,
    AnyTemperatureOption,
    AnyTimeoutOption,
    BaseUrlOption,
    BatchSizeOption,
    BoxesOption,
    BudgetOption,
    CacheOption,
    DataRootOption,
    DatasetArgument,
    DeviceOption,
    DtypeOption,
    EvalRunArgument,
    EvalRunOption,
    KindOption,
    LicenceOption,
    LimitOption,
    ModelArgument,
    PlotOption,
    PricesOption,
    QuestionsOption,
    QuietOption,
    ServedNameOption,
)
from expllm.cli.terminal import keep_stderr_to_ourselves
from expllm.core.packages import PLOTS, require
from expllm.files.atomic import refuse_inputs

if TYPE_CHECKING:
    from expllm.evals.saved_answers import Answer, EvalTask, Settings

eval_app = new_group("Evaluate models; answers are saved, and every figure can be computed again from them.")


def _label_command(task: "EvalTask") -> Callable[..., None]:
    """A command that labels the faces of a data set: `accuracy` and `transfer` differ in what is scored."""

    def scored(
        model: ModelArgument,
        dataset: DatasetArgument,
        output: EvalRunOption = None,
        data_root: DataRootOption = None,
        kind: KindOption = None,
        as_json: JsonOption = False,
        batch_size: BatchSizeOption = 16,
        limit: LimitOption = None,
        boxes: BoxesOption = None,
        dtype: DtypeOption = "auto",
        device: DeviceOption = "auto",
        licence: LicenceOption = "any",
        plot: PlotOption = False,
        abstain: AbstainOption = None,
        base_url: BaseUrlOption = None,
        key_env: AnyKeyEnvOption = None,
        temperature: AnyTemperatureOption = None,
        max_new_tokens: AnyMaxNewTokensOption = None,
        timeout: AnyTimeoutOption = None,
        cache: CacheOption = None,
        budget: BudgetOption = None,
        prices: PricesOption = None,
        questions: QuestionsOption = None,
        served_name: ServedNameOption = None,
        quiet: QuietOption = False,
    ) -> None:
        endpoint = (
            base_url, key_env, temperature, max_new_tokens, timeout, cache, budget, prices, questions,
            served_name,
        )  # fmt: skip
        run, settings, answers = answers_of(
            task, model, dataset, output, data_root, kind, batch_size, limit, boxes, dtype, device, licence,
            quiet, plot, endpoint,
        )  # fmt: skip
        report_labels(run, settings, answers, as_json, plot, abstain)

    return scored


eval_app.command(
    "accuracy",
    cls=Command,
    short_help="Accuracy, balanced accuracy and macro-F1, with 95 % confidence intervals.",
    help="""Label every face of a data set with a model: accuracy, balanced accuracy and macro-F1.

    Run the same command again to resume. Exit code 3: images are unreadable or missing, or replies hold no
    label; unreadable images are named and count as wrong. 4: no face was found in any image.
    """,
)(_label_command("accuracy"))
eval_app.command(
    "transfer",
    cls=Command,
    short_help="Score a model on a data set with another label set: shared labels only.",
    help="""Score a model on a data set that it was not trained for (the paper's Table II).

    Label sets are aligned by the synonym table. Faces whose label the model does not know are left out;
    answers outside the data set's labels count as wrong. Both are reported.
    """,
)(_label_command("transfer"))


@eval_app.command(
    "rescore", cls=Command, short_help="Print the tables of a run again, from its saved answers."
)
def rescore(
    run: EvalRunArgument,
    as_json: JsonOption = False,
    plot: PlotOption = False,
    abstain: AbstainOption = None,
) -> None:
    """Compute every figure of a run again from its saved answers and judges' replies; no model is loaded."""
    from expllm.cli.evaluate_cot import report_cot, report_ladder
    from expllm.evals.ladder_runs import LadderRun
    from expllm.evals.saved_answers import EvalRun

    if LadderRun.at(run):
        report_ladder(run, as_json)
    saved = EvalRun(run)
    if saved.settings().task == "cot":
        report_cot(run, saved.settings(), saved.answers(), as_json)
    report_labels(run, saved.settings(), saved.answers(), as_json, plot, abstain)


@eval_app.command("compare", cls=Command, short_help="McNemar's test between two runs on the same faces.")
def compare_command(run: EvalRunArgument, other: EvalRunArgument, as_json: JsonOption = False) -> None:
    """Test whether the accuracies of two runs differ significantly, on the faces that both answered."""
    from expllm.evals.saved_answers import EvalRun
    from expllm.evals.scores import compare_runs as compared

    runs = [EvalRun(path) for path in (run, other)]
    one, two = ((each.settings(), each.answers()) for each in runs)
    found = compared(one, two)
    if as_json:
        print_json({"runs": [str(run), str(other)], **found.to_dict()})
        return
    from expllm.cli.evaluate_view import comparison_view

    print_view(comparison_view(found, (run, other)))


eval_app.command(
    "report", cls=Command, short_help="One HTML page of several runs, beside the paper's tables."
)(evaluate_report.report)


def answers_of(
    task: "EvalTask | None", model: str, name: str, output: Path | None, root: str | None, kind: str | None,
    batch: int, limit: int | None, boxes: bool | None, dtype: str, device: str, licence: str,
    quiet: bool, plot: bool, endpoint: tuple[Any, ...] = (None,) * 10,
) -> "tuple[Path, Settings, list[Answer]]":  # fmt: skip
    """The run's folder and all answers; without a task they are for calibration."""
    from expllm.evals.adapter import open_adapter
    from expllm.evals.runner import Question, answer_all, default_folder
    from expllm.evals.splits import open_named
    from expllm.predict.opening import check_named

    keep_stderr_to_ourselves()
    require(*(PLOTS if plot else ()))
    dataset = open_named(name, root, kind)
    options = chat_options(*endpoint)
    check_named(licence, model, options)
    with open_adapter(
        model, dataset.labels, boxes=boxes, dtype=dtype, device=device, kind=dataset.kind, chat=options
    ) as who:
        if task is None:
            from expllm.evals.calibrate import check_validation

            check_validation(dataset, name)
            task = "accuracy" if set(dataset.labels) <= set(who.identity.labels) else "transfer"
        question = Question(dataset, name, task, limit)
        run = output or default_folder(who, question)
        refuse_inputs(run, name, model)
        return run, *answer_all(who, question, run, batch, quiet=quiet)


def report_labels(
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
    from expllm.evals.scores import score_run

    scores = score_run(settings, answers, abstain=abstain)
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
