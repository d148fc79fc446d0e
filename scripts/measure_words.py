"""Measures how alike the texts of the rules are: the commonest runs of words, and how many words they have.

    python scripts/measure_words.py FACES              # 1,000 texts
    python scripts/measure_words.py FACES --texts 20   # prints that many of them, to be read

FACES is a JSONL file with action units and labels, or a Parquet table of readings whose columns ``mp_*``
are blendshapes: these are measured and labelled as `expllm analyze --model offline` does. A run has three to
eight words of one sentence. One that only names a movement ("both brows are markedly lowered") cannot vary
and is counted apart: all its words are parts, movements, degrees, sides, labels or small words.
"""

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.core.records import CoT
from expllm.core.vocabulary import EXPRESSION_SYNONYMS, AUVector, Expression
from expllm.cot.rule_writer import write_cot
from expllm.data import open_dataset
from expllm.faces.au_reader import BlendshapeReader
from expllm.grounding import audit, cues, lexicon
from expllm.grounding.audit import WRONG
from expllm.predict.rules import RuleExplainer

SHORTEST, LONGEST = 3, 8
FORMULA: Final = 0.04
"""Share of the texts from which on a run that names no movement is called a formula."""

SMALL: Final = frozenset(
    "a an and are as at both by for from has have in is it no of on only or the to well while with".split()
)
NAMES: Final = frozenset(
    {
        *lexicon.PART_OF_WORD,
        *cues.DEGREE_OF,
        *cues.SIDES,
        "upper",
        "more",
        "side",
        "sides",
        "than",
        "uneven",
        "degree",
    }
    | {word for word, kind in lexicon.MOTION_OF.items() if kind not in ("generic", "relaxed", "still")}
    | {word for label, other in EXPRESSION_SYNONYMS.items() for word in (label.value, *other)}
)


@dataclass(frozen=True)
class Written:
    """A face and what the rules wrote about it."""

    id: str
    aus: AUVector
    label: Expression
    cot: CoT


def read_faces(path: Path, count: int) -> list[Written]:
    """So many faces of a file, drawn by the hash of their ids, with their texts."""
    rows = _readings(path) if path.suffix == ".parquet" else _reference(path)
    drawn = sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).digest())
    return drawn[:count]


def _reference(path: Path) -> Iterator[Written]:
    for sample in open_dataset(str(path)):
        if sample.aus is not None and sample.expression:
            cot = write_cot(sample.aus, sample.expression)
            yield Written(sample.id, sample.aus, sample.expression, cot)


def _readings(path: Path) -> Iterator[Written]:
    import pyarrow.parquet as pq

    reader, rules = BlendshapeReader(), RuleExplainer()
    for row in pq.read_table(path).to_pylist():
        shapes = {name.removeprefix("mp_"): value for name, value in row.items() if name.startswith("mp_")}
        if any(value is None for value in shapes.values()):
            continue
        aus = reader.read_blendshapes(shapes)
        said = rules.of(aus)
        if said.expression and said.cot:
            yield Written(row["id"], aus, said.expression, said.cot)


def runs(text: str) -> set[tuple[str, ...]]:
    """The runs of `SHORTEST` to `LONGEST` words of a text, each within one sentence."""
    found: set[tuple[str, ...]] = set()
    for sentence in re.split(r"[.!?](?:\s|$)|\n", text):
        words = re.findall(r"[a-z]+(?:[-'][a-z]+)*", sentence.lower())
        for size in range(SHORTEST, LONGEST + 1):
            found.update(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    return found


def names_only(run: Sequence[str]) -> bool:
    """Whether a run holds nothing but small words and the name of a movement or of a label."""
    words = {part for word in run for part in word.split("-")}
    return words <= NAMES | SMALL


def commonest(counts: Counter[tuple[str, ...]], most: int = 20) -> list[tuple[tuple[str, ...], int]]:
    """The commonest runs; a run that stands nearly always within a longer one is left to that one."""
    listed: list[tuple[tuple[str, ...], int]] = []
    for run, count in sorted(
        counts.most_common(40 * most), key=lambda pair: (-pair[1], -len(pair[0]), pair[0])
    ):
        longer = (other for other, n in counts.items() if n >= 0.9 * count and len(other) > len(run))
        if not any(_within(run, other) for other in longer):
            listed.append((run, count))
        if len(listed) == most:
            break
    return listed


def _within(run: Sequence[str], longer: Sequence[str]) -> bool:
    return f" {' '.join(run)} " in f" {' '.join(longer)} "


def figures(written: Sequence[Written]) -> dict[str, float]:
    """Counts and shares over the texts."""
    texts = [" ".join(one.cot.parts) for one in written]
    words = [re.findall(r"[a-z]+(?:[-'][a-z]+)*", text.lower()) for text in texts]
    audits = [audit(one.cot, one.aus, one.label) for one in written]
    lengths = sorted(one.cot.word_count for one in written)
    return {
        "texts": len(texts),
        "distinct texts": len(set(texts)),
        "distinct interpretations": len({one.cot.overall_emotional_interpretation for one in written}),
        "distinct conclusions": len({one.cot.conclusion for one in written}),
        "words per text, mean": round(sum(lengths) / len(lengths), 1),
        "words per text, 5 %": lengths[len(lengths) // 20],
        "words per text, 95 %": lengths[-len(lengths) // 20],
        "words per text, most": lengths[-1],
        "distinct words": len({word for one in words for word in one}),
        "distinct words / words (type/token)": round(
            len({w for one in words for w in one}) / sum(map(len, words)), 4
        ),
        "sentences that the audit cannot read": sum(len(one.unread) for one in audits),
        "texts with a refuted claim": sum(any(one.counts.get(v) for v in WRONG) for one in audits),
        "active units told, by intensity": _mean(one.recall for one in audits),
    }


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return round(sum(known) / max(len(known), 1), 4)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", type=Path)
    parser.add_argument("--count", type=int, default=1000, help="texts that are written [1000]")
    parser.add_argument(
        "--texts", type=int, metavar="N", help="print N of the texts with their units instead"
    )
    parser.add_argument("--json", action="store_true", help="print the figures and runs as JSON")
    order = parser.parse_args()
    written = read_faces(order.faces, order.count)
    if order.texts:
        for one in written[: order.texts]:
            units = ", ".join(f"{name} {value:.2f}" for name, value in one.aus.active(0.03).items())
            print(f"# {one.id}: {one.label}\n# {units}\n{one.cot.text}\n")
        return 0
    counts = Counter(run for one in written for run in runs(" ".join(one.cot.parts)))
    formulas = Counter({run: n for run, n in counts.items() if not names_only(run)})
    named = Counter({run: n for run, n in counts.items() if names_only(run)})
    found = figures(written)
    found["runs in more than 4 % of the texts"] = sum(n > FORMULA * len(written) for n in formulas.values())
    listed = {"formulas": commonest(formulas), "names": commonest(named, 10)}
    if order.json:
        shown = {what: [[" ".join(run), n] for run, n in some] for what, some in listed.items()}
        print(json.dumps({**found, **shown}, indent=1))
        return 0
    print("\n".join(f"{name:<38}{value:>10,}" for name, value in found.items()))
    for title, some in (("Runs of words", listed["formulas"]), ("Names of movements", listed["names"])):
        print(f"\n{title}, in so many of {len(written)} texts")
        print("\n".join(f"{n / len(written):7.1%}  {' '.join(run)}" for run, n in some))
    return 0


if __name__ == "__main__":
    sys.exit(main())
