"""A run of the engine against a server on loopback, as the command line starts it."""

import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from honest import ranked
from serving import served

from expllm.core.vocabulary import AU_NAMES, AUVector, label_set
from expllm.cot.case import positive_text
from expllm.cot.engine_setup import CotMakeOptions

__all__ = ["KEY_ENV", "order", "served", "write_reference"]

KEY_ENV = "EXPLLM_TEST_KEY"


def write_reference(path: Path, count: int, seed: int = 0, *, fitting: bool = False) -> Path:
    """A reference JSONL of `count` faces, no two alike.

    Labels are drawn by chance, so that most faces need a hint; `fitting` ones are what `honest` says first.
    """
    chance = random.Random(seed)
    labels = label_set(7)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            names = chance.sample(AU_NAMES, chance.randint(1, 6))
            aus = {name.title(): round(chance.uniform(0.06, 1.0), 4) for name in names}
            aus["Jaw Drop"] = round(0.1 + 0.8 * number / count, 4) or 0.1
            label = chance.choice(labels)
            if fitting:
                label = ranked(positive_text(AUVector.from_positive(aus)))[0]
            row = {
                "id": f"f{number:05d}.jpg",
                "expression": label.title(),
                "aus": aus,
                "cot": "",
            }
            file.write(json.dumps(row) + "\n")
    return path


def order(data: Path, run: Path, url: str, **given: Any) -> CotMakeOptions:
    """What `expllm cot make DATA -o RUN --model honest --base-url URL` asks for."""
    os.environ.setdefault(KEY_ENV, "sk-test")
    usual = CotMakeOptions(
        dataset=str(data), output=run, model="honest", base_url=url, key_env=KEY_ENV, concurrency=16,
        limit=None, budget=None, prices=None, hint_after=2, max_rounds=5, verify="both", prompts=None,
        temperature=0.7, seed=None, retry_failed=False, quiet=True,
    )  # fmt: skip
    return replace(usual, **given)
