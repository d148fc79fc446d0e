"""`expllm analyze` and `expllm aus`: pictures (or tables of action units) in, explanations out."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from expllm.cli import chat_options as chat
from expllm.cli.figures import print_json, print_view
from expllm.core.errors import UsageError

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IN",
        help="Pictures, folders, globs, web addresses, - for standard input; "
        "or tables of action units (.csv, .json, .jsonl, .parquet: expllm, released ExpLLM, OpenFace, "
        "py-feat, LibreFace).",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write here instead of to standard output."),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="text, json, jsonl, csv, parquet or html. [default: by the suffix of -o, else text]",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
Overlay = Annotated[
    Path | None,
    typer.Option(
        "--overlay", metavar="DIR", help="Also draw each picture with boxes, mesh and AU bars (PNG)."
    ),
]
Columns = Annotated[
    str,
    typer.Option("--columns", metavar="SET", help="Columns of CSV and Parquet: expllm, pyfeat or openface."),
]
Detector = Annotated[
    str, typer.Option("--detector", metavar="NAME|FILE", help="mediapipe, or the path of a SCRFD .onnx file.")
]
AuSource = Annotated[
    Literal["blendshapes", "pixels", "both"],
    typer.Option(
        "--au-source",
        help="What action units are read from: MediaPipe's blendshapes (Apache-2.0), the pixels (weights for "
        "academic use only), or both.",
    ),
]
Landmarker = Annotated[
    Path | None,
    typer.Option(
        "--landmarker", metavar="FILE", help="face_landmarker.task to use. [default: found by itself]"
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Who explains: compact (the model that ships), offline (rules), a trained model's folder, "
        "chat:NAME, or endpoint:URL (a server that runs a merged model). "
        "[default: EXPLLM_MODEL, else compact if its packages are installed, else offline]",
    ),
]
NoExplain = Annotated[bool, typer.Option("--no-explain", help="Labels and probabilities only, no text.")]
Order = Annotated[
    str | None,
    typer.Option(
        "--order",
        metavar="ORDER",
        help="A trained model: label-first, or explanation-first (the paper). [default: as trained]",
    ),
]
Dtype = Annotated[
    str,
    typer.Option(
        "--dtype", metavar="auto|float32|bfloat16", help="A trained model: precision of its weights."
    ),
]
Audited = Annotated[
    bool | None,
    typer.Option(
        "--audited/--as-written",
        help="Rewrite or leave out sentences that the measured action units refute, or keep every text as it "
        "was written. [default: audited; chat and endpoint models: as written]",
        show_default=False,
    ),
]
Abstain = Annotated[
    float | None,
    typer.Option("--abstain", metavar="P", help="Say uncertain where no label has the probability P (0-1)."),
]
Labels = Annotated[
    int | None,
    typer.Option("--labels", metavar="7|8", help="Expressions to tell apart (8 adds contempt). [default: 8]"),
]
Mirrored = Annotated[
    bool,
    typer.Option("--mirrored", help="Pictures are mirror images, as selfie previews are: swap the sides."),
]
OnNoFace = Annotated[
    str,
    typer.Option(
        "--on-no-face",
        metavar="row|skip|error",
        help="A picture without a face: give it a row, leave it out, or count it as failed.",
    ),
]
MaxFaces = Annotated[
    int,
    typer.Option(
        "--max-faces",
        metavar="N",
        help="At most so many faces a picture, the largest; faces left out are counted.",
        min=1,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Threads. [default: one a processor, at most 4]", min=1),
]
Landmarks = Annotated[bool, typer.Option("--landmarks", help="JSON: add the 478 landmarks of every face.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Text: show all 31 units, not only the active. Name every file that is left out.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary; errors only.")]


def analyze(
    inputs: Inputs = None,
    output: Output = None,
    format_: Format = None,
    as_json: AsJson = False,
    overlay: Overlay = None,
    columns: Columns = "expllm",
    model: Model = None,
    no_explain: NoExplain = False,
    order: Order = None,
    dtype: Dtype = "auto",
    audited: Audited = None,
    abstain: Abstain = None,
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
    detector: Detector = "mediapipe",
    au_source: AuSource = "blendshapes",
    landmarker: Landmarker = None,
    labels: Labels = None,
    mirrored: Mirrored = False,
    on_no_face: OnNoFace = "row",
    max_faces: MaxFaces = 100,
    workers: Workers = None,
    landmarks: Landmarks = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Explain the faces in pictures: action units, an explanation, an expression with probabilities."""
    from expllm.cli.view import analysis_view

    asked = chat.chat_options(
        base_url, key_env, temperature, max_tokens, timeout, cache, budget, prices, questions, served_name
    )
    predictor = {
        "detector": detector, "landmarker": landmarker, "mirrored": mirrored, "write": not no_explain,
        "abstain": abstain, "au_source": au_source,
    }  # fmt: skip
    _run(
        inputs, render=lambda analyses: analysis_view(analyses, verbose=verbose), predictor=predictor,
        model={
            "model": model, "labels": labels, "order": order, "dtype": dtype, "audited": audited,
            "chat": asked,
        },
        output=output, format_=_format(format_, as_json), overlay=overlay, columns=columns,
        on_no_face=on_no_face, max_faces=max_faces, workers=workers, landmarks=landmarks, verbose=verbose,
        quiet=quiet,
    )  # fmt: skip


def aus(
    inputs: Inputs = None,
    output: Output = None,
    format_: Format = None,
    as_json: AsJson = False,
    columns: Columns = "expllm",
    detector: Detector = "mediapipe",
    au_source: AuSource = "blendshapes",
    landmarker: Landmarker = None,
    mirrored: Mirrored = False,
    on_no_face: OnNoFace = "row",
    max_faces: MaxFaces = 100,
    workers: Workers = None,
    landmarks: Landmarks = False,
    quiet: Quiet = False,
    list_: Annotated[bool, typer.Option("--list", help="List the 31 action units and leave.")] = False,
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
        raise UsageError(f"--json and --format {chosen} are two formats: leave out one of them")
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
        raise UsageError(
            "give at least one picture, folder, glob, address or - (see 'expllm analyze --help')"
        )
    if on_no_face not in ("row", "skip", "error"):
        raise UsageError(f"--on-no-face is {on_no_face!r}: use row, skip or error")
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
