"""The options that several commands share: one name, one meaning, one help text each.

Options of no group (`rich_help_panel`) stand first in a command's help; `cli.command` prints the groups.
"""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from expllm.core.errors import UsageError

FACES: Final = "Faces and action units"
TRAINED: Final = "Trained models"
SERVERS: Final = "Chat models and servers"
DATA: Final = "Data sets"
OUTPUT: Final = "Output"
JUDGES: Final = "Judges and audit models"
ENGINE: Final = "Engine"
CLUSTER: Final = "Cluster"

MODELS: Final = (
    "compact (the model that ships), rules, a trained model's folder, chat:NAME (a chat model that takes "
    "images), or endpoint:URL (a server that runs a merged model)"
)


def allow_weights(licence: str) -> str:
    """Settles which weights this process and those that it starts may use; `cli.main` undoes it."""
    from expllm.core.licences import LICENCE_VARIABLE

    os.environ[LICENCE_VARIABLE] = licence
    return licence


def device_name(text: str) -> str:
    """A device as the command line names it.

    Raises:
        UsageError: there is none of that name.
    """
    from expllm.model.device import check_device

    return check_device(text)


def sampling_temperature(text: str | float) -> float | None:
    """A sampling temperature: a number from 0 to 2, or `none`, which leaves it out."""
    if isinstance(text, str) and text.strip().casefold() == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise typer.BadParameter(f"{text!r} is not a number from 0 to 2, and not none")
    return value


def check_budget(budget: float | None) -> None:
    """Refuses a budget that buys nothing.

    Raises:
        UsageError: it is not above 0.
    """
    if budget is not None and not budget > 0:
        raise UsageError(f"--budget is {budget:g}: give an amount in USD above 0")


# Models and weights.

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help=f"Model: {MODELS}.")]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help=f"Model that explains: {MODELS}. [default: EXPLLM_MODEL, else compact if its packages are "
        "installed, else rules]",
        show_default=False,
    ),
]
LicenceOption = Annotated[
    Literal["any", "permissive"],
    typer.Option(
        "--licence",
        envvar="EXPLLM_LICENCE",
        show_envvar=False,
        callback=allow_weights,
        help="permissive refuses weights for research only ('expllm models list').",
    ),
]
DtypeOption = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(
        "--dtype", help="Precision of the weights; auto: float32 for small models.", rich_help_panel=TRAINED
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]|mps",
        parser=device_name,
        help="Where the model runs; auto: the first NVIDIA GPU, else the CPU.",
        rich_help_panel=TRAINED,
    ),
]
HintOption = Annotated[
    Literal["none", "self", "measured"] | None,
    typer.Option(
        "--hint",
        help="Action units that the model is told before it explains: those measured, those that a network "
        "reads from the pixels alone (self; weights for academic use only), or none. [default: as trained]",
        show_default=False,
        rich_help_panel=TRAINED,
    ),
]
OrderOption = Annotated[
    Literal["label-first", "explanation-first"] | None,
    typer.Option(
        "--order",
        help="What comes first: the label, or the explanation (as in the paper). [default: as trained]",
        show_default=False,
        rich_help_panel=TRAINED,
    ),
]
AuditedOption = Annotated[
    bool | None,
    typer.Option(
        "--audited/--as-written",
        help="Rewrite or drop sentences that the measured action units contradict, or keep each text as "
        "written. [default: audited; chat and endpoint models: as written]",
        show_default=False,
        rich_help_panel=TRAINED,
    ),
]
BatchSizeOption = Annotated[
    int,
    typer.Option("--batch-size", metavar="N", min=1, help="Faces per batch.", rich_help_panel=TRAINED),
]

# Faces and action units.

DetectorOption = Annotated[
    str,
    typer.Option(
        "--detector",
        metavar="NAME|FILE",
        help="Face detector: mediapipe, or the path of a SCRFD .onnx file.",
        rich_help_panel=FACES,
    ),
]
AuSourceOption = Annotated[
    Literal["blendshapes", "pixels", "both"],
    typer.Option(
        "--au-source",
        help="Source of action units: MediaPipe's blendshapes (Apache-2.0), the pixels (weights for "
        "academic use only), or both.",
        rich_help_panel=FACES,
    ),
]
LandmarkerOption = Annotated[
    Path | None,
    typer.Option(
        "--landmarker",
        metavar="FILE",
        help="Path of face_landmarker.task. [default: the installed one]",
        rich_help_panel=FACES,
    ),
]
MirroredOption = Annotated[
    bool,
    typer.Option(
        "--mirrored", help="Images are mirror images, such as selfie previews: swap left and right."
    ),
]
LabelsOption = Annotated[
    int | None,
    typer.Option(
        "--labels",
        metavar="7|8",
        help="Number of expressions; 8 adds contempt. [default: 8]",
        show_default=False,
    ),
]
AbstainOption = Annotated[
    float | None,
    typer.Option(
        "--abstain",
        metavar="P",
        min=0.0,
        max=1.0,
        help="Report 'uncertain' where no label reaches the probability P (0-1).",
    ),
]

# Data sets and runs.

DatasetArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="NAME:SPLIT, such as ferplus:test or portraits:valid, a folder, or a file ('expllm datasets "
        "list').",
    ),
]
DataRootOption = Annotated[
    str | None,
    typer.Option(
        "--data-root",
        metavar="DIR",
        help="Folder of the data sets. [default: EXPLLM_DATA, else the settings file]",
        rich_help_panel=DATA,
    ),
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Layout of the data set, as for 'expllm data check'. [default: detected]",
        rich_help_panel=DATA,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit",
        metavar="N",
        min=1,
        help="Use at most N samples, drawn by a hash of their ids: the same ones every time.",
    ),
]
SampledOption = Annotated[
    int,
    typer.Option(
        "--limit", metavar="N", min=1, help="Use at most N samples, drawn by a hash of their ids and --seed."
    ),
]
SampleSeedOption = Annotated[
    int, typer.Option("--seed", metavar="N", help="Seed of the draw.", rich_help_panel=DATA)
]
BoxesOption = Annotated[
    bool | None,
    typer.Option(
        "--boxes/--no-boxes",
        help="Detect and crop faces first. [default: as in training]",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
EvalRunOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="RUN", help="Folder of the run. [default: runs/eval/...]"),
]
EvalRunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of an evaluation.")]
PlotOption = Annotated[bool, typer.Option("--plot", help="Write plots into the run's folder.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
RetryFailedOption = Annotated[
    bool,
    typer.Option("--retry-failed", help="Retry samples whose last call failed.", rich_help_panel=SERVERS),
]

# Servers that are asked: one set for commands whose models are always remote, one for the others.

_TOKENS: Final = "Maximum number of tokens to generate per reply, reasoning included."

BaseUrlOption = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="An OpenAI-compatible endpoint. [default: OPENAI_BASE_URL, else OpenAI's]",
        rich_help_panel=SERVERS,
    ),
]
KeyEnvOption = Annotated[
    str,
    typer.Option(
        "--key-env",
        metavar="VAR",
        help="Environment variable that holds the API key.",
        rich_help_panel=SERVERS,
    ),
]
AnyKeyEnvOption = Annotated[
    str | None,
    typer.Option(
        "--key-env",
        metavar="VAR",
        help="Environment variable that holds the API key. [default: OPENAI_API_KEY]",
        rich_help_panel=SERVERS,
    ),
]
TemperatureOption = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="T|none",
        parser=sampling_temperature,
        help="Sampling temperature, 0-2; none leaves it out, as some models require.",
        rich_help_panel=SERVERS,
    ),
]
AnyTemperatureOption = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="T|none",
        parser=sampling_temperature,
        help="chat: sampling temperature, 0-2; none leaves it out. [default: none]",
        show_default=False,
        rich_help_panel=SERVERS,
    ),
]
MaxNewTokensOption = Annotated[
    int | None,
    typer.Option(
        "--max-new-tokens",
        metavar="N",
        min=1,
        help=f"{_TOKENS} [default: the server's]",
        show_default=False,
        rich_help_panel=SERVERS,
    ),
]
AnyMaxNewTokensOption = Annotated[
    int | None,
    typer.Option(
        "--max-new-tokens",
        metavar="N",
        min=1,
        help=f"{_TOKENS} [default: 256; chat: the server's]",
        show_default=False,
        rich_help_panel=SERVERS,
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.1, help="Time limit of one reply.", rich_help_panel=SERVERS
    ),
]
AnyTimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        help="Time limit of one reply. [default: 60]",
        rich_help_panel=SERVERS,
    ),
]
ConcurrencyOption = Annotated[
    int,
    typer.Option(
        "--concurrency", metavar="N", min=1, max=1024, help="Calls in flight.", rich_help_panel=SERVERS
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache", metavar="FILE", help="Store replies here, and reuse stored ones.", rich_help_panel=SERVERS
    ),
]
BatchApiOption = Annotated[
    bool,
    typer.Option(
        "--batch-api",
        help="Ask through the Batch API: half the price, answers within a day.",
        rich_help_panel=SERVERS,
    ),
]
BudgetOption = Annotated[
    float | None,
    typer.Option("--budget", metavar="USD", help="Stop when this much is spent.", rich_help_panel=SERVERS),
]
PricesOption = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="Prices by model, in USD per million tokens. [default: EXPLLM_PRICES, else the shipped ones]",
        rich_help_panel=SERVERS,
    ),
]
QuestionsOption = Annotated[
    str | None,
    typer.Option(
        "--questions",
        metavar="FOLDER",
        help="endpoint: the merged folder that is served. [default: as the server reports it]",
        show_default=False,
        rich_help_panel=SERVERS,
    ),
]
ServedNameOption = Annotated[
    str | None,
    typer.Option(
        "--served-model-name",
        metavar="NAME",
        help="endpoint: name of the model there. [default: the only one that the server lists]",
        show_default=False,
        rich_help_panel=SERVERS,
    ),
]

# Judges and audit models.

AuditModelOption = Annotated[
    str,
    typer.Option(
        "--audit-model",
        metavar="none|chat:NAME",
        help="A language model that reads claims beside the rules; both are checked alike and compared.",
        rich_help_panel=JUDGES,
    ),
]
AuditMaxNewTokensOption = Annotated[
    int | None,
    typer.Option(
        "--audit-max-new-tokens",
        metavar="N",
        min=1,
        help="Maximum number of tokens the audit model may generate per text, reasoning included. "
        "[default: 2000]",
        rich_help_panel=JUDGES,
    ),
]
JudgeMaxNewTokensOption = Annotated[
    int | None,
    typer.Option(
        "--judge-max-new-tokens",
        metavar="N",
        min=1,
        help="Maximum number of tokens a judge may generate per reply, reasoning included. [default: as in "
        "--judge-file; in 'eval cot' at least --max-new-tokens]",
        rich_help_panel=JUDGES,
    ),
]
JudgeOption = Annotated[
    str,
    typer.Option(
        "--judge",
        metavar="none|scripted|chat:NAME",
        help="Judge that compares the texts.",
        rich_help_panel=JUDGES,
    ),
]
LadderJudgeOption = Annotated[
    str,
    typer.Option(
        "--judge",
        metavar="audit|scripted|chat:NAME",
        help="Judge to test; the audit is always tested.",
        rich_help_panel=JUDGES,
    ),
]
JudgeFileOption = Annotated[
    Path | None,
    typer.Option(
        "--judge-file",
        metavar="FILE.toml",
        help="The judge's prompt and the format of its replies.",
        rich_help_panel=JUDGES,
    ),
]
RepeatsOption = Annotated[
    int,
    typer.Option(
        "--repeats",
        "-k",
        metavar="K",
        min=1,
        help="Number of times each order is asked.",
        rich_help_panel=JUDGES,
    ),
]
