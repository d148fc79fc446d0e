"""Training steps of a model of the paper's size on a card: samples a second, utilisation, memory.

    python benchmarks/train_gpu.py [--preset paper] [--batches 16,8,32] [--steps 8] [--json FILE]

Weights are drawn on the card; projector and both adapters learn in the project's own loop, from pictures
drawn at random and the offline writer's texts, decoded and changed by workers as in a real training.
Utilisation (MFU) counts the operations of the tokens that there are, none for filling up and none twice for
checkpointing, over what a large product reaches on the same card. The first two steps do not count.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import torch
from answer_gpu import BEGAN, Table
from drawn import drawn
from train import LABELS, TRAINS, Clock, again, faces, learned, timed

from expllm.model.bundle import Bundle
from expllm.model.costs import Sizes, Text, training_flops
from expllm.model.expllm import train_only
from expllm.model.quiet import quiet_transformers
from expllm.model.show import sizes_of
from expllm.train.config import StageConfig
from expllm.train.faces import Faces
from expllm.train.loop import Place, make_trainer
from expllm.train.planning import this_device
from expllm.train.trainer import StageTrainer

WARM: Final = 2
MIXTURES: Final = {"labels 0.75, explanations 0.25": (0.75, 0.25), "explanations alone": (0.0, 1.0)}
HEAD: Final = (
    f"{'':<44}  {'batch':>5}  {'ms/step':>9}  {'samples/s':>9}  {'TFLOP/s':>8}  {'MFU':>6}  {'GiB':>5}"
)


def flops_of(trainer: StageTrainer, sizes: Sizes) -> list[float]:
    """Operations of each step, by the tokens of its samples."""
    steps = []
    for keys in trainer.batches:
        texts = [trainer.examples[key].text for key in keys]
        counted = [(len(text), len(text.learned)) for text in texts]
        steps.append(
            sum(
                training_flops(
                    sizes, TRAINS, Text(length - sizes.visual_tokens - answer, answer), checkpointing=False
                )
                for length, answer in counted
            )
        )
    return steps


def measure(bundle: Bundle, reading: Faces, stage: StageConfig, folder: Path, rate: float) -> dict[str, Any]:
    """One training."""
    clock = Clock()
    trainer = make_trainer(bundle, reading, stage, Place(folder))
    timed(trainer, clock)
    flops = flops_of(trainer, sizes_of(bundle.preset))
    with quiet_transformers():
        trainer.train()
    seconds, steps = clock.ends[-1] - clock.ends[WARM - 1], len(clock.ends) - WARM
    done = sum(flops[WARM : len(clock.ends)]) / seconds
    return {
        "batch": stage.batch, "checkpointing": stage.checkpointing, "explanation": stage.explanation,
        "step_seconds": seconds / steps, "samples_a_second": stage.batch * steps / seconds,
        "flops_a_second": done, "mfu": done / rate, "losses": clock.losses,
    }  # fmt: skip


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--batches", default="16,8,32")
    parser.add_argument("--steps", type=int, default=8, help=f"of each training, {WARM} of them not counted")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=50, help="no measurement begins later")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    given = options()
    batches = [int(text) for text in given.batches.split(",")]
    stage = StageConfig(
        trains=TRAINS, lr=5e-4, workers=given.workers, report_to="none", save_steps=10**9, epochs=100,
        warmup_steps=1, max_steps=given.steps,
    )  # fmt: skip
    device = this_device(stage)
    table, rows = Table(given.seconds, given.device), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "faces").mkdir()
        reading = faces(folder / "faces", 2 * max(batches))
        bundle = drawn(given.preset, given.device, adapters=True)
        bundle.labels = LABELS
        train_only(bundle.model, TRAINS)
        start = learned(bundle.model)
        print(f"{device.name}, torch {torch.__version__}, {given.preset}; a large product "
              f"{device.rate / 1e12:.0f} TFLOP/s; {time.perf_counter() - BEGAN:.0f} s gone\n\n{HEAD}",
              flush=True)  # fmt: skip
        plan = [(batch, mixture, False) for batch in batches for mixture in MIXTURES]
        plan.append((batches[0], "explanations alone", True))
        for number, (batch, mixture, checkpointing) in enumerate(plan):
            what = mixture + ", checkpointing" * checkpointing
            with table.measuring(f"{what}, batches of {batch}") as peak:
                label, explanation = MIXTURES[mixture]
                asked = replace(
                    stage, batch=batch, micro_batch=batch, label=label, explanation=explanation,
                    checkpointing=checkpointing,
                )  # fmt: skip
                found = measure(again(bundle, start), reading, asked, folder / str(number), device.rate)
                rows.append({"what": what, **found, "peak_gib": peak()})
                print(f"{what:<44}  {batch:>5}  {1000 * found['step_seconds']:9.1f}  "
                      f"{found['samples_a_second']:9.1f}  {found['flops_a_second'] / 1e12:8.1f}  "
                      f"{100 * found['mfu']:5.1f}%  {peak() or 0:5.1f}", flush=True)  # fmt: skip
    summary = {
        "device": device.name, "torch": torch.__version__, "preset": given.preset,
        "product_flops_a_second": device.rate, "rows": rows, "left_out": table.left_out,
        "seconds": time.perf_counter() - BEGAN,
    }  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(f"\n{summary['seconds']:.0f} s")


if __name__ == "__main__":
    main()
