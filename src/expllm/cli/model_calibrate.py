"""`expllm model calibrate`: a model's temperature, and flip averaging."""

from dataclasses import asdict
from typing import Annotated

import typer

from expllm.cli.ending import all_lost, leave
from expllm.cli.evaluate import answers_of, report_labels
from expllm.cli.figures import JsonOption
from expllm.cli.options import (
    BatchSizeOption,
    BoxesOption,
    DataRootOption,
    DatasetArgument,
    DeviceOption,
    DtypeOption,
    EvalRunOption,
    KindOption,
    LicenceOption,
    LimitOption,
    ModelArgument,
    QuietOption,
)
from expllm.core.errors import UsageError

FlipOption = Annotated[
    bool | None,
    typer.Option(
        "--flip-averaging/--no-flip-averaging",
        help="Store flip averaging (test-time augmentation) in the model, or remove it.",
        show_default=False,
    ),
]


def calibrate(
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
    flip_averaging: FlipOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fit a model's temperature on validation data, and save it in the model's folder.

    Probabilities change, labels do not. At least 50 faces are needed. The calibration error is reported
    on the same faces, before and after; a plot is written into the run's folder. With --flip-averaging,
    labels are averaged over the image and its mirror image: slower, slightly more accurate.
    """
    from expllm.model.shipped import CHAT, ENDPOINT, OFFLINE, canonical_name, model_folder

    if canonical_name(model) == OFFLINE or model.startswith((CHAT, ENDPOINT)):
        raise UsageError(f"{model} has no folder to save a temperature in: give a trained model's folder")
    from expllm.evals.calibrate import calibrated, look_twice
    from expllm.model.rights import check_model_licence

    check_model_licence(licence, model_folder(model), model)
    if flip_averaging is not None:
        look_twice(model_folder(model), flip_averaging)
    run, settings, answers = answers_of(
        None,
        model,
        dataset,
        output,
        data_root,
        kind,
        batch_size,
        limit,
        boxes,
        dtype,
        device,
        licence,
        quiet,
        True,
    )
    if unanswered := all_lost(answers):
        leave(unanswered)
    settings, found = calibrated(model_folder(model), run, settings, answers)
    if not as_json:
        from expllm.cli.evaluate_view import temperature_lines

        typer.echo("\n".join(temperature_lines(found)))
    report_labels(run, settings, answers, as_json, True, fitted=asdict(found))
