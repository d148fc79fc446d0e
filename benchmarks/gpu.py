"""One run on a GPU: training, labels and explanations of a model of the paper's size, in under eight minutes.

    python benchmarks/gpu.py [--preset paper] [--out gpu.jsonl] [--seconds 460] [--parts answers,train]
    python benchmarks/gpu.py --tiny          # the same on the CPU with the smallest model: does it run?

Weights are drawn where they are used, in 16 bits: what they say is nothing, what they cost is the same. Texts
have exactly `--tokens` tokens, as no token ends them. Every measurement is a line of JSON that is written at
once, so a run that is cut leaves what it has measured; what does not fit in a part's time or in memory is
a line that says so. What was never measured comes first:

    device   name, a large product, a large copy: the roofs that shares refer to
    same     tokens of a tiny model in 32 bits: plain steps, CUDA graphs, `generate` with its two caches
    explain  explanations of 1, 8 and 64 faces, steps launched one by one and recorded (`cuda_graphs`)
    label    labels of 1, 8 and 64 faces
    train    training steps, micro-batches of 8, 16 and 32, with and without checkpointing
    generate `generate` of `transformers` with a static cache, not compiled, 1, 8 and 64 faces

A step of an explanation is held against reading the language model's weights once at the rate of the copy;
labels and training (MFU: operations of the tokens that there are, none twice for checkpointing) against
the large product. Without an NVIDIA GPU, graphs are played and not recorded: their times mean nothing.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import torch
from cuda_graphs import recorded_steps
from drawn import drawn
from PIL import Image
from timing import ASTRONAUT
from train import LABELS, TRAINS, Clock, again, faces, learned, timed

from expllm.core.conversations import explanation_question
from expllm.model.bundle import Bundle
from expllm.model.costs import Sizes, TextLength, answer_flops, training_flops
from expllm.model.inference.generate import FaceVLM
from expllm.model.model_inputs import preparer
from expllm.model.quiet import quiet_transformers
from expllm.model.summary import sizes_of
from expllm.model.vlm import inner, train_only
from expllm.train.dataloader import Examples
from expllm.train.dry_run import this_device
from expllm.train.recipe import StageConfig
from expllm.train.stages import StageDir, make_trainer
from expllm.train.trainer import StageTrainer
from expllm.train.training_sets import FaceTrainingSet

NEVER: Final = -1
"""No token: a text that waits for it goes on to its limit."""
WARM: Final = 2
"""Training steps that do not count."""
SHARES: Final = {"device": 20, "same": 45, "explain": 110, "label": 40, "generate": 85, "train": 160}
"""Seconds of each part of 460, the model's making included."""
MIXTURES: Final = {"labels 0.75, explanations 0.25": (0.75, 0.25), "explanations alone": (0.0, 1.0)}


@dataclass(frozen=True)
class Plan:
    """What is measured, and on what.

    Attributes:
        steps: Of each training.
    """

    preset: str
    device: str
    dtype: torch.dtype
    tokens: int
    batches: tuple[int, ...]
    micro_batches: tuple[int, ...]
    steps: int
    workers: int


FULL: Final = Plan("paper", "cuda", torch.bfloat16, 170, (1, 8, 64), (16, 8, 32), 8, 4)
TINY: Final = Plan("tiny", "cpu", torch.float32, 12, (1, 2), (2,), 4, 0)


class Lines:
    """The file of measurements: a line each, on the disk before the next one begins.

    Args:
        path: It is made anew.
        seconds: Of the whole run.
    """

    def __init__(self, path: Path, seconds: float, device: str) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._device, self._whole = device, seconds
        self._began = time.perf_counter()
        self._part, self._end = "", 0.0

    def begin(self, part: str) -> None:
        """A part's time begins; what earlier parts did not use is the later ones'."""
        share = SHARES[part] * self._whole / sum(SHARES.values())
        self._part, self._end = part, time.perf_counter() + share

    def write(self, **values: Any) -> None:
        line = {"part": self._part, "at": round(time.perf_counter() - self._began, 1), **values}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        print(line, flush=True)

    def check_time(self) -> None:
        """The first thing that a measurement does.

        Raises:
            TimeoutError: the part has used its time up.
        """
        if time.perf_counter() > self._end:
            raise TimeoutError("no time is left for this part")

    @contextmanager
    def measuring(self, **what: Any) -> Iterator[dict[str, Any]]:
        """One measurement: its figures go into the mapping. What fails is written with its reason."""
        found: dict[str, Any] = {}
        try:
            if self._device == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            yield found
        except (RuntimeError, TimeoutError) as error:  # out of memory is a RuntimeError
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
            self.write(**what, left_out=reason)
            return
        peak = torch.cuda.max_memory_allocated() / 2**30 if self._device == "cuda" else None
        self.write(**what, **found, peak_gib=peak)


def best(rounds: int, run: Callable[[], object]) -> float:
    """Seconds of the best round. What runs ends by handing over its result: the GPU has finished."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def bandwidth(device: str) -> float:
    """Bytes a second that a large copy reads and writes."""
    size = 2**31 if device == "cuda" else 2**24
    one, other = (torch.zeros(size, dtype=torch.uint8, device=device) for _ in range(2))

    def copy() -> None:
        other.copy_(one)
        int(other[0])

    return 2 * size / best(6, copy)


def pictures(count: int) -> list[Image.Image]:
    """Different crops of one face."""
    with Image.open(ASTRONAUT) as opened:
        whole = opened.convert("RGB")
    return [whole.crop((150 + i % 20, 30 + i // 20, 290 + i % 20, 170 + i // 20)) for i in range(count)]


@torch.inference_mode()
def generate(bundle: Bundle, images: list[Image.Image], tokens: int, cache: str) -> list[list[int]]:
    """So many tokens of an explanation, by `transformers`.

    Args:
        cache: `static` or `dynamic`.
    """
    llava, ready = inner(bundle.model), preparer(bundle)
    prompt = ready.encoder.prompt(explanation_question(bundle.questions))
    ids = torch.tensor([prompt] * len(images), device=llava.device)
    arrays = [np.asarray(ready.pixels(image)["pixel_values"]) for image in images]
    pixels = torch.from_numpy(np.stack(arrays)).to(llava.device, llava.dtype)
    whole = llava.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, max_new_tokens=tokens,
        do_sample=False, eos_token_id=None, pad_token_id=0, cache_implementation=cache, disable_compile=True,
    )  # fmt: skip
    new: list[list[int]] = whole[:, len(prompt) :].tolist()
    return new


def asked(bundle: Bundle, dtype: torch.dtype) -> Any:
    """Our side, which uses the bundle up."""
    vlm: Any = FaceVLM(bundle, dtype=dtype)
    vlm._end = NEVER
    return vlm


def written(vlm: Any, images: list[Image.Image], tokens: int) -> list[list[int]]:
    """Token ids of explanations, by ours."""
    prompts = [vlm._explanation_prompt] * len(images)
    drafts = vlm._drafts(prompts, None)
    vlm._write(vlm._look(images), prompts, drafts, tokens)
    return [draft.text for draft in drafts]


def measure_device(lines: Lines, plan: Plan) -> tuple[float, float]:
    """Rate of a large product (operations a second) and of a large copy (bytes a second)."""
    lines.begin("device")
    device, copied = this_device(StageConfig()), bandwidth(plan.device)
    lines.write(
        name=device.name, torch=torch.__version__, preset=plan.preset, product_flops_a_second=device.rate,
        copy_bytes_a_second=copied, tokens=plan.tokens,
    )  # fmt: skip
    return device.rate, copied


def measure_same(lines: Lines, plan: Plan) -> None:
    """How many tokens of a tiny model are those of `generate` with its usual cache, by three other ways."""
    lines.begin("same")
    images, tokens = pictures(3), 64 if plan.device == "cuda" else plan.tokens
    with lines.measuring(what="tokens as by generate") as found:
        lines.check_time()
        bundle = drawn("tiny", plan.device, torch.float32)
        truth = generate(bundle, images, tokens, "dynamic")
        static = generate(bundle, images, tokens, "static")
        vlm = asked(bundle, torch.float32)
        plain = written(vlm, images, tokens)
        with recorded_steps() as made:
            kept = written(vlm, images, tokens)
        ways = {"static cache": static, "plain steps": plain, "CUDA graphs": kept}
        found.update(tokens=sum(map(len, truth)), different=len({one for row in truth for one in row}))
        found.update({name: alike(truth, ids) for name, ids in ways.items()})
        found["recordings"] = [rows for one in made for rows in one.recordings]


def alike(truth: list[list[int]], ids: list[list[int]]) -> int:
    """How many tokens are the same."""
    pairs = zip(truth, ids, strict=True)
    return sum(one == other for row, others in pairs for one, other in zip(row, others, strict=True))


def weight_bytes(bundle: Bundle) -> int:
    """What a step must read of the language model: blocks, last norm, output layer."""
    llava = inner(bundle.model)
    blocks = sum(p.nbytes for name, p in llava.model.language_model.named_parameters() if "embed" not in name)
    return int(blocks + llava.lm_head.weight.nbytes)


def timed_text(write: Callable[[int], object], tokens: int, batch: int, step_least: float) -> dict[str, Any]:
    """Figures of a text: warmed up once, then the best of two rounds.

    Args:
        write: Writes so many tokens of each text.
        step_least: Seconds that reading the weights takes.
    """
    write(min(tokens, 8))
    first, seconds = best(2, lambda: write(1)), best(2, lambda: write(tokens))
    step = max((seconds - first) / (tokens - 1), 1e-9)
    return {
        "seconds": seconds, "tokens_a_second": batch * tokens / seconds, "step_seconds": step,
        "share_of_roof": step_least / step,
    }  # fmt: skip


def measure_answers(lines: Lines, plan: Plan, rate: float, copied: float) -> None:
    """Explanations and labels of a drawn model, by ours."""
    lines.begin("explain")
    bundle, images = drawn(plan.preset, plan.device, plan.dtype), pictures(max(plan.batches))
    step_least, sizes = weight_bytes(bundle) / copied, sizes_of(bundle.preset)
    vlm = asked(bundle, plan.dtype)
    for graphs in (False, True):
        for batch in plan.batches:
            what = {"what": "explanation", "cuda_graphs": graphs, "batch": batch}
            with lines.measuring(**what) as found, recorded_steps() if graphs else nullcontext():
                lines.check_time()
                write = partial(written, vlm, images[:batch])
                found.update(timed_text(write, plan.tokens, batch, step_least))
    lines.begin("label")
    text = TextLength(asked=len(vlm._label_prompt) - sizes.visual_tokens, answered=len(vlm._tree.tokens))
    for batch in plan.batches:
        with lines.measuring(what="label", batch=batch) as found:
            lines.check_time()
            vlm.score_labels(images[:batch])
            seconds = best(3, partial(vlm.score_labels, images[:batch]))
            flops = answer_flops(sizes, text) * batch
            found.update(seconds=seconds, pictures_a_second=batch / seconds)
            found.update(share_of_roof=flops / seconds / rate)


def measure_generate(lines: Lines, plan: Plan, copied: float) -> None:
    """Explanations by plain `transformers`, of a model drawn anew: our side has taken the first one over."""
    lines.begin("generate")
    bundle, images = drawn(plan.preset, plan.device, plan.dtype), pictures(max(plan.batches))
    step_least = weight_bytes(bundle) / copied
    for batch in plan.batches:
        with lines.measuring(what="generate, static cache", batch=batch) as found:
            lines.check_time()
            write = partial(generate, bundle, images[:batch], cache="static")
            found.update(timed_text(write, plan.tokens, batch, step_least))


def flops_of(trainer: StageTrainer, sizes: Sizes) -> list[float]:
    """Operations of each step, by the tokens of its samples."""
    assert isinstance(trainer.examples, Examples)
    steps = []
    for keys in trainer.batches:
        texts = [trainer.examples[key].text for key in keys]
        counted = [(len(text) - sizes.visual_tokens, len(text.learned)) for text in texts]
        each = [TextLength(whole - answer, answer) for whole, answer in counted]
        steps.append(sum(training_flops(sizes, TRAINS, text, checkpointing=False) for text in each))
    return steps


def one_training(
    bundle: Bundle, reading: FaceTrainingSet, stage: StageConfig, folder: Path, rate: float
) -> dict[str, Any]:
    """A few steps in the project's own loop."""
    clock = Clock()
    trainer = make_trainer(bundle, reading, stage, StageDir(folder))
    timed(trainer, clock)
    flops = flops_of(trainer, sizes_of(bundle.preset))
    with quiet_transformers():
        trainer.train()
    seconds, steps = clock.ends[-1] - clock.ends[WARM - 1], len(clock.ends) - WARM
    done = sum(flops[WARM : len(clock.ends)]) / seconds
    return {
        "step_seconds": seconds / steps, "samples_a_second": stage.batch * steps / seconds,
        "flops_a_second": done, "mfu": done / rate, "losses": clock.losses,
    }  # fmt: skip


def measure_training(lines: Lines, plan: Plan, rate: float) -> None:
    """Every micro-batch, both mixtures, with and without checkpointing."""
    lines.begin("train")
    stage = StageConfig(
        trains=TRAINS, lr=5e-4, dataloader_num_workers=plan.workers, report_to="none", save_steps=10**9,
        epochs=100, warmup_steps=1, max_steps=plan.steps,
        precision="bf16" if plan.device == "cuda" else "fp32",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "faces").mkdir()
        reading = faces(folder / "faces", 2 * max(plan.micro_batches))
        bundle = drawn(plan.preset, plan.device, plan.dtype, adapters=True)
        bundle.labels = LABELS
        train_only(bundle.model, TRAINS)
        start = learned(bundle.model)
        for number, (checkpointing, micro, mixture) in enumerate(
            (often, micro, mixture)
            for mixture in MIXTURES
            for micro in plan.micro_batches
            for often in (False, True)
        ):
            label, explanation = MIXTURES[mixture]
            what = {"what": mixture, "micro_batch": micro, "checkpointing": checkpointing}
            with lines.measuring(**what) as found:
                lines.check_time()
                chosen = replace(
                    stage, batch=micro, micro_batch=micro, label=label, explanation=explanation,
                    gradient_checkpointing=checkpointing,
                )  # fmt: skip
                found.update(one_training(again(bundle, start), reading, chosen, folder / str(number), rate))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default=FULL.preset)
    parser.add_argument(
        "--tiny", action="store_true", help="the smallest model on the CPU: does all of it run?"
    )
    parser.add_argument("--tokens", type=int, help="of an explanation")
    parser.add_argument("--out", type=Path, default=Path("gpu.jsonl"), help="lines of JSON, as they come")
    parser.add_argument("--seconds", type=float, default=460, help="of the whole run, shared among its parts")
    parser.add_argument("--parts", default="same,answers,train,generate")
    return parser.parse_args()


def main() -> None:
    given = options()
    plan = TINY if given.tiny else replace(FULL, preset=given.preset)
    plan = replace(plan, tokens=given.tokens or plan.tokens)
    if plan.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no NVIDIA GPU: give --tiny to try the script on the CPU")
    lines = Lines(given.out, given.seconds, plan.device)
    parts = given.parts.split(",")
    rate, copied = measure_device(lines, plan)
    if "same" in parts:
        measure_same(lines, plan)
    if "answers" in parts:
        measure_answers(lines, plan, rate, copied)
    if "train" in parts:
        measure_training(lines, plan, rate)
    if "generate" in parts:
        measure_generate(lines, plan, copied)
    lines.write(what="all parts are through")


if __name__ == "__main__":
    main()
