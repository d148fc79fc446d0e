"""Options of judges of explanations."""

from pathlib import Path
from typing import Annotated

import typer

from expllm.cli.chat_options import temperature_of

JudgeMaxTokensOption = Annotated[
    int | None,
    typer.Option(
        "--judge-max-tokens",
        metavar="N",
        min=1,
        help="Maximum number of tokens a judge may generate per reply, reasoning included. [default: as "
        "--judge-file says, or --max-tokens if that is more]",
    ),
]
LadderMaxTokensOption = Annotated[
    int | None,
    typer.Option(
        "--judge-max-tokens",
        "--max-tokens",
        metavar="N",
        min=1,
        help="Maximum number of tokens a judge may generate per reply, reasoning included. [default: as "
        "--judge-file says]",
    ),
]
JudgeOption = Annotated[
    str, typer.Option("--judge", metavar="none|scripted|chat:NAME", help="Who compares the texts.")
]
LadderJudgeOption = Annotated[
    str, typer.Option("--judge", metavar="audit|scripted|chat:NAME", help="Who is tested; the audit always.")
]
JudgeFileOption = Annotated[
    Path | None,
    typer.Option("--judge-file", metavar="FILE.toml", help="What the judge is asked, and how it is read."),
]
RepeatsOption = Annotated[
    int, typer.Option("--repeats", "-k", metavar="K", min=1, help="Times that each order is asked.")
]
TemperatureOption = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="T|none",
        parser=temperature_of,
        help="Sampling temperature of judge and audit model, 0-2; none leaves it out, as some require.",
    ),
]
ConcurrencyOption = Annotated[
    int, typer.Option("--concurrency", metavar="N", min=1, max=1024, help="Calls under way at once.")
]
