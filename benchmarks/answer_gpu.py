"""Answers of a model of the paper's size on a card, beside reading its weights once a token.

    python benchmarks/answer_gpu.py [--preset paper] [--tokens 170] [--batches 1,8,64,32,128] [--json FILE]

Weights are drawn on the card, in 16 bits: what they say is nothing, what they cost is the same. Texts have
exactly `--tokens` tokens, as no token ends them. Measured are labels, explanations, and `generate` of
`transformers` with the same model, before our side takes its weights over. The roof of an explanation: a step
reads the language model's weights once, at the rate at which this card copies memory; beside it the same with
the keys and values that a step must read too. The roof of a label: its arithmetic at the rate of a large
product. First, a tiny model in 32 bits shows that recorded steps, plain ones and `generate` write the same.

Measurements that do not fit in `--seconds` any more, or in memory, are named and left out.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import torch
from drawn import drawn
from PIL import Image
from timing import ASTRONAUT

from expllm.conversations import explanation_question
from expllm.model import recorded
from expllm.model.answers import Answerer
from expllm.model.bundle import Bundle
from expllm.model.costs import Text, answer_flops
from expllm.model.expllm import inner
from expllm.model.prepare import preparer
from expllm.model.show import sizes_of
from expllm.train.config import StageConfig
from expllm.train.planning import this_device

NEVER: Final = -1
"""No token: a text that waits for it goes on to its limit."""
BEGAN: Final = time.perf_counter()


@dataclass
class Row:
    """One measurement.

    Attributes:
        seconds: Of the whole batch, pictures made ready included; the best round.
        step: Seconds of one token behind the first, for all rows.
        rate: Tokens a second of the whole answer; labels: pictures a second.
        roof: Share of what the roof allows; `full_roof` counts keys and values too.
        peak: GiB on the card.
    """

    what: str
    batch: int
    seconds: float
    rate: float
    step: float | None = None
    roof: float | None = None
    full_roof: float | None = None
    peak: float | None = None

    def __str__(self) -> str:
        cells = [f"{self.what:<34}", f"{self.batch:>5}", f"{1000 * self.seconds:10.1f}", f"{self.rate:9.1f}"]
        cells.append(f"{1000 * self.step:9.2f}" if self.step else " " * 9)
        cells += [f"{100 * value:7.1f}%" if value else " " * 8 for value in (self.roof, self.full_roof)]
        return "  ".join([*cells, f"{self.peak:6.1f}" if self.peak else ""])


HEAD: Final = (
    f"{'':<34}  {'batch':>5}  {'ms':>10}  {'a second':>9}  {'ms/step':>9}  {'of roof':>8}  {'with k/v':>8}  "
    f"{'GiB':>6}"
)


class Table:
    """Rows as they come, and why some do not."""

    def __init__(self, seconds: float, device: str) -> None:
        self.rows: list[Row] = []
        self.left_out: list[str] = []
        self._seconds, self._device = seconds, device

    def add(self, row: Row) -> None:
        self.rows.append(row)
        print(row, flush=True)

    @contextmanager
    def measuring(self, what: str) -> Iterator[Callable[[], float | None]]:
        """For one measurement; gives what tells the peak of memory. A failure is named and left out."""
        try:
            if time.perf_counter() - BEGAN > self._seconds:
                raise TimeoutError(f"no time left of {self._seconds:.0f} s")
            if self._device == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            yield lambda: torch.cuda.max_memory_allocated() / 2**30 if self._device == "cuda" else None
        except (RuntimeError, TimeoutError) as error:  # out of memory is a RuntimeError
            self.left_out.append(f"{what}: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
            print(f"left out: {self.left_out[-1]}", flush=True)


def best(rounds: int, run: Callable[[], object]) -> float:
    """Seconds of the best round. What runs ends by handing over its result: the card has finished."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def bandwidth(device: str) -> float:
    """Bytes a second that a large copy reads and writes."""
    size = 2**31 if device == "cuda" else 2**27
    one, other = (torch.zeros(size, dtype=torch.uint8, device=device) for _ in range(2))

    def copy() -> None:
        other.copy_(one)
        int(other[0])

    return 2 * size / best(6, copy)


@torch.inference_mode()
def generate(bundle: Bundle, images: list[Image.Image], tokens: int) -> list[list[int]]:
    """So many tokens of an explanation, by `transformers`."""
    llava, ready = inner(bundle.model), preparer(bundle)
    prompt = ready.encoder.prompt(explanation_question(bundle.questions))
    ids = torch.tensor([prompt] * len(images), device=llava.device)
    arrays = [np.asarray(ready.pixels(image)["pixel_values"]) for image in images]
    pixels = torch.from_numpy(np.stack(arrays)).to(llava.device, llava.dtype)
    whole = llava.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels,
        max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    new: list[list[int]] = whole[:, len(prompt) :].tolist()
    return new


def written(answerer: Any, images: list[Image.Image], tokens: int) -> list[list[int]]:
    """The same by ours: token ids, which `explanations` decodes."""
    prompts = [answerer._explanation_prompt] * len(images)
    texts: list[list[int]] = answerer._write(answerer._look(images), prompts, tokens)
    return texts


@contextmanager
def steps_plain() -> Iterator[None]:
    """Steps launched kernel by kernel, as without a recording."""
    before = recorded.WORTH
    recorded.WORTH = 10**9  # type: ignore[misc]
    try:
        yield
    finally:
        recorded.WORTH = before  # type: ignore[misc]


def asked(bundle: Bundle, dtype: torch.dtype) -> Any:
    """Our side, which uses the bundle up."""
    answerer: Any = Answerer(bundle, dtype=dtype)
    answerer._end = NEVER
    return answerer


def exactness(device: str, images: list[Image.Image], tokens: int) -> dict[str, Any]:
    """How many tokens of a tiny model in 32 bits are the same by three ways."""
    bundle = drawn("tiny", device, torch.float32)
    truth = generate(bundle, images, tokens)
    answerer = asked(bundle, torch.float32)
    with steps_plain():
        plain = written(answerer, images, tokens)
    kept = written(answerer, images, tokens)
    count = sum(map(len, truth))
    found = {
        name: sum(a == b for one, two in zip(truth, ids, strict=True) for a, b in zip(one, two, strict=True))
        for name, ids in (("plain steps", plain), ("recorded steps", kept))
    }
    different = len({token for row in truth for token in row})
    print(f"tiny, 32 bits, {count} tokens ({different} different), the same as generate: {found}", flush=True)
    return {"tokens": count, "different": different, **found}


def weight_bytes(bundle: Bundle) -> int:
    """What a step must read of the language model: blocks, last norm, output layer."""
    llava = inner(bundle.model)
    blocks = sum(p.nbytes for name, p in llava.model.language_model.named_parameters() if "embed" not in name)
    return int(blocks + llava.lm_head.weight.nbytes)


@dataclass
class Roof:
    """What a step must read, and how fast that can be."""

    bandwidth: float
    weights: int
    a_token: int
    prompt: int

    def shares(self, batch: int, step: float, tokens: int) -> tuple[float, float]:
        """Of a step that only reads weights; of one that reads keys and values too."""
        held = batch * self.a_token * (self.prompt + tokens / 2)
        return (
            self.weights / self.bandwidth / step,
            (self.weights + held) / self.bandwidth / step,
        )


def measure_generate(
    table: Table, bundle: Bundle, images: list[Image.Image], tokens: int, roof: Roof
) -> None:
    """Plain `transformers`; one round, after a short text that warms up."""
    for batch in (1, 8):
        what = "explanation, plain generate"
        with table.measuring(f"{what} of {batch}") as peak:
            some = images[:batch]
            generate(bundle, some, 4)
            first = best(1, lambda some=some: generate(bundle, some, 1))  # type: ignore[misc]
            seconds = best(1, lambda some=some: generate(bundle, some, tokens))  # type: ignore[misc]
            step = (seconds - first) / (tokens - 1)
            table.add(Row(what, batch, seconds, batch * tokens / seconds, step,
                          *roof.shares(batch, step, tokens), peak()))  # fmt: skip


def measure_explanations(
    table: Table, answerer: Any, images: list[Image.Image], batch: int, tokens: int, roof: Roof, what: str
) -> None:
    """Ours, two rounds after one that does not count."""
    with table.measuring(f"{what} of {batch}") as peak:
        some = images[:batch]
        answerer.explanations(some, max_new_tokens=min(tokens, 20))
        first = best(2, lambda: answerer.explanations(some, max_new_tokens=1))
        seconds = best(2, lambda: answerer.explanations(some, max_new_tokens=tokens))
        step = (seconds - first) / (tokens - 1)
        table.add(Row(what, batch, seconds, batch * tokens / seconds, step,
                      *roof.shares(batch, step, tokens), peak()))  # fmt: skip


def measure_labels(
    table: Table, answerer: Any, images: list[Image.Image], batch: int, flops: float, rate: float
) -> None:
    """The label of each picture, three rounds."""
    with table.measuring(f"label of {batch}") as peak:
        some = images[:batch]
        answerer.labels(some)
        seconds = best(3, lambda: answerer.labels(some))
        table.add(Row("label", batch, seconds, batch / seconds, None, flops * batch / seconds / rate,
                      None, peak()))  # fmt: skip


def pictures(count: int) -> list[Image.Image]:
    """Different crops of one face."""
    with Image.open(ASTRONAUT) as opened:
        whole = opened.convert("RGB")
    return [whole.crop((150 + i % 20, 30 + i // 20, 290 + i % 20, 170 + i // 20)) for i in range(count)]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--tokens", type=int, default=170, help="of an explanation")
    parser.add_argument("--batches", default="1,8,64,32,128")
    parser.add_argument("--seconds", type=float, default=100, help="no measurement begins later")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    given = options()
    batches = [int(text) for text in given.batches.split(",")]
    images = pictures(max(*batches, 8))
    table = Table(given.seconds, given.device)
    same: dict[str, Any] = {}
    with table.measuring("the same tokens as generate"):
        same = exactness(given.device, images[:3], 64)
    device, copied = this_device(StageConfig()), bandwidth(given.device)
    bundle = drawn(given.preset, given.device)
    sizes = sizes_of(bundle.preset)
    ready = preparer(bundle)
    prompt = len(ready.encoder.prompt(explanation_question(bundle.questions)))
    kv = 2 * sizes.language.layers * sizes.language.kv * 2
    roof = Roof(copied, weight_bytes(bundle), kv, prompt)
    print(f"{device.name}, torch {torch.__version__}, {given.preset}, prompt of {prompt} tokens\n"
          f"{roof.weights / 1e9:.2f} GB a token, copies at {copied / 1e12:.2f} TB/s: at most "
          f"{copied / roof.weights:.1f} tokens/s a row; a large product {device.rate / 1e12:.0f} TFLOP/s\n"
          f"{time.perf_counter() - BEGAN:.0f} s gone")  # fmt: skip
    seconds = best(3, lambda: ready.pixels(images[0]))
    print(f"one picture made ready by the processor: {1000 * seconds:.2f} ms\n\n{HEAD}", flush=True)
    measure_generate(table, bundle, images, given.tokens, roof)
    answerer = asked(bundle, torch.bfloat16)
    text = Text(asked=len(answerer._label_prompt) - sizes.visual_tokens, answered=len(answerer._tree.tokens))
    what = "explanation"
    measure_labels(table, answerer, images, 1, answer_flops(sizes, text), device.rate)
    measure_explanations(table, answerer, images, 1, given.tokens, roof, what)
    if given.device == "cuda":
        with steps_plain():
            measure_explanations(
                table, answerer, images, 1, given.tokens, roof, f"{what}, steps not recorded"
            )
    for batch in batches:
        if batch > 1:
            measure_labels(table, answerer, images, batch, answer_flops(sizes, text), device.rate)
            measure_explanations(table, answerer, images, batch, given.tokens, roof, what)
    summary = {
        "device": device.name, "torch": torch.__version__, "preset": given.preset, "tokens": given.tokens,
        "prompt_tokens": prompt, "weight_bytes_a_token": roof.weights, "copy_bytes_a_second": copied,
        "product_flops_a_second": device.rate, "flops_of_a_label": answer_flops(sizes, text),
        "picture_ready_seconds": seconds, "same_as_generate": same,
        "rows": [asdict(row) for row in table.rows], "left_out": table.left_out,
        "seconds": time.perf_counter() - BEGAN,
    }  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(f"\n{summary['seconds']:.0f} s")


if __name__ == "__main__":
    main()
