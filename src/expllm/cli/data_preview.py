"""`expllm data preview`: what augmentation does to the first faces of a data set, on one sheet."""

from pathlib import Path
from typing import Annotated

import typer

from expllm.cli.cot import DatasetArgument
from expllm.errors import UsageError

Sheet = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The sheet, a .png file.")]
Rows = Annotated[int, typer.Option("--rows", metavar="N", min=1, max=100, help="Faces on the sheet.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of what is drawn.")]


def preview(dataset: DatasetArgument, output: Sheet, rows: Rows = 4, seed: Seed = 0) -> None:
    """Draw each augmentation alone, at both ends of its range, and three pictures as training draws them.

    Faces without a picture are passed over. Under the pictures of a face stand words of its text, as they
    are and as the flipped picture gets them.
    """
    from itertools import islice

    from expllm.data import open_dataset
    from expllm.data.augment import Augmentation
    from expllm.data.preview import contact_sheet
    from expllm.formats import our_mark
    from expllm.outfiles import whole_file

    if output.suffix.lower() != ".png":
        raise UsageError(f"cannot write {output}: the sheet is a PNG picture; name a file that ends in .png")
    pictured = (sample for sample in open_dataset(dataset) if sample.image is not None)
    samples = list(islice(pictured, rows))
    sheet = contact_sheet(samples, Augmentation(), seed)
    with whole_file(output, "wb") as file:
        sheet.save(file, "PNG", pnginfo=our_mark())
    typer.echo(f"{output}: {len(samples)} {'face' if len(samples) == 1 else 'faces'}")
