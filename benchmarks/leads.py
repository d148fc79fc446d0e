"""By how much the lead of the likeliest token depends on processor, threads, batch and number of bits.

    python benchmarks/leads.py [--faces 4]

The model that ships explains some faces of examples/faces in 32 bits. Each setting then reads these texts in
a process of its own, and gives the lead of each token that was written over the best other one, in logits. A
lead below 0 is a token that would have been written otherwise. Settings that a processor lacks change
nothing.
"""

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import torch
from timing import ASTRONAUT, load

from expllm.files.images import open_image
from expllm.model.inference.generate import FaceVLM
from expllm.model.shipped import model_folder
from expllm.predict.base import FaceInput
from expllm.predict.predictor import Predictor

Leads = list[list[float]]
"""Of each token of each text."""


@dataclass(frozen=True)
class Setting:
    """How texts are read: in which type, how many at once, under which environment."""

    name: str
    dtype: str = "float32"
    batch: int = 1
    environment: dict[str, str] = field(default_factory=dict)


OLD: Final = {
    "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
}  # fmt: skip
BASE: Final = Setting("32 bits, one thread", environment={"OMP_NUM_THREADS": "1"})
SETTINGS: Final = (
    Setting("32 bits, two threads", environment={"OMP_NUM_THREADS": "2"}),
    Setting("32 bits, four threads", environment={"OMP_NUM_THREADS": "4", "MKL_DYNAMIC": "FALSE"}),
    Setting("32 bits, all in a batch", batch=99),
    Setting("32 bits, without AVX", environment=OLD),
    Setting(
        "32 bits, AVX2 at most", environment={"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    ),
    Setting("64 bits", dtype="float64"),
    Setting("16 bits", dtype="bfloat16"),
    Setting("16 bits, all in a batch", dtype="bfloat16", batch=99),
    Setting("16 bits, without AVX", dtype="bfloat16", environment=OLD),
)


class Reader:
    """The model, and the faces that it is asked about."""

    def __init__(self, dtype: str, faces: list[FaceInput]) -> None:
        self._faces = faces
        self._vlm = FaceVLM.load(model_folder("compact"), getattr(torch, dtype))
        self._backend: Any = self._vlm._backend

    def prompts(self, rows: slice) -> list[list[int]]:
        """The question for an explanation of each face, as `expllm analyze` asks it."""
        faces = self._faces[rows]
        labels = [self._vlm.score_labels([_crop(face)]).best[0] for face in faces]
        return self._vlm._explanation_prompts(len(faces), labels, 200, [face.aus for face in faces])

    def texts(self, prompts: list[list[int]]) -> list[list[int]]:
        """What is written behind each prompt, and the token that ends it."""
        found = []
        for number, prompt in enumerate(prompts):
            seen = self._look(slice(number, number + 1))
            drafts = self._vlm._drafts([prompt], None)
            self._vlm._write(seen, [prompt], drafts, 200)
            found.append([*drafts[0].text, self._vlm._end])
        return found

    @torch.inference_mode()
    def leads(self, prompts: list[list[int]], texts: list[list[int]], batch: int) -> Leads:
        """Of each token that was written over the best other one."""
        found: Leads = []
        for start in range(0, len(prompts), batch):
            rows = slice(start, start + batch)
            seen = self._look(rows)
            whole = [asked + text for asked, text in zip(prompts[rows], texts[rows], strict=True)]
            ids, places, real = self._backend._unread(seen, whole)
            language = self._backend.language
            hidden = language.read(self._backend._embedded(seen, ids), seen.memory, places, real=real)
            for row, text in zip(hidden, texts[rows], strict=True):
                logits = language.logits(row[-len(text) - 1 : -1]).float()
                written = torch.tensor(text)[:, None]
                best = logits.scatter(1, written, -torch.inf).amax(1)
                found.append((logits.gather(1, written)[:, 0] - best).tolist())
        return found

    def _look(self, rows: slice) -> Any:
        return self._vlm._look([_crop(face) for face in self._faces[rows]])


def _crop(face: FaceInput) -> Any:
    assert face.crop is not None
    return face.crop


def child(folder: Path, dtype: str, batch: int) -> None:
    """Reads, and before that writes where nothing is written yet; prints the leads as JSON."""
    reader = Reader(dtype, pickle.loads((folder / "faces").read_bytes()))
    kept = folder / "texts.json"
    if not kept.exists():
        prompts = reader.prompts(slice(None))
        kept.write_text(json.dumps([prompts, reader.texts(prompts)]))
    prompts, texts = json.loads(kept.read_text())
    print(json.dumps(reader.leads(prompts, texts, batch)))


def leads_under(setting: Setting, folder: Path) -> list[float]:
    """Of all tokens, found by a process of its own."""
    command = [sys.executable, __file__, "--child", str(folder), setting.dtype, str(setting.batch)]
    done = subprocess.run(
        command, env=os.environ | setting.environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return [*chain.from_iterable(json.loads(done.stdout))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--faces", type=int, default=4)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        folder, dtype, batch = options.child
        return child(Path(folder), dtype, int(batch))
    print(load(), f"{torch.backends.cpu.get_cpu_capability()} here", sep="\n")
    with tempfile.TemporaryDirectory() as name, Predictor.load("compact") as predictor:
        pictures = sorted(ASTRONAUT.parent.glob("*.jpg"))[: options.faces]
        faces = [face.input for path in pictures for face in predictor.measure(open_image(path))]
        (folder := Path(name)).joinpath("faces").write_bytes(pickle.dumps(faces))
        base = leads_under(BASE, folder)
        print(f"{len(base)} tokens; leads below 0.001, 0.01, 0.1: "
              f"{[sum(lead < bound for lead in base) for bound in (0.001, 0.01, 0.1)]}")  # fmt: skip
        print(f"{'beside ' + BASE.name:<36} largest difference  middle one  other tokens")
        for setting in SETTINGS:
            found = leads_under(setting, folder)
            apart = [abs(one - other) for one, other in zip(base, found, strict=True)]
            others = sum(lead < 0 for lead in found)
            print(
                f"{setting.name:<36} {max(apart):18.1e} {statistics.median(apart):11.1e} {others:13}",
                flush=True,
            )
    return None


if __name__ == "__main__":
    main()
