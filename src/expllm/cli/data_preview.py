"""`expllm data preview`: what augmentation does to the first faces of a data set, on one sheet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from expllm.cli.ending import Ending, leave, of_data
from expllm.cli.figures import JsonOption, print_json
from expllm.cli.options import DataRootOption, DatasetArgument, KindOption
from expllm.core.errors import ExitCode, ImageError, UsageError
from expllm.files.atomic import refuse_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from expllm.data import Sample

MOST_UNREADABLE: Final = 20
"""Pictures that cannot be read, after which no more are tried."""

Sheet = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="The contact sheet, a .png file.")
]
_Rows = Annotated[int, typer.Option("--rows", metavar="N", min=1, max=100, help="Faces on the sheet.")]
_Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the augmentations.")]


def preview(
    dataset: DatasetArgument, output: Sheet, rows: _Rows = 4, seed: _Seed = 0,
    data_root: DataRootOption = None, kind: KindOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Draw each augmentation at both ends of its range, and three images as training sees them.

    Samples without an image are skipped; unreadable images are named (exit code 3). Below each face are
    words of its text, and the same words after flipping.
    """
    from expllm.data.augment import Augmentation
    from expllm.data.preview import contact_sheet
    from expllm.data.roots import open_named
    from expllm.files.atomic import whole_file
    from expllm.files.formats import our_mark

    if output.suffix.lower() != ".png":
        raise UsageError(
            f"cannot write {output}: the contact sheet is a PNG image: choose a name that ends in .png"
        )
    found = open_named(dataset, data_root, kind)
    samples, unreadable = _readable(found, rows)
    refuse_inputs(output, *(sample.image.path for sample in found if sample.image))
    sheet = contact_sheet(samples, Augmentation(), seed)
    with whole_file(output, "wb") as file:
        sheet.save(file, "PNG", pnginfo=our_mark())
    if as_json:
        drawn = [sample.id for sample in samples]
        print_json({"output": str(output), "faces": len(samples), "samples": drawn, "unreadable": unreadable})
    else:
        typer.echo(f"{output}: {len(samples)} {'face' if len(samples) == 1 else 'faces'}")
    lost = Ending(ExitCode.SOME_INPUTS_FAILED if unreadable else ExitCode.DONE, "; ".join(unreadable))
    leave(lost, of_data(found))


def _readable(samples: "Iterable[Sample]", most: int) -> "tuple[list[Sample], list[str]]":
    """The first samples whose picture opens, and why those between them do not.

    Raises:
        ImageError: none does; the line is that of the first.
    """
    from expllm.data import image_bytes
    from expllm.files.images import open_image

    kept: list[Sample] = []
    lost: list[ImageError] = []
    for sample in samples:
        if len(kept) == most or len(lost) > MOST_UNREADABLE:
            break
        if sample.image is not None:
            try:
                open_image(image_bytes(sample.image), name=sample.id)
                kept.append(sample)
            except ImageError as error:
                lost.append(error)
    if lost and not kept:
        raise lost[0]
    return kept, [error.line for error in lost]
