"""`expllm cot`: make checked explanations for a data set, look at a run, audit texts, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from expllm.cli.command import Command, new_group
from expllm.cli.ending import complain, leave, of_data
from expllm.cli.figures import JsonOption, print_json, print_view
from expllm.cli.options import (
    CLUSTER,
    ENGINE,
    SERVERS,
    AuditMaxNewTokensOption,
    AuditModelOption,
    AuSourceOption,
    BaseUrlOption,
    BatchApiOption,
    BudgetOption,
    CacheOption,
    ConcurrencyOption,
    DataRootOption,
    DatasetArgument,
    KeyEnvOption,
    KindOption,
    LicenceOption,
    LimitOption,
    MaxNewTokensOption,
    PricesOption,
    QuietOption,
    RetryFailedOption,
    TemperatureOption,
    TimeoutOption,
    check_budget,
)
from expllm.core.errors import UsageError

if TYPE_CHECKING:
    from expllm.cot.estimate import Estimate

cot_app = new_group("Make, check and export explanations for a data set (the Exp-CoT Engine).")

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
_Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="rules|chat:NAME",
        help="Writer: rules, or a model at the endpoint (also NAME alone).",
    ),
]
HintAfter = Annotated[
    int,
    typer.Option(
        "--hint-after",
        metavar="N",
        min=0,
        help="Rounds before the true label is revealed.",
        rich_help_panel=ENGINE,
    ),
]
MaxRounds = Annotated[
    int,
    typer.Option(
        "--max-rounds",
        metavar="N",
        min=1,
        help="Rounds before a sample stays unresolved.",
        rich_help_panel=ENGINE,
    ),
]
_Verify = Annotated[
    Literal["llm", "rules", "both"],
    typer.Option(
        "--verify",
        help="What verifies a description: the model, the audit, or both.",
        rich_help_panel=ENGINE,
    ),
]
PromptsFolder = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        metavar="DIR",
        help="Markdown files that replace the shipped prompts.",
        rich_help_panel=ENGINE,
    ),
]


_Output = Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="The folder of the run.")]
_Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="Seed sent to the endpoint.", rich_help_panel=SERVERS),
]
RequestsPerMinute = Annotated[
    float | None,
    typer.Option("--requests-per-minute", metavar="N", min=0.1, help="Rate limit.", rich_help_panel=SERVERS),
]
TokensPerMinute = Annotated[
    float | None,
    typer.Option(
        "--tokens-per-minute", metavar="N", min=1, help="Rate limit, both ways.", rich_help_panel=SERVERS
    ),
]
_Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Work on a Ray cluster: its address, auto, or local.",
        rich_help_panel=CLUSTER,
    ),
]
_RetryHinted = Annotated[
    bool,
    typer.Option(
        "--retry-hinted",
        help="Afterwards try samples again, without the label, that were resolved with it or not at all.",
        rich_help_panel=ENGINE,
    ),
]
_BestOf = Annotated[
    int | None,
    typer.Option(
        "--best-of",
        metavar="N",
        min=1,
        help="Drafts of a sample that is tried again; the audit chooses. [default: 4]",
        rich_help_panel=ENGINE,
    ),
]
Shards = Annotated[
    int | None,
    typer.Option(
        "--shards", metavar="N", min=1, help="Workers of the cluster. [default: 2]", rich_help_panel=CLUSTER
    ),
]


@cot_app.command(
    "make", cls=Command, short_help="Make explanations for a data set; resumes an interrupted run."
)
def make(
    dataset: DatasetArgument,
    output: _Output,
    model: _Model = "rules",
    base_url: BaseUrlOption = None,
    key_env: KeyEnvOption = "OPENAI_API_KEY",
    concurrency: ConcurrencyOption = 64,
    limit: LimitOption = None,
    budget: BudgetOption = None,
    prices: PricesOption = None,
    hint_after: HintAfter = 2,
    max_rounds: MaxRounds = 5,
    verify: _Verify = "both",
    prompts: PromptsFolder = None,
    temperature: TemperatureOption = 0.7,
    max_new_tokens: MaxNewTokensOption = None,
    seed: _Seed = None,
    timeout: TimeoutOption = 60.0,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    cache: CacheOption = None,
    batch_api: BatchApiOption = False,
    retry_failed: RetryFailedOption = False,
    retry_hinted: _RetryHinted = False,
    best_of: _BestOf = None,
    quiet: QuietOption = False,
    ray: _Ray = None,
    shards: Shards = None,
    au_source: AuSourceOption = "blendshapes",
    licence: LicenceOption = "any",
    data_root: DataRootOption = None,
    kind: KindOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an explanation for every face of a data set, each checked against its action units.

    Run the same command again to resume: no call that was answered is repeated. Samples without an
    explanation are counted at the end, with the reasons. Exit code 3: some could not be measured, some calls
    failed, or no sample has an explanation; 4: no face was found in any image.
    """
    from expllm.cli.cot_make import work
    from expllm.cot.engine_setup import CotMakeOptions

    if shards and not ray:
        raise UsageError("--shards needs --ray")
    if best_of and not retry_hinted:
        raise UsageError("--best-of needs --retry-hinted")
    check_budget(budget)
    options = CotMakeOptions(
        dataset=dataset, output=output, model=model, base_url=base_url, key_env=key_env, limit=limit,
        concurrency=concurrency, budget=budget, prices=prices, hint_after=hint_after, max_rounds=max_rounds,
        verify=verify, prompts=prompts, temperature=temperature, seed=seed, retry_failed=retry_failed,
        max_tokens=max_new_tokens, timeout=timeout, requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute, cache=cache, quiet=quiet, ray=ray,
        shards=(shards or 2) if ray else None, au_source=au_source, data_root=data_root, kind=kind,
        licence=licence, batch_api=batch_api, retry_hinted=retry_hinted, best_of=best_of or 4,
    )  # fmt: skip
    leave(*work(options, as_json=as_json))


@cot_app.command("estimate", cls=Command, short_help="Estimate the calls, tokens and cost of a run.")
def estimate_command(
    dataset: DatasetArgument,
    model: _Model = "chat:gpt-4o",
    limit: LimitOption = None,
    prices: PricesOption = None,
    max_rounds: MaxRounds = 5,
    verify: _Verify = "both",
    prompts: PromptsFolder = None,
    data_root: DataRootOption = None,
    kind: KindOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate the calls, tokens and cost of `make` from the data and the prompts; no call is made."""
    from expllm.cot.make_run import estimated

    found, data = estimated(dataset, model, limit, prices, max_rounds, verify, prompts, data_root, kind)
    if as_json:
        print_json(found.to_dict())
    else:
        _print_estimate(found, model)
    leave(of_data(data))


def _print_estimate(found: "Estimate", model: str) -> None:
    cost = f"the price of {model} is unknown: give --prices FILE" if found.usd is None else _usd(*found.usd)
    typer.echo(f"{found.samples:,} faces with {model}: {cost}")
    for name, (best, worst) in (
        ("calls", found.calls),
        ("prompt tokens", found.prompt_tokens),
        ("completion tokens", found.completion_tokens),
    ):
        typer.echo(
            f"  {name}: {best:,} if every sample passes in its first round, {worst:,} if none ever passes"
        )


def _usd(best: float, worst: float) -> str:
    return f"{best:,.2f} to {worst:,.2f} USD"


@cot_app.command("audit", cls=Command, short_help="Check each claim of a text against the action units.")
def audit_command(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Texts with their action units: JSONL, released JSON, or a run."),
    ],
    sample: Annotated[str | None, typer.Argument(metavar="[ID]", help="One sample. [default: all]")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="The totals only.")] = False,
    audit_model: AuditModelOption = "none",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="RUN",
            help="Folder of the audit model's replies. [default: in the run, or runs/audit/FILE]",
        ),
    ] = None,
    base_url: BaseUrlOption = None,
    key_env: KeyEnvOption = "OPENAI_API_KEY",
    temperature: TemperatureOption = 0.0,
    audit_max_new_tokens: AuditMaxNewTokensOption = None,
    concurrency: ConcurrencyOption = 8,
    budget: BudgetOption = None,
    prices: PricesOption = None,
    timeout: TimeoutOption = 60.0,
    cache: CacheOption = None,
    retry_failed: RetryFailedOption = False,
    quiet: QuietOption = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON instead: one line per text, or the totals with --summary."),
    ] = False,
) -> None:
    """Print the claims of texts in colour, with the action unit that supports or contradicts each.

    With --audit-model a language model reads the claims as well; both readings are checked alike and
    compared. Run the same command again to resume. Exit code 3: the model did not read some text.
    """
    from expllm.cli.audit_model import AuditOrder
    from expllm.cli.cot_audit import audit_file

    order = AuditOrder(
        audit_model=audit_model, base_url=base_url, key_env=key_env, temperature=temperature,
        max_tokens=audit_max_new_tokens, concurrency=concurrency, budget=budget, prices=prices,
        timeout=timeout, cache=cache, retry_failed=retry_failed, quiet=quiet,
    )  # fmt: skip
    audit_file(file, sample, as_json=as_json, summary=summary, order=order, output=output)


@cot_app.command("status", cls=Command, short_help="Show the progress and cost of a run.")
def status(
    run: RunArgument,
    as_json: JsonOption = False,
) -> None:
    """Print the ledger of a run, finished or in progress."""
    from expllm.cot.ledger import Ledger
    from expllm.files.runs import RunFolder

    folder = RunFolder(run)
    folder.settings()
    ledger = Ledger.of(folder)
    if as_json:
        print_json(ledger.to_dict())
        return
    from expllm.cli.cot_view import ledger_view

    print_view(ledger_view(ledger))


@cot_app.command("show", cls=Command, short_help="Show the whole conversation about a sample.")
def show_sample(
    run: RunArgument,
    sample: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The sample. [default: the first]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a sample's conversation, each verdict, and the outcome."""
    from expllm.files.runs import RunFolder

    folder = RunFolder(run)
    folder.settings()
    if as_json:
        from expllm.cli.cot_show import sample_figures

        print_json(sample_figures(folder, sample))
        return
    from expllm.cli.cot_show import sample_view

    print_view(sample_view(folder, sample))


@cot_app.command("export", cls=Command, short_help="Export a run's explanations as a data set.")
def export_command(
    run: RunArgument,
    to: Annotated[
        Literal["jsonl", "parquet", "hf", "llava", "trl", "messages", "released"],
        typer.Option("--to", help="Format of the export."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PATH", help="[default: in the run's folder]")
    ] = None,
    part_size: Annotated[
        str | None,
        typer.Option(
            "--part-size", metavar="SIZE", help="A folder of parts of at most 1GB, 500MB ..., and a manifest."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export the resolved explanations of a run, with a data set card.

    Samples without an explanation are left out and counted. Exit code 1: there is nothing to export.
    """
    from expllm.cot.export import default_output, part_bytes
    from expllm.cot.export import export as write
    from expllm.cot.ledger import Ledger
    from expllm.files.runs import RunFolder

    folder = RunFolder(run)
    folder.settings()
    size = None if part_size is None else part_bytes(part_size)
    target = output or default_output(folder, to, size)
    count = write(folder, to, target, part_size=size)
    ledger = Ledger.of(folder)
    if as_json:
        print_json({"output": str(target), "explanations": count, "status": ledger.status})
    lost = f"; {ledger.ended - count:,} samples have none" if ledger.ended > count else ""
    complain(f"{count:,} explanations in {target}{lost}")
