"""`expllm analyze` and `expllm aus`: pictures (or tables of action units) in, explanations out."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from expllm.cli.chat_options import chat_options
from expllm.cli.figures import print_json, print_view
from expllm.cli.options import (
    FACES,
    OUTPUT,
    AbstainOption,
    AnyKeyEnvOption,
    AnyMaxNewTokensOption,
    AnyTemperatureOption,
    AnyTimeoutOption,
    AuditedOption,
    AuSourceOption,
    BaseUrlOption,
    BudgetOption,
    CacheOption,
    DetectorOption,
    DeviceOption,
    DtypeOption,
    HintOption,
    LabelsOption,
    LandmarkerOption,
    LicenceOption,
    MirroredOption,
    ModelOption,
    OrderOption,
    PricesOption,
    QuestionsOption,
    ServedNameOption,
)
from expllm.core.errors import UsageError

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IN",
        help="Images, folders, globs, URLs, - for standard input; or tables of action units (.csv, .json, "
        ".jsonl, .parquet: expllm, released ExpLLM, OpenFace, py-feat, LibreFace, ARKit, MediaPipe).",
        show_default=False,
    ),
]
_Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead of standard output."),
]
_Format = Annotated[
    Literal["text", "json", "jsonl", "csv", "parquet", "html"] | None,
    typer.Option(
        "--format", help="Output format. [default: by the suffix of -o, else text]", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Same as --format json.")]
Overlay = Annotated[
    Path | None,
    typer.Option(
        "--overlay",
        metavar="DIR",
        help="Also save each image with boxes, mesh and AU bars (PNG).",
        rich_help_panel=OUTPUT,
    ),
]
_Columns = Annotated[
    Literal["expllm", "pyfeat", "openface"],
    typer.Option("--columns", help="Columns of CSV and Parquet.", rich_help_panel=OUTPUT),
]
_NoExplain = Annotated[bool, typer.Option("--no-explain", help="Labels and probabilities only, no text.")]
OnNoFace = Annotated[
    Literal["row", "skip", "error"],
    typer.Option(
        "--on-no-face",
        help="For an image without a face: write a row, skip it, or count it as failed.",
        rich_help_panel=FACES,
    ),
]
MaxFaces = Annotated[
    int,
    typer.Option(
        "--max-faces",
        metavar="N",
        help="Maximum number of faces per image, the largest first; the others are counted.",
        min=1,
        rich_help_panel=FACES,
    ),
]
_Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Threads. [default: one per processor, at most 4]",
        min=1,
        rich_help_panel=FACES,
    ),
]
Landmarks = Annotated[
    bool,
    typer.Option("--landmarks", help="JSON: add the 478 landmarks of each face.", rich_help_panel=OUTPUT),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Text: show all 31 units, not only active ones; list each skipped file.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary; errors only.")]


def analyze_command(
    inputs: Inputs = None,
    output: _Output = None,
    format_: _Format = None,
    as_json: AsJson = False,
    overlay: Overlay = None,
    columns: _Columns = "expllm",
    model: ModelOption = None,
    no_explain: _NoExplain = False,
    order: OrderOption = None,
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    licence: LicenceOption = "any",
    hint: HintOption = None,
    audited: AuditedOption = None,
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
    detector: DetectorOption = "mediapipe",
    au_source: AuSourceOption = "blendshapes",
    landmarker: LandmarkerOption = None,
    labels: LabelsOption = None,
    mirrored: MirroredOption = False,
    on_no_face: OnNoFace = "row",
    max_faces: MaxFaces = 100,
    workers: _Workers = None,
    landmarks: Landmarks = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Explain the faces in images: action units, a written explanation, an expression with probabilities."""
    from expllm.cli.view import analysis_view

    asked = chat_options(
        base_url, key_env, temperature, max_new_tokens, timeout, cache, budget, prices, questions, served_name
    )
    predictor = {
        "detector": detector, "landmarker": landmarker, "mirrored": mirrored, "write": not no_explain,
        "abstain": abstain, "au_source": au_source, "licence": licence,
    }  # fmt: skip
    _run(
        inputs, render=lambda analyses: analysis_view(analyses, verbose=verbose), predictor=predictor,
        model={
            "model": model, "labels": labels, "order": order, "dtype": dtype, "device": device,
            "licence": licence, "hint": hint, "audited": audited, "chat": asked,
        },
        output=output, format_=_format(format_, as_json), overlay=overlay, columns=columns,
        on_no_face=on_no_face, max_faces=max_faces, workers=workers, landmarks=landmarks, verbose=verbose,
        quiet=quiet,
    )  # fmt: skip


def aus(
    inputs: Inputs = None,
    output: _Output = None,
    format_: _Format = None,
    as_json: AsJson = False,
    columns: _Columns = "expllm",
    detector: DetectorOption = "mediapipe",
    au_source: AuSourceOption = "blendshapes",
    landmarker: LandmarkerOption = None,
    mirrored: MirroredOption = False,
    licence: LicenceOption = "any",
    on_no_face: OnNoFace = "row",
    max_faces: MaxFaces = 100,
    workers: _Workers = None,
    landmarks: Landmarks = False,
    quiet: Quiet = False,
    list_: Annotated[bool, typer.Option("--list", help="List the 31 action units and exit.")] = False,
) -> None:
    """Measure action units only: no expression, no explanation."""
    if list_:
        _list_units(as_json)
        return
    from expllm.cli.view import aus_view

    _run(
        inputs,
        render=aus_view,
        predictor={
            "detector": detector,
            "landmarker": landmarker,
            "mirrored": mirrored,
            "explain": False,
            "au_source": au_source,
            "licence": licence,
        },
        output=output,
        format_=_format(format_, as_json),
        overlay=None,
        columns=columns,
        on_no_face=on_no_face,
        max_faces=max_faces,
        workers=workers,
        landmarks=landmarks,
        quiet=quiet,
    )


def _list_units(as_json: bool) -> None:
    """Prints the vocabulary of action units."""
    if as_json:
        from dataclasses import asdict

        from expllm.core.vocabulary import ACTION_UNITS

        print_json([asdict(unit) for unit in ACTION_UNITS])
        return
    from expllm.cli.view import vocabulary_view

    print_view(vocabulary_view())


def _format(chosen: str | None, as_json: bool) -> str | None:
    """The format that was asked for, by its name or as `--json`."""
    if as_json and chosen not in (None, "json"):
        raise UsageError(f"--json and --format {chosen} exclude each other")
    return "json" if as_json else chosen


def _run(
    inputs: list[str] | None,
    *,
    render: Callable[[list[Any]], Any],
    predictor: dict[str, Any],
    model: dict[str, Any] | None = None,
    output: str | None,
    format_: str | None,
    on_no_face: str,
    max_faces: int,
    quiet: bool,
    **rest: Any,
) -> None:
    """Checks the options that need no model, then leaves the work to `cli.session`."""
    if not inputs:
        raise UsageError("give at least one image, folder, glob, URL or - (see 'expllm analyze --help')")
    labels, columns = (model or {}).get("labels"), rest["columns"]
    if labels not in (None, 7, 8):
        raise UsageError(f"--labels is {labels}: use 7, or 8 with contempt")
    from expllm.cli.session import Session
    from expllm.report.columns import row_maker
    from expllm.report.output_writers import TABLE_FORMATS, format_for

    chosen = format_for(output, format_)
    row_maker(columns)
    if columns != "expllm" and chosen not in TABLE_FORMATS:
        raise UsageError(f"--columns {columns} is for tables: add --format {' or '.join(TABLE_FORMATS)}")
    session = Session(
        predictor={**predictor, "max_faces": max_faces}, model=model, render=render, output=output,
        format_=chosen, on_no_face=on_no_face, quiet=quiet, **rest,
    )  # fmt: skip
    raise typer.Exit(session.run(inputs))
