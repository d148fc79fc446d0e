"""`expllm.evaluate(...)`: an evaluation from Python, as `expllm eval accuracy` does it."""

from os import PathLike, fspath
from pathlib import Path
from typing import Literal

from expllm.evals.adapter import open_adapter
from expllm.evals.runner import Question, answer_all, default_folder
from expllm.evals.saved_answers import EvalRun
from expllm.evals.scores import RunScores, score_run
from expllm.evals.splits import open_named
from expllm.files.atomic import refuse_inputs
from expllm.predict.opening import ChatOptions, check_named


def evaluate(
    model: str | PathLike[str],
    dataset: str,
    *,
    task: Literal["accuracy", "transfer"] = "accuracy", output: str | PathLike[str] | None = None,
    data_root: str | None = None, kind: str | None = None, limit: int | None = None, batch_size: int = 16,
    boxes: bool | None = None, dtype: str = "auto", device: str = "auto", licence: str | None = None,
    chat: ChatOptions | None = None, abstain: float | None = None, quiet: bool = True,
) -> RunScores:  # fmt: skip
    """Labels every face of a data set with a model, and scores the labels; resumes an interrupted run.

    Args:
        model: `compact`, `rules`, a trained model's folder, `chat:NAME` or `endpoint:URL`.
        dataset: `NAME:SPLIT`, a folder, or a file.
        task: `transfer` scores only the labels that model and data set share.
        output: The folder of the run, which keeps every answer; one below `runs/eval` if None.
        data_root: Folder of the data sets; None takes `EXPLLM_DATA`, else the settings file.
        kind: Layout of the data set; None goes by what it looks like.
        limit: At most so many faces, drawn by a hash of their ids.
        batch_size: Faces per batch.
        boxes: Detect and crop faces first; None: as in training.
        dtype, device, licence, chat: As for [`open_explainer`][expllm.predict.open_explainer].
        abstain: Count answers below this probability (0-1) as uncertain.
        quiet: Show no progress.

    Raises:
        ExpllmError: the model, the data or the folder stand in the way.
        KeyboardInterrupt: it was stopped; what was answered is kept.
    """
    name = fspath(model)
    data = open_named(dataset, data_root, kind)
    check_named(licence, name, chat)
    with open_adapter(
        name, data.labels, boxes=boxes, dtype=dtype, device=device, kind=data.kind, chat=chat
    ) as who:
        question = Question(data, dataset, task, limit)
        run = default_folder(who, question) if output is None else Path(output)
        refuse_inputs(run, dataset, name)
        settings, answers = answer_all(who, question, run, batch_size, quiet=quiet)
    scores = score_run(settings, answers, abstain=abstain)
    EvalRun(run).write_scores(scores.to_dict())
    return scores
