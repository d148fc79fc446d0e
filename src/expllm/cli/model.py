"""`expllm model`: what a model is and costs; merge, import and publish a trained one."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from expllm.cli.command import Command, new_group
from expllm.cli.ending import complain
from expllm.cli.figures import JsonOption, print_json, print_view
from expllm.cli.options import LicenceOption
from expllm.core.packages import CONVERSION, require

model_app = new_group("Inspect, calibrate, merge, import and publish models.")

_ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="compact (the model that ships), or a trained model's folder or run."
    ),
]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="Folder to write; it must not exist.")
]


@model_app.command(
    "show", cls=Command, short_help="Show parts, parameters, memory and operations; no weights are read."
)
def show_model(
    preset: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="paper, paper-qlora, compact, tiny, hf:REPO, or a trained model's folder."
        ),
    ],
    as_json: JsonOption = False,
    train_batch: Annotated[
        int, typer.Option("--train-batch", metavar="N", min=1, help="Samples per step and device.")
    ] = 16,
    licence: LicenceOption = "any",
) -> None:
    """Show a model's parts, its trainable parameters, and the cost of training and inference.

    No weights are read; only hf:REPO needs a network.
    """
    require(*CONVERSION)
    from expllm.model.manifest import read_manifest
    from expllm.model.presets import preset as by_name
    from expllm.model.rights import check_model_licence
    from expllm.model.shipped import SHIPPED, model_folder
    from expllm.model.summary import model_summary

    folder = Path(preset)
    if folder.is_dir() or preset in SHIPPED:
        check_model_licence(licence, folder if folder.is_dir() else model_folder(preset), preset)
    chosen = read_manifest(folder).preset if folder.is_dir() else by_name(preset)
    found = model_summary(chosen, train_batch)
    if as_json:
        print_json(found.to_dict())
        return
    from expllm.cli.model_view import summary_view

    print_view(summary_view(found))


@model_app.command("merge", cls=Command, short_help="Merge the adapters into a plain transformers model.")
def merge_command(
    model: _ModelArgument,
    output: OutputOption,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option("--dtype", help="Precision of the written weights; auto: float32."),
    ] = "auto",
    as_json: JsonOption = False,
    licence: LicenceOption = "any",
) -> None:
    """Merge the adapters and write a folder that plain `transformers` and servers such as vLLM load.

    ExpLLM loads it as well. Adapters are added in 32-bit floats, so the whole model must fit into memory
    in that precision: 28 GB for `paper`.
    """
    require(*CONVERSION)
    from expllm.model.rights import check_model_licence
    from expllm.model.shipped import model_folder

    folder = model_folder(model)
    check_model_licence(licence, folder, model)
    import torch

    from expllm.model.hub.merge import REMOTE_CODE, carries_modules
    from expllm.model.hub.merge import merge_model as write

    write(folder, output, torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    if as_json:
        print_json({"output": str(output), "remote_code": carries_modules(output), "files": _sizes(output)})
        return
    more = f" (with {REMOTE_CODE})" if carries_modules(output) else ""
    typer.echo(f"{output}: AutoModelForImageTextToText{more} and AutoProcessor read it")


@model_app.command(
    "import", cls=Command, short_help="Read the authors' released checkpoint, with a report key by key."
)
def import_(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="The checkpoint: a file, a folder of shards, or OWNER/NAME[/FOLDER] in the cache of 'hf "
            "download'.",
        ),
    ],
    output: OutputOption,
    preset: Annotated[
        str, typer.Option("--preset", metavar="PRESET", help="Preset with the checkpoint's sizes.")
    ] = "paper",
    labels: Annotated[
        int, typer.Option("--labels", metavar="7|8", min=7, max=8, help="Size of its label set.")
    ] = 7,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also list the keys that were matched.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Convert a checkpoint of the released code (starhiking/ExpLLM) to a model's folder.

    Pickled files are read by PyTorch's restricted reader, which runs no code.
    """
    require(*CONVERSION)
    from expllm.core.vocabulary import label_set
    from expllm.model.hub.import_released import PROMPT_WARNING, import_released
    from expllm.model.hub.snapshots import kept
    from expllm.model.presets import preset as by_name

    path = kept(checkpoint)
    report = import_released(path, output, by_name(preset), label_set(labels))
    if as_json:
        print_json({"output": str(output), "whole": report.whole, **asdict(report)})
    else:
        typer.echo("\n".join(report.lines(everything=verbose)))
    report.check(path)
    complain(f"{output}: written. Note: {PROMPT_WARNING}")


@model_app.command(
    "push", cls=Command, short_help="Upload a trained model to the Hugging Face hub, with a model card."
)
def push_command(
    model: _ModelArgument,
    repo: Annotated[str, typer.Argument(metavar="REPO", help="OWNER/NAME on the hub.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the card and the files; upload nothing.")
    ] = False,
    as_json: JsonOption = False,
    licence: LicenceOption = "any",
) -> None:
    """Upload a trained model with a generated card. The hub's own login is used (`hf auth login`)."""
    from expllm.model.hub.push import model_card, published_files
    from expllm.model.hub.push import push as upload
    from expllm.model.rights import check_model_licence
    from expllm.model.shipped import model_folder

    folder = model_folder(model)
    check_model_licence(licence, folder, model)
    files = {path.name: path.stat().st_size for path in published_files(folder)}
    if dry_run and as_json:
        print_json({"repo": repo, "card": model_card(folder), "files": files})
    elif dry_run:
        typer.echo(model_card(folder))
        for name, size in files.items():
            typer.echo(f"{size:>15,} {name}")
    else:
        require("huggingface_hub")
        address = upload(folder, repo, private=private)
        if as_json:
            print_json({"repo": repo, "address": address, "files": files})
        else:
            typer.echo(address)


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file, by name."""
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
