"""`expllm cot`: make checked explanations for a data set, look at a run, audit texts, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from expllm.cli.analyze import AuSource
from expllm.cli.audit_model_options import AuditMaxTokensOption, AuditModelOption
from expllm.cli.chat_options import MaxTokens, Temperature
from expllm.cli.ending import complain, leave, of_data
from expllm.cli.evaluate_options import DatasetArgument, KindOption, RootOption
from expllm.cli.figures import JsonOption, print_json, print_view
from expllm.core.errors import UsageError

if TYPE_CHECKING:
    from expllm.cot.estimate import Estimate

app = typer.Typer(
    help="Make, check and export explanations for a data set (the Exp-CoT Engine).",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Model = Annotated[
    str, typer.Option("--model", metavar="NAME", help="Model at the endpoint; 'offline' writes by rules.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint. [default: OpenAI's]"),
]
KeyEnv = Annotated[
    str, typer.Option("--key-env", metavar="VAR", help="The environment variable that holds the key.")
]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N samples.")]
HintAfter = Annotated[
    int, typer.Option("--hint-after", metavar="N", min=0, help="Rounds before the true label is told.")
]
MaxRounds = Annotated[
    int, typer.Option("--max-rounds", metavar="N", min=1, help="Rounds before a sample stays unresolved.")
]
Verify = Annotated[
    Literal["llm", "rules", "both"],
    typer.Option("--verify", help="What verifies a description: the model, the audit, or both."),
]
PromptsFolder = Annotated[
    Path | None,
    typer.Option("--prompts", metavar="DIR", help="Markdown files that replace the shipped prompts."),
]
Prices = Annotated[
    Path | None, typer.Option("--prices", metavar="FILE", help="USD a million tokens, by model.")
]


Output = Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="The folder of the run.")]
Concurrency = Annotated[
    int, typer.Option("--concurrency", metavar="N", min=1, max=1024, help="Calls under way at once.")
]
Budget = Annotated[
    float | None, typer.Option("--budget", metavar="USD", help="Stop asking when so much is spent.")
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Passed to the endpoint.")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0.1, help="For one answer; then it is asked again."),
]
RequestsPerMinute = Annotated[
    float | None, typer.Option("--requests-per-minute", metavar="N", min=0.1, help="At most.")
]
TokensPerMinute = Annotated[
    float | None, typer.Option("--tokens-per-minute", metavar="N", min=1, help="At most, both ways.")
]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", metavar="FILE", help="Keep answers here, and take those that are here."),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Try samples again whose last call failed.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No live view.")]
Ray = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="Work on a Ray cluster: its address, auto, or local."),
]
Shards = Annotated[
    int | None, typer.Option("--shards", metavar="N", min=1, help="With --ray: workers. [default: 2]")
]


@app.command("make", short_help="Make explanations for a data set; resumes by itself.")
def make(
    dataset: DatasetArgument,
    output: Output,
    model: Model = "offline",
    base_url: BaseUrl = None,
    key_env: KeyEnv = "OPENAI_API_KEY",
    concurrency: Concurrency = 64,
    limit: Limit = None,
    budget: Budget = None,
    prices: Prices = None,
    hint_after: HintAfter = 2,
    max_rounds: MaxRounds = 5,
    verify: Verify = "both",
    prompts: PromptsFolder = None,
    temperature: Temperature = 0.7,
    max_tokens: MaxTokens = None,
    seed: Seed = None,
    timeout: Timeout = 60.0,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    cache: Cache = None,
    retry_failed: RetryFailed = False,
    quiet: Quiet = False,
    ray: Ray = None,
    shards: Shards = None,
    au_source: AuSource = "blendshapes",
    data_root: RootOption = None,
    kind: KindOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an explanation for every face of a data set, each checked against its action units.

    A run that was stopped goes on when the same command is given again: no answered call is asked twice.
    Samples without an explanation are counted at the end, with the reasons. Exit code 3: some could not be
    measured or their calls failed, or not one has an explanation; 4: no face was found in any picture.
    """
    from expllm.cli.cot_make import work
    from expllm.cot.engine_setup import CotMakeOptions

    if shards and not ray:
        raise UsageError("--shards needs --ray")
    options = CotMakeOptions(
        dataset=dataset, output=output, model=model, base_url=base_url, key_env=key_env, limit=limit,
        concurrency=concurrency, budget=budget, prices=prices, hint_after=hint_after, max_rounds=max_rounds,
        verify=verify, prompts=prompts, temperature=temperature, seed=seed, retry_failed=retry_failed,
        max_tokens=max_tokens, timeout=timeout, requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute, cache=cache, quiet=quiet, ray=ray,
        shards=(shards or 2) if ray else None, au_source=au_source, data_root=data_root, kind=kind,
    )  # fmt: skip
    leave(*work(options, as_json=as_json))


@app.command("estimate", short_help="Calls, tokens and USD that a run would take.")
def estimate(
    dataset: DatasetArgument,
    model: Model = "gpt-4o",
    limit: Limit = None,
    prices: Prices = None,
    max_rounds: MaxRounds = 5,
    verify: Verify = "both",
    prompts: PromptsFolder = None,
    data_root: RootOption = None,
    kind: KindOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate what `make` would take, from the data and the prompts; nothing is asked."""
    from expllm.cot.make_run import estimated

    found, data = estimated(dataset, model, limit, prices, max_rounds, verify, prompts, data_root, kind)
    if as_json:
        print_json(found.to_dict())
    else:
        _print_estimate(found, model)
    leave(of_data(data))


def _print_estimate(found: "Estimate", model: str) -> None:
    cost = f"no price is known for {model}: give --prices" if found.usd is None else _usd(*found.usd)
    typer.echo(f"{found.samples:,} faces with {model}: {cost}")
    for name, (best, worst) in (
        ("calls", found.calls),
        ("tokens asked", found.prompt_tokens),
        ("tokens answered", found.completion_tokens),
    ):
        typer.echo(f"  {name}: {best:,} if each passes in its first round, {worst:,} if none ever does")


def _usd(best: float, worst: float) -> str:
    return f"{best:,.2f} to {worst:,.2f} USD"


@app.command("audit", short_help="Hold each claim of a text against the action units.")
def audit(
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
            help="Where an audit model's replies are kept. [default: in the run, or runs/audit/FILE]",
        ),
    ] = None,
    base_url: BaseUrl = None,
    key_env: KeyEnv = "OPENAI_API_KEY",
    temperature: Temperature = 0.0,
    audit_max_tokens: AuditMaxTokensOption = None,
    concurrency: Concurrency = 8,
    budget: Budget = None,
    prices: Prices = None,
    timeout: Timeout = 60.0,
    cache: Cache = None,
    retry_failed: RetryFailed = False,
    quiet: Quiet = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead: a line a text, or the totals with --summary.")
    ] = False,
) -> None:
    """Print the claims of texts in colour, with the action unit that backs or refutes each.

    An audit model reads the claims as well: both readings are checked alike and compared. The same command
    asks nothing twice. Exit code 3: the model did not read some text.
    """
    from expllm.cli.audit_model import AuditOrder
    from expllm.cli.cot_audit import audit_file

    order = AuditOrder(
        audit_model=audit_model, base_url=base_url, key_env=key_env, temperature=temperature,
        max_tokens=audit_max_tokens, concurrency=concurrency, budget=budget, prices=prices, timeout=timeout,
        cache=cache, retry_failed=retry_failed, quiet=quiet,
    )  # fmt: skip
    audit_file(file, sample, as_json=as_json, summary=summary, order=order, output=output)


@app.command("status", short_help="What a run has done, and what it cost.")
def status(
    run: RunArgument,
    as_json: JsonOption = False,
) -> None:
    """Print the ledger of a run; also while it works."""
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


@app.command("show", short_help="Everything that was asked and answered for a sample.")
def show(
    run: RunArgument,
    sample: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The sample. [default: the first]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a sample's whole conversation, each verdict, and how it ended."""
    from expllm.files.runs import RunFolder

    folder = RunFolder(run)
    folder.settings()
    if as_json:
        from expllm.cli.cot_show import sample_figures

        print_json(sample_figures(folder, sample))
        return
    from expllm.cli.cot_show import sample_view

    print_view(sample_view(folder, sample))


@app.command("export", short_help="Write a run's explanations as a data set.")
def export(
    run: RunArgument,
    to: Annotated[
        str,
        typer.Option("--to", metavar="FORMAT", help="jsonl, parquet, hf, llava, trl, messages or released."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PATH", help="[default: in the run's folder]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the resolved explanations of a run, with a data set card beside them.

    Samples without an explanation are not in it; they are counted. Exit code 1: there is nothing to export.
    """
    from expllm.cot.export import default_output
    from expllm.cot.export import export as write
    from expllm.cot.ledger import Ledger
    from expllm.files.runs import RunFolder

    folder = RunFolder(run)
    folder.settings()
    target = output or default_output(folder, to)
    count = write(folder, to, target)
    ledger = Ledger.of(folder)
    if as_json:
        print_json({"output": str(target), "explanations": count, "status": ledger.status})
    lost = f"; {ledger.ended - count:,} samples have none" if ledger.ended > count else ""
    complain(f"{count:,} explanations in {target}{lost}")
