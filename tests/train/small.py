"""A training that takes seconds: few drawn faces with short texts, the `tiny` model, one thread."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import torch
from forking import fork_server
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from torch import Tensor
from waiting import HANG_S

from expllm.core.records import CoT
from expllm.core.vocabulary import Expression, label_set
from expllm.train.recipe import DataConfig, ModelConfig, Recipe, StageConfig

torch.set_num_threads(1)

LABELS = label_set(7)[:4]
SIDES = ("left", "right")
ALIGN = StageConfig(
    name="align", task="captions", trains=("projector",), batch=4, micro_batch=2, epochs=50, lr=3e-3,
    precision="fp32", dataloader_num_workers=0, report_to="none", max_steps=3, save_steps=2,
)  # fmt: skip
INSTRUCT = replace(
    ALIGN, name="instruct", task="instruct", trains=("projector", "tower_lora", "language_lora"),
    label=0.5, explanation=0.5, max_steps=4,
)  # fmt: skip


def cot_of(number: int) -> CoT:
    """A short text that names a side, a different one for each face."""
    side = SIDES[number % 2]
    return CoT(
        key_observations=f"The {side} brow is lifted {number}.",
        overall_emotional_interpretation=f"It may mean {LABELS[number % 4].value}.",
        conclusion=f"This is {LABELS[number % 4].value}.",
    )


def draw_faces(
    folder: Path, count: int = 8, explained: int | None = None,
    texts: Callable[[int, Expression], CoT] = lambda number, _: cot_of(number),
) -> DataConfig:  # fmt: skip
    """Pictures in class folders under `folder`, and texts for the first `explained` (by default all)."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        label = LABELS[number % 4]
        path = folder / "faces" / label.value / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (32, 32), (29 * number % 256, 83 * number % 256, 151 * number % 256))
        ImageDraw.Draw(image).ellipse((4, 4, 20 + number, 28), fill=(200, 150, 40 * (number % 4)))
        image.save(path)
        text = texts(number, label).text
        rows.append({"id": f"{label.value}/{path.name}", "expression": label.value, "aus": {}, "cot": text})
    kept = rows[: count if explained is None else explained]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    return DataConfig(
        train=str(folder / "faces"), texts=str(folder / "texts.jsonl") if kept else None,
        captions="texts" if kept else None,
    )  # fmt: skip


def recipe(data: DataConfig, *stages: StageConfig, dropout: float = 0.0, **model: Any) -> Recipe:
    """A recipe of the `tiny` model."""
    settings = ModelConfig(preset="tiny", lora={"dropout": dropout}, **model)
    return Recipe(settings, data, stages[0], stages)


def learned(stage: Path) -> dict[str, Tensor]:
    """What a stage's finished model holds, by file and name."""
    return {
        f"{path.name}/{name}": tensor
        for path in sorted((stage / "model").glob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Names of tensors that are bitwise equal."""
    assert one.keys() == other.keys()
    return [name for name in one if torch.equal(one[name], other[name])]


def told(stage: Path) -> list[dict[str, Any]]:
    """The history of a stage, all but the time that its steps took."""
    lines = (stage / "history.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def as_yaml(made: Recipe, path: Path) -> Path:
    """The recipe as a file."""
    import yaml

    values = json.loads(json.dumps(asdict(made)))
    stages = {stage["name"]: stage for stage in values.pop("stages")}
    path.write_text(yaml.safe_dump({**values, "stages": stages}))
    return path


def processes() -> ForkServerContext:
    """Starts processes that are warm: all is imported, and a model was built once."""
    return fork_server("warm")


def train_apart(
    made: Recipe, output: Path, slow_write: float = 0.0, place: Mapping[str, str] | None = None
) -> Any:
    """Starts `work` in a process of its own; `place` is what a launcher says of it: RANK and the like."""
    context = processes()
    address = forkserver._forkserver._forkserver_address  # type: ignore[attr-defined]
    process = context.Process(target=work, args=(made, output, slow_write, dict(place or {}), address))
    process.start()
    return process


def launched(world: int = 2) -> list[dict[str, str]]:
    """What `torchrun` tells each process of a group on this machine."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1",
              "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}  # fmt: skip
    return [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(world)]


def train_together(made: Recipe, output: Path, world: int = 2, slow_write: float = 0.0) -> list[Any]:
    """Starts processes that train as one."""
    return [train_apart(made, output, slow_write, place) for place in launched(world)]


def work(made: Recipe, output: Path, slow_write: float, place: Mapping[str, str], address: str) -> None:
    """Trains, takes its time over every file of a checkpoint, and starts its data workers at `address`.

    Ends as `expllm train` does: with a line on standard error and an exit code.
    """
    from expllm.cli.main import _answer
    from expllm.train import stages as loop
    from expllm.train import trainer
    from expllm.train.checkpoints import save_tensors

    torch.set_num_threads(1)
    os.environ.update(place)
    server: Any = forkserver._forkserver
    # A server of its own would import PyTorch again: seconds for each of many short lives.
    server._forkserver_address, server.ensure_running = address, lambda: None

    def slowly(path: Path, tensors: dict[str, Tensor]) -> None:
        save_tensors(path, tensors)
        time.sleep(slow_write)

    trainer.save_tensors = slowly  # type: ignore[attr-defined]
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{output}.{place.get('RANK', 0)}.err", "a") as file:
        os.dup2(file.fileno(), 2)
        try:
            loop.train_stages(made, output, quiet=True)
        except (Exception, KeyboardInterrupt) as error:
            sys.exit(_answer(error))


def code(process: Any, seconds: float = HANG_S) -> int | None:
    """Waits for a process; its exit code, None if it hangs."""
    process.join(seconds)
    found: int | None = process.exitcode
    process.kill()
    process.join()
    return found


def complaint(output: Path, rank: int = 0) -> str:
    """What a process that was started apart has said."""
    return Path(f"{output}.{rank}.err").read_text()
