"""Uploads a model's folder to the Hugging Face hub, with a card: what it is, its figures, law, rights."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import ExpllmError
from expllm.model.manifest import MANIFEST_NAME, Manifest, check_files, read_manifest

CARD: Final = "README.md"
HUB_LICENCES: Final = {"Llama 2 Community License": "llama2", "Apache-2.0": "apache-2.0"}
"""The hub's names of licences; anything else is `other`."""
LAW: Final = """\
In the European Union, Regulation (EU) 2024/1689 (the AI Act), Article 5(1)(f), prohibits AI systems that
infer emotions of people at work and in education, except for medical or safety reasons. Elsewhere such a
system is an *emotion recognition system*: Annex III counts it among those of high risk, and Article 50(3)
asks whoever deploys it to inform the people who are exposed to it. Pictures of faces are personal data. This
is an orientation, not legal advice."""
_LIMITS: Final = """\
A face shows movements, not feelings. The label says which expression the annotators of the training data
would have named, and the explanation is text that a language model wrote: neither is a finding about a
person. Error rates differ between groups of people; measure them on your own data before you rely on this."""
_RIGHTS: Final = """\
* Training data: data sets of faces such as RAF-DB and AffectNet are given for non-commercial research.
  Whether a model that was trained on them may be used otherwise is for their owners to say."""


class PushError(ExpllmError):
    """The hub refuses an upload, or cannot be reached."""


def published_files(folder: Path) -> list[Path]:
    """What is uploaded beside the card: `expllm.json` and the files that it names, nothing else.

    Raises:
        UsageError, MissingWeights, ModelError: it is no whole model.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    return [folder / name for name in (MANIFEST_NAME, *sorted(manifest.files))]


def push(
    folder: Path, repo: str, *, private: bool = False, endpoint: str | None = None, token: str | None = None
) -> str:
    """Uploads a model in one commit; the repository is made if there is none.

    Args:
        repo: OWNER/NAME.
        private: Of a new repository.
        endpoint: Of the hub; by default as `huggingface_hub` has it.
        token: By default that of the hub's own login.

    Returns:
        The address of the commit.

    Raises:
        UsageError, MissingWeights, ModelError: it is no whole model.
        PushError: the hub refuses, or cannot be reached.
    """
    files = published_files(folder)
    card = model_card(folder)
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, LocalTokenNotFoundError

    api = HfApi(endpoint=endpoint, token=token)
    operations = [CommitOperationAdd(path.name, str(path)) for path in files]
    operations.append(CommitOperationAdd(CARD, card.encode("utf-8")))
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        done = api.create_commit(repo, operations, commit_message="Upload an ExpLLM model")
    except LocalTokenNotFoundError:
        raise PushError(f"{repo}: not logged in to the Hub: run 'hf auth login' first") from None
    except HFValidationError as error:
        raise PushError(f"{repo!r} is not a repository name: give OWNER/NAME ({_first(error)})") from None
    except HfHubHTTPError as error:
        raise PushError(f"{repo}: {_refusal(error)}") from None
    except (HTTPError, OSError) as error:
        raise PushError(f"{repo}: the hub cannot be reached ({_first(error)}): try again") from None
    return str(done.commit_url)


def _refusal(error: Any) -> str:
    status = getattr(error.response, "status_code", None)
    if status in (401, 403):
        return "you may not write there: log in with 'hf auth login' and a token that may write"
    return f"the hub refuses the upload ({_first(error)})"


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


def model_card(folder: Path) -> str:
    """README.md for the hub: front matter, what the model is, its figures if it has any, law, rights.

    Raises:
        UsageError, ModelError: it not a model directory.
    """
    manifest = read_manifest(folder)
    return "\n".join((_front_matter(manifest), *_body(manifest), ""))


def _front_matter(manifest: Manifest) -> str:
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        license=_licence(manifest),
        language="en",
        library_name="transformers" if manifest.merged else "peft",
        pipeline_tag="image-text-to-text",
        base_model=list(_bases(manifest)) or None,
        tags=["expllm", "facial-expression-recognition", "action-units", "chain-of-thought"],
    )
    return f"---\n{data.to_yaml()}\n---"


def _body(manifest: Manifest) -> Iterator[str]:
    preset, bases = manifest.preset, _bases(manifest)
    yield f"# An ExpLLM model (`{preset.name}`)"
    yield ""
    yield (
        "Names the expression of a face, and explains it by the movements that are seen: key observations, "
        "an overall emotional interpretation, a conclusion "
        "([ExpLLM, Lan et al. 2025](https://arxiv.org/abs/2409.02828))."
    )
    yield ""
    yield f"* Labels: {', '.join(label.value for label in manifest.labels)}."
    yield f"* Base models: {', '.join(bases) or 'none: all weights are here'}."
    yield from _contents(manifest)
    yield ""
    yield from ("```python", *_usage(manifest), "```")
    for title, text in (
        ("Figures", _figures(manifest.card)), ("Limits", _LIMITS), ("Law", LAW),
        ("Rights", _rights(manifest)),
    ):  # fmt: skip
        yield from ("", f"## {title}", "", text)


def _contents(manifest: Manifest) -> Iterator[str]:
    """What of the model is in the folder."""
    if manifest.merged:
        yield "* Here: the whole model, its adapters merged; processor, prompts, image transform."
        return
    rank = manifest.preset.lora.rank
    yield f"* Here: adapters of rank {rank} (`peft`), projector, prompts, image transform."
    if manifest.trained:
        yield f"* Trained whole, and here: {', '.join(manifest.trained)}."


def _usage(manifest: Manifest) -> Iterator[str]:
    """How it is opened in Python."""
    if not manifest.merged:
        yield "from expllm.model.checkpoint import load_model  # pip install 'expllm[model]'"
        yield ""
        yield 'model = load_model(Path("FOLDER"))'
        return
    own = any(name.endswith(".py") for name in manifest.files)
    yield "from transformers import AutoModelForImageTextToText, AutoProcessor  # 5.23 or later"
    yield ""
    yield "processor = AutoProcessor.from_pretrained(FOLDER)"
    yield (
        "model = AutoModelForImageTextToText.from_pretrained("
        f"FOLDER{', trust_remote_code=True' if own else ''})"
    )


def _figures(card: Mapping[str, Any]) -> str:
    figures = card.get("figures")
    if not isinstance(figures, Mapping) or not figures:
        return "None were saved with this model: measure it before you use it."
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in figures.items()]
    return "\n".join(("| measure | value |", "|---|---|", *rows))


def _cell(value: Any) -> str:
    return " ".join(str(value).replace("|", "\\|").split())


def _rights(manifest: Manifest) -> str:
    return "\n".join((*(f"* {base}: {licence}." for base, licence in _licences(manifest)), _RIGHTS))


def _licences(manifest: Manifest) -> list[tuple[str, str]]:
    preset = manifest.preset
    if preset.hf is not None:
        return [(preset.hf, "see its own card")]
    parts = ((preset.tower, "the vision encoder"), (preset.language, "the language model"))
    return [(part.source or name, part.licence) for part, name in parts if part.licence]


def _licence(manifest: Manifest) -> str:
    """The narrowest of the bases' licences; `other` where one has no name on the hub."""
    names = {HUB_LICENCES.get(licence, "other") for _, licence in _licences(manifest)}
    return next((name for name in ("other", "llama2") if name in names), "apache-2.0")


def _bases(manifest: Manifest) -> list[str]:
    """Names on the hub; folders of this machine stay private."""
    preset = manifest.preset
    names = [preset.hf] if preset.hf is not None else [preset.tower.source, preset.language.source]
    return [name for name in names if name and name.count("/") == 1 and not os.path.exists(name)]
