"""Texts as written beside texts as shipped: refuted claims, recall, extra time, on the same faces.

    python benchmarks/audited.py ferplus:valid portraits:valid --data DATA --limit 60
    python benchmarks/audited.py ferplus:valid --data DATA --limit 24 --hint none

Each batch is written in both ways, one after the other, the first of them in turn, so that other work on the
machine meets both. Seconds are those of the processor, and hold the labels, which are the same in both.
Figures so far are printed after each batch, the table at the end. The exit code is 1 if a claim of a text as
shipped is refuted, or if the extra time is over `BOUND`.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split

from expllm.core.errors import ExpllmError
from expllm.evals.runner import Question
from expllm.evals.sample_faces import SampleFaces
from expllm.evals.splits import open_named
from expllm.grounding import audit
from expllm.model.shipped import model_folder
from expllm.predict.base import FaceInput
from expllm.predict.hints import HINTS
from expllm.predict.img2au import FaceReader
from expllm.predict.trained import ModelExplainer
from expllm.predict.verifying import REWRITTEN_VERDICTS

BOUND: Final = 15.0
"""Extra processor time that auditing may cost, in percent."""
HEADER: Final = (
    "| faces | texts | refuted claims, as written | as shipped | texts with one, as written | unread | "
    f"mean recall | tokens for samples | extra time (at most {BOUND:g} %) |\n" + "| --- " * 9 + "|"
)


@dataclass
class Tally:
    """What was found in the texts of one way of writing."""

    name: str
    texts: int = 0
    refuted: int = 0
    texts_refuted: int = 0
    claims: int = 0
    unread: int = 0
    told: float = 0.0
    active: int = 0
    agree: int = 0
    tokens: int = 0
    sampled: int = 0
    seconds: float = 0.0

    @property
    def recall(self) -> str:
        return f"{self.told / self.active:.3f}" if self.active else "-"

    @property
    def share(self) -> str:
        """Refuted claims."""
        return f"{self.refuted} of {self.claims:,}"

    def line(self) -> str:
        return (
            f"{self.name:<11} {self.refuted:>4} of {self.claims:>5} claims refuted, {self.unread} sentences "
            f"unread, recall {self.recall}, {self.agree} labels alike behind the text, {self.tokens:,} "
            f"tokens and {self.sampled:,} for samples, {self.seconds:.1f} s"
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
        refuted = sum(one.verdict in REWRITTEN_VERDICTS for one in report.checked)
        tally.texts += 1
        tally.agree += answer.label is answer.label_after
        tally.refuted += refuted
        tally.texts_refuted += refuted > 0
        tally.claims += len(report.checked)
        tally.unread += len(report.unread)
        tally.told += report.recall or 0.0
        tally.active += report.recall is not None
        tally.tokens += answer.tokens or 0
        tally.sampled += answer.sampled or 0


def both(
    explainers: dict[bool, ModelExplainer], shown: Sequence[FaceInput], batch: int
) -> tuple[Tally, Tally]:
    """All texts as written, and as shipped."""
    tallies = {False: Tally("as written"), True: Tally("as shipped")}
    for number, start in enumerate(range(0, len(shown), batch)):
        for audited in (number % 2 == 1, number % 2 == 0):
            write(explainers[audited], shown[start : start + batch], tallies[audited])
        print("\n".join(tally.line() for tally in tallies.values()), flush=True)
    return tallies[False], tallies[True]


def row(name: str, written: Tally, shipped: Tally) -> str:
    """A data set's line of the table."""
    return (
        f"| {name} | {written.texts} | {written.share} | {shipped.share} | {written.texts_refuted} | "
        f"{written.unread} -> {shipped.unread} | {written.recall} -> {shipped.recall} | "
        f"{100 * shipped.sampled / max(shipped.tokens, 1):.1f} % | {extra(written, shipped):+.1f} % |"
    )


def extra(written: Tally, shipped: Tally) -> float:
    """Processor time that auditing costs, in percent of what writing costs."""
    return 100 * (shipped.seconds / max(written.seconds, 1e-9) - 1)


def main() -> None:
    """Runs it all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datasets", nargs="+", metavar="NAME:SPLIT")
    parser.add_argument("--data", type=Path, help="where the data sets are")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--limit", type=int, default=48, help="faces of each data set")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--hint", choices=HINTS, help="what the model is told; as trained if not given")
    given = parser.parse_args()
    folder = model_folder(given.model)
    explainers = {
        audited: ModelExplainer(folder, dtype="float32", hint=given.hint, audited=audited)
        for audited in (False, True)
    }
    rows, good = [HEADER], True
    for name in given.datasets:
        shown = list(faces(name, given.data, given.limit))
        print(f"{name}: {len(shown)} faces that could be measured", flush=True)
        for explainer in explainers.values():
            explainer.explain(shown[:1], write=False)  # the weights are read before the clock runs
        written, shipped = both(explainers, shown, given.batch)
        rows.append(row(name, written, shipped))
        good = good and not shipped.refuted and extra(written, shipped) <= BOUND
    print("\n".join(rows))
    sys.exit(not good)


if __name__ == "__main__":
    main()
