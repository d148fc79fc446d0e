"""Options that the commands of `expllm eval` share."""

from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="compact (the model that ships), a trained model's folder, offline (rules), chat:NAME, or "
        "endpoint:URL (a server that runs a merged model).",
    ),
]
DatasetArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="NAME:SPLIT, such as ferplus:test or portraits:valid, a folder, or a file ('expllm datasets "
        "list').",
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of an evaluation.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="RUN", help="Folder of the run; runs/eval/... if not given."),
]
RootOption = Annotated[
    str | None,
    typer.Option(
        "--data-root", metavar="DIR", help="Where data sets lie; else EXPLLM_DATA, the settings file."
    ),
]
KindOption = Annotated[
    str | None, typer.Option("--kind", help="How to read the data set, as for 'expllm data check'.")
]
BatchOption = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Faces at a time.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="N faces only, the same ones every time.")
]
BoxesOption = Annotated[
    bool | None,
    typer.Option("--boxes/--no-boxes", help="Box faces by the detector first; by default as in training."),
]
DtypeOption = Annotated[
    str, typer.Option("--dtype", metavar="float32|bfloat16", help="Precision of a model's weights.")
]
MirroredOption = Annotated[
    bool | None,
    typer.Option(
        "--mirrored/--no-mirrored",
        help="From now on, whether a label is the mean of the answers for a face and its mirror image.",
        show_default=False,
    ),
]
AbstainOption = Annotated[
    float | None,
    typer.Option(
        "--abstain", metavar="P", min=0.0, max=1.0, help="Count answers below this probability as uncertain."
    ),
]
PlotOption = Annotated[bool, typer.Option("--plot", help="Write plots into the run's folder.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
