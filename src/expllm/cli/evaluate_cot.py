"""`expllm eval cot` and `expllm eval ladder`: explanations, and who may judge them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from expllm.cli.command import Command
from expllm.cli.ending import Ending, all_lost, complain, leave, of_answers, of_data, of_judges, of_texts
from expllm.cli.figures import JsonOption, print_json, print_view
from expllm.cli.options import (
    DATA,
    AuditedOption,
    AuditMaxNewTokensOption,
    AuditModelOption,
    AuSourceOption,
    BaseUrlOption,
    BatchSizeOption,
    BoxesOption,
    BudgetOption,
    CacheOption,
    ConcurrencyOption,
    DataRootOption,
    DatasetArgument,
    DeviceOption,
    DtypeOption,
    EvalRunOption,
    HintOption,
    JudgeFileOption,
    JudgeMaxNewTokensOption,
    JudgeOption,
    KeyEnvOption,
    KindOption,
    LadderJudgeOption,
    LicenceOption,
    ModelArgument,
    OrderOption,
    PricesOption,
    QuestionsOption,
    QuietOption,
    RepeatsOption,
    RetryFailedOption,
    SampledOption,
    SampleSeedOption,
    ServedNameOption,
    TemperatureOption,
    TimeoutOption,
)
from expllm.cli.terminal import keep_stderr_to_ourselves
from expllm.core.errors import ExitCode
from expllm.files.atomic import refuse_inputs
from expllm.model.shipped import CHAT, ENDPOINT

if TYPE_CHECKING:
    from expllm.cli.asking import ChatSettings
    from expllm.core.records import Hint
    from expllm.evals.references import References
    from expllm.evals.saved_answers import Answer, Settings
    from expllm.predict import ChatOptions

ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="RUN",
        help="Reference texts: a run of 'expllm cot make' or its export.",
        rich_help_panel=DATA,
    ),
]
_MaxNewTokensOption = Annotated[
    int | None,
    typer.Option(
        "--max-new-tokens",
        metavar="N",
        min=1,
        help="Maximum number of tokens to generate per explanation. [default: 256; chat: the server's]",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands to `expllm eval`."""
    app.command("cot", cls=Command, short_help="Explanations: grounding, and the Exp-CoT score by a judge.")(
        cot
    )
    app.command(
        "ladder",
        cls=Command,
        short_help="Test whether a judge is reliable: good texts against known-bad ones.",
    )(ladder)


def cot(
    model: ModelArgument,
    dataset: DatasetArgument,
    output: EvalRunOption = None,
    limit: SampledOption = 100,
    seed: SampleSeedOption = 0,
    reference: ReferenceOption = None,
    order: OrderOption = None,
    max_new_tokens: _MaxNewTokensOption = None,
    questions: QuestionsOption = None,
    served_name: ServedNameOption = None,
    hint: HintOption = None,
    audited: AuditedOption = None,
    au_source: AuSourceOption = "blendshapes",
    data_root: DataRootOption = None,
    kind: KindOption = None,
    batch_size: BatchSizeOption = 16,
    boxes: BoxesOption = None,
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    licence: LicenceOption = "any",
    judge: JudgeOption = "none",
    base_url: BaseUrlOption = None,
    key_env: KeyEnvOption = "OPENAI_API_KEY",
    judge_file: JudgeFileOption = None,
    repeats: RepeatsOption = 1,
    temperature: TemperatureOption = 0.0,
    judge_max_new_tokens: JudgeMaxNewTokensOption = None,
    audit_model: AuditModelOption = "none",
    audit_max_new_tokens: AuditMaxNewTokensOption = None,
    concurrency: ConcurrencyOption = 8,
    budget: BudgetOption = None,
    prices: PricesOption = None,
    timeout: TimeoutOption = 60.0,
    cache: CacheOption = None,
    retry_failed: RetryFailedOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score a model's explanations. Run the same command again to resume. Exit code 3: something is missing.

    Grounding holds claims against measured action units; a judge compares texts with references (Table III).
    """
    from expllm.cli.audit_model import AuditOrder
    from expllm.cli.evaluate_judge import opened_beside

    reading = AuditOrder(
        audit_model=audit_model, max_tokens=audit_max_new_tokens, base_url=base_url, key_env=key_env,
        temperature=temperature, concurrency=concurrency, budget=budget, prices=prices, timeout=timeout,
        cache=cache, retry_failed=retry_failed, quiet=quiet,
    )  # fmt: skip
    tokens = (judge_max_new_tokens, max_new_tokens)
    beside = opened_beside(reading, judge, judge_file, repeats, tokens, model.startswith(CHAT))
    chat = _evaluated(model, licence, reading, max_new_tokens, questions, served_name)
    found = _answers(
        model, dataset, output, limit, seed, reference, order, max_new_tokens, hint, audited, au_source,
        data_root, kind, batch_size, boxes, dtype, device, chat, quiet,
    )  # fmt: skip
    beside.ask(found[0], found[2])
    report_cot(*found, as_json)


def _evaluated(
    model: str, licence: str, asked: "ChatSettings", max_tokens: int | None, questions: str | None,
    served_name: str | None,
) -> "ChatOptions | None":  # fmt: skip
    """How the evaluated model is asked, if it runs on a server: the options of that kind.

    Raises:
        UsageError: those of a served model are given for another; its licence is not allowed.
    """
    from expllm.predict import ChatOptions
    from expllm.predict.opening import check_chat_options, check_named

    served = ChatOptions(questions=Path(questions) if questions else None, served_name=served_name)
    if questions or served_name:
        check_chat_options(model, served)
    check_named(licence, model, replace(served, key_env=asked.key_env))
    if model.startswith(ENDPOINT):
        return replace(served, key_env=asked.key_env, timeout=asked.timeout)
    if not model.startswith(CHAT):
        return None
    return ChatOptions(
        asked.base_url, asked.key_env, max_tokens=max_tokens, timeout=asked.timeout, cache=asked.cache
    )


def _answers(
    model: str, name: str, output: Path | None, limit: int, seed: int, reference: Path | None,
    order: str | None, max_tokens: int | None, hint: "Hint | None", audited: bool | None, au_source: str,
    root: str | None, kind: str | None, batch: int, boxes: bool | None, dtype: str, device: str,
    chat: "ChatOptions | None", quiet: bool,
) -> "tuple[Path, Settings, list[Answer]]":  # fmt: skip
    """The run's folder, and every face's answer with its explanation."""
    from expllm.core.conversations import Order
    from expllm.evals.adapter import GenerationOptions, open_adapter
    from expllm.evals.references import EngineReferences, SavedReferences
    from expllm.evals.runner import Question, answer_all, default_folder
    from expllm.evals.splits import open_named

    keep_stderr_to_ourselves()
    generation = GenerationOptions(
        cast(Order | None, order), max_tokens or GenerationOptions.max_new_tokens, hint, audited
    )
    data = open_named(name, root, kind)
    saved = SavedReferences.carried(data) if reference is None else SavedReferences.load(reference)
    if saved is not None:
        data, whole = saved.among(data), len(data)
        if len(data) < whole:
            complain(f"{whole - len(data):,} of {whole:,} faces are left out: no text in {saved.name}")
    references: References = saved or EngineReferences(data.labels)
    with open_adapter(
        model, data.labels, boxes=boxes, dtype=dtype, device=device, kind=data.kind, chat=chat,
        generation=generation, references=references, au_source=au_source,
    ) as who:  # fmt: skip
        question = Question(data, name, "cot", limit, seed, who.explained)
        run = output or default_folder(who, question)
        refuse_inputs(run, name, model)
        return run, *answer_all(who, question, run, batch, quiet=quiet)


def report_cot(run: Path, settings: "Settings", answers: "list[Answer]", as_json: bool) -> NoReturn:
    """Writes the figures of a run with explanations, prints them, and leaves with the exit code."""
    from expllm.cli.audit_model import of_audit_models
    from expllm.evals.explanation_scores import audited_texts, grounding, pairs_of
    from expllm.evals.judge.judge_scores import all_judged
    from expllm.evals.model_audit import all_model_audits
    from expllm.evals.saved_answers import EvalRun
    from expllm.evals.scores import score_run

    scores, grounded = score_run(settings, answers), grounding(answers)
    judges = all_judged(run, pairs_of(answers))
    audits = all_model_audits(run, audited_texts(answers))
    found = {
        **scores.to_dict(), "grounding": grounded.to_dict(), "judges": [one.to_dict() for one in judges],
        "audit_models": [one.to_dict() for one in audits],
    }  # fmt: skip
    EvalRun(run).write_scores(found)
    if as_json:
        print_json({"run": str(run), **found})
    else:
        from expllm.cli.evaluate_cot_view import cot_view

        print_view(cot_view(scores, grounded, judges, audits, answers, run))
    if nothing := all_lost(answers):
        leave(nothing)
    leave(of_answers(scores, answers), of_texts(grounded), of_judges(judges), of_audit_models(audits))


def ladder(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DATASET|RUN",
            help="Faces with texts: a data set, or a run or export of 'expllm cot make'.",
        ),
    ],
    output: EvalRunOption = None,
    limit: SampledOption = 100,
    seed: SampleSeedOption = 0,
    data_root: DataRootOption = None,
    kind: KindOption = None,
    judge: LadderJudgeOption = "audit",
    base_url: BaseUrlOption = None,
    key_env: KeyEnvOption = "OPENAI_API_KEY",
    judge_file: JudgeFileOption = None,
    repeats: RepeatsOption = 1,
    temperature: TemperatureOption = 0.0,
    judge_max_new_tokens: JudgeMaxNewTokensOption = None,
    concurrency: ConcurrencyOption = 8,
    budget: BudgetOption = None,
    prices: PricesOption = None,
    timeout: TimeoutOption = 60.0,
    cache: CacheOption = None,
    retry_failed: RetryFailedOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Test a judge on five variants of each text: another face's text, the text with its label swapped, with
    padding added, paraphrased, and unchanged.

    A reliable judge ranks them in this order and gives no credit for padding. The grounding audit is
    tested as well. Exit code 3: a reply of the judge holds no score; 4: no image shows a face.
    """
    from expllm.cli.evaluate_judge import JudgeOrder, ask_judge
    from expllm.evals.ladder import ladders
    from expllm.evals.ladder_runs import LadderRun, LadderSettings, digest_of, faces_with_texts, folder_name

    asked = JudgeOrder(
        judge=judge, base_url=base_url, key_env=key_env, judge_file=judge_file, repeats=repeats,
        temperature=temperature, max_tokens=judge_max_new_tokens, concurrency=concurrency, budget=budget,
        prices=prices, timeout=timeout, cache=cache, retry_failed=retry_failed, quiet=quiet,
    )  # fmt: skip
    file = asked.checked(("audit", "scripted"))
    who = asked.opened(file)
    faces, unmeasured, data = faces_with_texts(source, data_root, kind, limit, seed, quiet=quiet)
    found = ladders(faces)
    settings = LadderSettings(
        source=source, limit=limit, seed=seed, faces=len(faces), unmeasured=unmeasured,
        digest=digest_of(found),
    )  # fmt: skip
    run = LadderRun(output or folder_name(settings))
    refuse_inputs(run.path, source)
    run.begin(settings, found)
    if who is not None:
        ask_judge(asked, who, file, run.path, [pair for one in found for pair in one.pairs()])
    report_ladder(run.path, as_json, Ending() if data is None else of_data(data))


def report_ladder(path: Path, as_json: bool, data: Ending = Ending()) -> NoReturn:  # noqa: B008 - frozen
    """Writes what a ladder test says of each judge, prints it, and leaves with the exit code.

    Args:
        data: How the data set was read, if it was read just now.
    """
    from expllm.evals.judge.judge_scores import all_judged
    from expllm.evals.ladder import audited, climbed
    from expllm.evals.ladder_runs import LadderRun

    run = LadderRun(path)
    settings, ladders = run.settings(), run.ladders()
    judges = all_judged(path, [pair for one in ladders for pair in one.pairs()])
    audit = audited(ladders)
    climbs = [(one, climbed(ladders, one.totals)) for one in judges]
    found: dict[str, Any] = {
        "settings": settings.to_dict(), "faces": len(ladders), "audit": audit and audit.to_dict(),
        "judges": [{**one.to_dict(), "ladder": climb.to_dict()} for one, climb in climbs],
    }  # fmt: skip
    run.write_scores(found)
    if as_json:
        print_json({"run": str(path), **found})
    else:
        from expllm.cli.evaluate_cot_view import ladder_view

        print_view(ladder_view(settings, len(ladders), audit, climbs, path))
    tested = [*([audit] if audit else []), *(climb for _, climb in climbs)]
    lost = Ending(ExitCode.SOME_INPUTS_FAILED, "no text has a score: nothing was tested")
    leave(data, of_judges(judges), Ending() if any(one.unscored < 1 for one in tested) else lost)
