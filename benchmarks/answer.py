"""Answers beside the released code's way and beside plain `generate`, on the CPU, in one run.

    python benchmarks/answer.py [--preset compact|large-tower] [--rounds 5] [--threads 2] [--tokens 170]

The language model is SmolLM2-135M in 16-bit floats on every side; `large-tower` puts a tower of DINOv2-L's
size before it, with random weights. The released way encodes the picture anew for every token, keeps tower
and projector in 32-bit floats, leaves adapters unmerged and computes logits for all positions. It is not
charged with its cap of 100 tokens: a label costs the tokens that the tokenizer has for it, 3 on average with
the end.

Sides take turns, and a side's figure is its best round. Every text has `--tokens` tokens: no side may stop
before. llama.cpp, where it is installed (`make .venv/.llm`), writes as many tokens behind as many, without a
picture. The machine should have nothing else to do; the load is printed at both ends.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import torch
from llamacpp import LlamaCpp, llama_cpp, missing
from PIL import Image
from timing import ASTRONAUT, Clock, Line, load, side_by_side

from expllm.core.conversations import explanation_question, label_question
from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.inference.backend import LlamaBackend
from expllm.model.inference.backend_choice import without_adapters
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.label_scoring import score_tree
from expllm.model.model_inputs import preparer
from expllm.model.presets import DINOV2_LARGE, Preset, preset
from expllm.model.tokenize import label_tokens
from expllm.model.vlm import inner

NEVER: Final = -1
"""No token: a text that waits for it goes on to its limit."""
LABEL_GAIN: Final = {"compact": 3.0, "large-tower": 8.0}
MANY: Final = 8


def chosen(name: str) -> Preset:
    """The preset to measure."""
    if name == "compact":
        return preset(name)
    return replace(preset("compact"), name=name, tower=replace(DINOV2_LARGE, source=None))


class ReleasedWay:
    """What the released code computes for an answer, re-created."""

    def __init__(self, bundle: Bundle) -> None:
        self._llava: Any = inner(bundle.model)
        self._llava.model.vision_tower.float()
        self._llava.model.multi_modal_projector.float()
        self._preparer = preparer(bundle)

    @torch.inference_mode()
    def answer(self, image: Image.Image, prompt: list[int], tokens: int) -> list[int]:
        """So many tokens behind a prompt."""
        pixels = torch.from_numpy(np.asarray(self._preparer.pixels(image)["pixel_values"]))[None]
        llava, ids = self._llava.model, torch.tensor([prompt])
        written: list[int] = []
        cache = None
        while len(written) < tokens:
            features = torch.cat(llava.get_image_features(pixel_values=pixels).pooler_output)
            embedded = llava.language_model.embed_tokens(ids)
            places = ids == self._llava.config.image_token_id
            if cache is None:
                embedded[places] = features.to(embedded.dtype)
            found = llava.language_model(inputs_embeds=embedded, past_key_values=cache, use_cache=True)
            cache = found.past_key_values
            ids = self._llava.lm_head(found.last_hidden_state)[:, -1:].argmax(-1)
            written.append(int(ids))
        return written


class PlainWay:
    """`generate` of `transformers`, adapters merged."""

    def __init__(self, bundle: Bundle) -> None:
        self._llava = without_adapters(bundle.model).to(torch.bfloat16).eval()
        self._preparer = preparer(bundle)

    @torch.inference_mode()
    def answer(self, images: list[Image.Image], prompt: list[int], tokens: int) -> list[list[int]]:
        """So many tokens behind a prompt, for each picture of a batch."""
        arrays = [np.asarray(self._preparer.pixels(image)["pixel_values"]) for image in images]
        ids = torch.tensor([prompt] * len(images))
        whole = self._llava.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids),
            pixel_values=torch.from_numpy(np.stack(arrays)),
            max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        new: list[list[int]] = whole[:, len(prompt) :].tolist()
        return new


class Sides:
    """The same model three times, and what is asked of it."""

    def __init__(self, name: str, tokens: int, llama: LlamaCpp | None) -> None:
        bundle = new_bundle(chosen(name), label_set(8), dtype=torch.bfloat16)
        bundle.model.eval()
        encoder = preparer(bundle).encoder
        lengths = [len(label_tokens(encoder, label)) for label in bundle.labels]
        self.tokens, self.label_tokens = tokens, round(sum(lengths) / len(lengths))
        self.label = encoder.prompt(label_question(bundle.labels, bundle.questions))
        self.explanation = encoder.prompt(explanation_question(bundle.questions))
        self.plain = PlainWay(replace(bundle, model=deepcopy(bundle.model)))
        self.ours = FaceVLM(replace(bundle, model=deepcopy(bundle.model)), dtype=torch.bfloat16)
        self.ours._end = NEVER
        self.released = ReleasedWay(bundle)
        self.llama = llama
        with Image.open(ASTRONAUT) as opened:
            self.image = opened.convert("RGB").crop((160, 40, 300, 180))
        self.images = [self.image] * MANY


def labels(sides: Sides, rounds: int, bound: float) -> Iterator[Line]:
    """Pictures a second, for labels."""
    clocks = side_by_side(
        rounds,
        released=lambda: sides.released.answer(sides.image, sides.label, sides.label_tokens),
        one=lambda: sides.ours.score_labels([sides.image]),
        many=lambda: sides.ours.score_labels(sides.images),
    )
    yield Line("tokens of a label, with the end", sides.label_tokens)
    yield Line("label, released way: ms", 1000 * clocks["released"].best_wall)
    yield Line("label: ms", 1000 * clocks["one"].best_wall)
    yield Line(f"label, {MANY} at once: ms a picture", 1000 * clocks["many"].best_wall / MANY)
    yield from gain("label, times the released way", clocks["released"], clocks["one"], at_least=bound)
    yield from gain(
        f"label, {MANY} at once, times the released way", clocks["released"], clocks["many"], MANY
    )


def tree(sides: Sides, rounds: int) -> Iterator[Line]:
    """What the tree costs behind a prompt. That it is exact is the tests' to say."""
    own: Any = sides.ours._backend
    assert isinstance(own, LlamaBackend)
    language, seen = own.language, own.look([sides.ours._preparer.pixels(sides.image)])
    ids = torch.tensor([sides.label])
    places = torch.arange(ids.shape[1])[None]

    @torch.inference_mode()
    def prefill() -> None:
        hidden = language.read(own._embedded(seen, ids), language.memory(1), places)
        language.logits(hidden[:, -1])

    @torch.inference_mode()
    def whole() -> None:
        score_tree(language, language.memory(1), own._embedded(seen, ids), places, sides.ours._tree)

    clocks = side_by_side(max(rounds, 3) * 4, prefill=prefill, whole=whole)
    yield Line("bare prefill of the label's prompt: ms", 1000 * clocks["prefill"].best_wall)
    yield from gain(
        "prompt and tree, over the bare prefill", clocks["whole"], clocks["prefill"], at_most=1.15
    )


def explanations(sides: Sides, rounds: int) -> Iterator[Line]:
    """Texts of the same length by four ways, and the label that comes with one."""
    count, llama = sides.tokens, sides.llama
    more: dict[str, Callable[[], object]] = {}
    if llama is not None:
        more["llama"] = lambda: llama.answer(len(sides.explanation), count)
    clocks = side_by_side(
        rounds,
        released=lambda: sides.released.answer(sides.image, sides.explanation, count),
        plain=lambda: sides.plain.answer([sides.image], sides.explanation, count),
        one=lambda: sides.ours.explanations([sides.image], max_new_tokens=count),
        both=lambda: sides.ours.generate([sides.image], max_new_tokens=count),
        many=lambda: sides.ours.explanations(sides.images, max_new_tokens=count),
        plain_many=lambda: sides.plain.answer(sides.images, sides.explanation, count),
        **more,
    )
    for name, what in (
        ("released", "the released way"), ("plain", "plain generate"), ("one", "ours"),
        ("llama", "llama.cpp in BF16, no picture"),
    ):  # fmt: skip
        if name in clocks:
            yield Line(f"tokens a second, {what}", count / clocks[name].best_wall)
    yield Line(f"tokens a second, ours, {MANY} at once", MANY * count / clocks["many"].best_wall)
    one, many = clocks["one"], clocks["many"]
    yield from gain("explanation, times the released way", clocks["released"], one)
    yield from gain("explanation, times plain generate", clocks["plain"], one, at_least=1.5)
    yield from gain(
        f"explanation, {MANY} at once, times plain generate of one", clocks["plain"], many, MANY, at_least=6.0
    )
    what = f"explanation, {MANY} at once, times plain generate of {MANY}"
    yield from gain(what, clocks["plain_many"], many)
    yield from gain("two labels and explanation, over the explanation", clocks["both"], one, at_most=1.05)


def gain(
    what: str,
    slow: Clock,
    fast: Clock,
    pictures: int = 1,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Iterator[Line]:
    """How many times as long one side takes, by wall and by CPU time; `fast` does `pictures` at once."""
    yield Line(what, pictures * slow.best_wall / fast.best_wall, at_most, at_least)
    yield Line("  the same by CPU time", pictures * slow.best_cpu / fast.best_cpu)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=[*LABEL_GAIN], default="compact")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=170, help="of an explanation")
    parser.add_argument("--only", choices=["labels", "tree", "explanations"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.preset}, {options.threads} threads, {load()}", flush=True)
    with ExitStack() as stack:
        if (absent := missing()) is not None:
            print(absent, file=sys.stderr)
        llama = None if absent else stack.enter_context(llama_cpp(options.threads))
        sides = Sides(options.preset, options.tokens, llama)
        parts: dict[str, Callable[[], Iterator[Line]]] = {
            "labels": lambda: labels(sides, options.rounds, LABEL_GAIN[options.preset]),
            "tree": lambda: tree(sides, options.rounds),
            "explanations": lambda: explanations(sides, options.rounds),
        }
        for name, part in parts.items():
            if options.only in (None, name):
                for line in part():
                    print(line, flush=True)
    print(load())


if __name__ == "__main__":
    main()
