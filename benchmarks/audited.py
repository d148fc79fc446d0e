"""Texts as written beside audited ones: refuted claims, recall, processor time and tokens, on the same faces.

    python benchmarks/audited.py ferplus:valid --data DATA --limit 48
    python benchmarks/audited.py ferplus:valid --data DATA --limit 24 --no-hint

Each batch is written in both ways, one after the other, so that other work on the machine meets both. Seconds
are those of the processor, and hold the labels, which are the same in both. Figures so far are printed after
each batch.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split

from expllm.core.errors import ExpllmError
from expllm.evals.runner import Question
from expllm.evals.sample_faces import SampleFaces
from expllm.evals.splits import open_named
from expllm.grounding import audit
from expllm.model.shipped import model_folder
from expllm.predict.base import FaceInput
from expllm.predict.img2au import FaceReader
from expllm.predict.trained import ModelExplainer
from expllm.predict.verifying import REFUTED


@dataclass
class Tally:
    """What was found in the texts of one way of writing."""

    name: str
    refuted: int = 0
    claims: int = 0
    unread: int = 0
    told: float = 0.0
    active: int = 0
    agree: int = 0
    tokens: int = 0
    sampled: int = 0
    seconds: float = 0.0

    def line(self) -> str:
        recall = f"{self.told / self.active:.3f}" if self.active else "-"
        return (
            f"{self.name:<11} {self.refuted:>4} of {self.claims:>5} claims refuted, {self.unread} sentences "
            f"unread, recall {recall}, {self.agree} labels alike behind the text, {self.tokens:,} tokens and "
            f"{self.sampled:,} for samples, {self.seconds:.1f} s"
        )


def faces(name: str, data: Path | None, limit: int) -> Iterator[FaceInput]:
    """Faces that were cut out and measured."""
    reader = FaceReader()
    samples = Question(open_named(name, str(data) if data else None, None), name, "cot", limit, 0).samples()
    with SampleFaces(boxes=False).opened() as cut:
        for sample in samples:
            try:
                yield FaceInput(cut.crop(sample), reader(sample)[0])
            except ExpllmError:
                continue
    reader.close()


def write(explainer: ModelExplainer, batch: Sequence[FaceInput], tally: Tally) -> None:
    """Explains a batch, and adds what was found in its texts."""
    began = time.process_time()
    found = explainer.explain(batch)
    tally.seconds += time.process_time() - began
    for face, answer in zip(batch, found, strict=True):
        assert answer.explanation is not None
        assert face.aus is not None
        report = audit(answer.explanation.text or "", face.aus)
        tally.agree += answer.label is answer.label_after
        tally.refuted += sum(one.verdict in REFUTED for one in report.checked)
        tally.claims += len(report.checked)
        tally.unread += len(report.unread)
        tally.told += report.recall or 0.0
        tally.active += report.recall is not None
        tally.tokens += answer.tokens or 0
        tally.sampled += answer.sampled or 0


def main() -> None:
    """Runs it all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("--data", type=Path, help="where the data set is")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--limit", type=int, default=48)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--no-hint", dest="hint", action="store_false")
    given = parser.parse_args()
    shown = list(faces(given.dataset, given.data, given.limit))
    print(f"{len(shown)} faces that could be measured", flush=True)
    folder = model_folder(given.model)
    explainers = {
        audited: ModelExplainer(folder, dtype="float32", hint=given.hint, audited=audited)
        for audited in (False, True)
    }
    for explainer in explainers.values():
        explainer.explain(shown[:1], write=False)  # the weights are read before the clock runs
    tallies = {False: Tally("as written"), True: Tally("audited")}
    for start in range(0, len(shown), given.batch):
        batch = shown[start : start + given.batch]
        for audited, tally in tallies.items():
            write(explainers[audited], batch, tally)
        print("\n".join(tally.line() for tally in tallies.values()), flush=True)
    plain, changed = (tally.seconds for tally in tallies.values())
    if plain:
        print(f"extra processor time: {100 * (changed / plain - 1):+.1f} %")


if __name__ == "__main__":
    main()
