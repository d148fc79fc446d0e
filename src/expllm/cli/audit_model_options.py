"""Options of a language model that reads claims."""

from typing import Annotated

import typer

AuditModelOption = Annotated[
    str,
    typer.Option(
        "--audit-model",
        metavar="none|chat:NAME",
        help="A language model that reads claims beside the rules; both are checked alike and compared.",
    ),
]
AuditMaxTokensOption = Annotated[
    int | None,
    typer.Option(
        "--audit-max-tokens",
        metavar="N",
        min=1,
        help="Maximum number of tokens the audit model may generate per text, reasoning included. "
        "[default: 2000]",
    ),
]
