"""Measures the grounding audit on published texts, and keeps the figures of docs/grounding.md.

    python scripts/measure_grounding.py REFERENCE.jsonl            # prints
    python scripts/measure_grounding.py REFERENCE.jsonl --write    # also renews docs/grounding.json
    python scripts/measure_grounding.py REFERENCE.jsonl --show 60  # the texts that were judged by hand
    python scripts/measure_grounding.py --sealed [SENTENCES]       # annotated sentences of other authors

Words and thresholds were chosen on one half of the texts; the other half is read here only. The hand verdicts
are in docs/grounding_verdicts.jsonl: ids and spans, no texts.
"""

import argparse
import hashlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from grounding_faults import Fault, Row, strangers_of, unit_faults
from grounding_sentences import read_sentences, table, trials
from grounding_text_faults import text_faults

from expllm.cot.rule_writer import write_cot
from expllm.data import open_dataset
from expllm.grounding import Audit, Verdict, audit
from expllm.grounding.audit import REFUTING_VERDICTS, WRONG

ROOT: Final = Path(__file__).parents[1]
FIGURES: Final = ROOT / "docs" / "grounding.json"
VERDICTS: Final = ROOT / "docs" / "grounding_verdicts.jsonl"
SEALED: Final = ROOT / "tests" / "grounding" / "sentences" / "sealed.zip"
SEED: Final = 20250
ALARMS: Final = (*WRONG, Verdict.UNSUPPORTED)


def read_rows(path: str) -> list[Row]:
    """The texts of a file that have action units and a label."""
    return [
        Row(sample.id, sample.text, sample.aus, sample.expression)
        for sample in open_dataset(path)
        if sample.text and sample.aus is not None and sample.expression
    ]


def is_development(row: Row) -> bool:
    """Which half a text belongs to: by its id, so that it stays there."""
    return int(hashlib.sha256(row.id.encode()).hexdigest(), 16) % 2 == 0


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Claims by verdict, precision, recall and labels over many texts."""
    reports = [audit(row.text, row.aus, row.label) for row in rows]
    return {
        "texts": len(rows),
        "claims": sum(len(report.checked) for report in reports),
        "verdicts": {v.value: sum(report.counts.get(v, 0) for report in reports) for v in Verdict},
        "sentences": sum(report.sentences for report in reports),
        "unread": sum(len(report.unread) for report in reports),
        "texts_refuted": sum(_refuted(report) for report in reports),
        "precision": _mean(report.precision for report in reports),
        "recall": _mean(report.recall for report in reports),
        "label_in_conclusion": sum(bool(report.label_in_conclusion) for report in reports),
        "label_conflicts": sum(bool(report.label_conflicts) for report in reports),
    }


def _refuted(report: Audit) -> bool:
    return any(c.verdict in REFUTING_VERDICTS for c in report.checked)


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return round(sum(known) / max(len(known), 1), 4)


def offline(rows: Sequence[Row]) -> dict[str, Any]:
    """What the audit says to the package's own writer, on the same units and labels."""
    written = [Row(row.id, write_cot(row.aus, row.label).text, row.aus, row.label) for row in rows]
    return summary(written)


def faults(rows: Sequence[Row]) -> dict[str, dict[str, list[int]]]:
    """By where the fault was put and its kind: [noticed, put in]."""
    strangers, draw = strangers_of(rows), random.Random(SEED)
    found: dict[str, list[Fault]] = {"units": [], "text": []}
    for row in rows:
        found["units"] += unit_faults(row)
        found["text"] += text_faults(row, draw.sample(strangers, 8))
    return {where: _tally(some) for where, some in found.items()}


def _tally(found: Iterable[Fault]) -> dict[str, list[int]]:
    put_in, noticed = Counter[str](), Counter[str]()
    for fault in found:
        put_in[fault.kind] += 1
        noticed[fault.kind] += fault.caught
    return {kind: [noticed[kind], put_in[kind]] for kind in sorted(put_in)}


def judged(rows: Sequence[Row]) -> dict[str, Any]:
    """The audit against the hand verdicts: false alarms, and wrong claims that it lets pass.

    A verdict is for a claim as it was read when it was judged (`audit`: what the audit said then); `now` is
    for the same words where they are read differently since.
    """
    lines = [json.loads(line) for line in VERDICTS.read_text(encoding="utf-8").splitlines()]
    by_id = {row.id: row for row in rows}
    hand = {
        (line["id"], tuple(line["units"]), line["start"], line["end"]): line.get("now", line["hand"])
        for line in lines
    }
    pairs = Counter[tuple[str, str]]()
    for name in sorted({line["id"] for line in lines}):
        row = by_id[name]
        for c in audit(row.text, row.aus).checked:
            verdict = _by_hand(hand, row, c.claim.units, c.claim.start, c.claim.end)
            pairs[c.verdict.value, verdict or "unjudged"] += 1
    first = Counter((line["audit"], line["hand"]) for line in lines if line["audit"])
    return {"texts": len({line["id"] for line in lines}), "now": _rates(pairs), "first": _rates(first)}


def _rates(pairs: Counter[tuple[str, str]]) -> dict[str, Any]:
    """How the audit's verdicts and those by hand, counted in pairs, agree."""
    alarms = {verdict.value for verdict in ALARMS}

    def count(audits: set[str], hands: set[str]) -> int:
        return sum(n for (a, h), n in pairs.items() if a in audits and h in hands)

    verdicts = {verdict.value for verdict in Verdict}
    return {
        "claims": pairs.total(),
        "alarms": count(alarms, {h for _, h in pairs}),
        "false_alarms": count(alarms, {"right", "no claim", "outside"}),
        "wrong": count(verdicts, {"wrong"}),
        "wrong_but_supported": count({Verdict.SUPPORTED.value}, {"wrong"}),
        "misread": count(verdicts, {"no claim"}),
        "unjudged": count(verdicts, {"unjudged"}),
    }


def _by_hand(hand: dict[Any, str], row: Row, units: tuple[str, ...], start: int, end: int) -> str | None:
    """The verdict of the same claim, or of one about the same units that touches it."""
    if (row.id, units, start, end) in hand:
        return hand[row.id, units, start, end]
    near = [
        v for (i, u, s, e), v in hand.items() if i == row.id and set(u) & set(units) and s < end and start < e
    ]
    return near[0] if near else None


def sample(rows: Sequence[Row], count: int) -> list[Row]:
    """The texts to judge by hand: a draw from the half that nothing was chosen on."""
    unseen = sorted((row for row in rows if not is_development(row)), key=lambda row: row.id)
    return random.Random(SEED).sample(unseen, count)


def show(rows: Iterable[Row]) -> Iterator[str]:
    """Texts, units and claims side by side, as they were judged."""
    for row in rows:
        units = ", ".join(f"{name} {value:.2f}" for name, value in row.aus.active(0.005).items())
        yield f"## {row.id} {row.label}: {units}\n{row.text}"
        for number, c in enumerate(audit(row.text, row.aus).checked):
            claim = c.claim
            how = [claim.side, claim.both and "both", claim.degree, claim.value, claim.outside]
            said = " ".join(str(word) for word in how if word)
            what = f"{'NOT ' if claim.negated else ''}{'|'.join(claim.units[:3])}"
            yield f"{number:3} {c.verdict.value.upper():14} “{claim.text}” {what} {said} - {c.reason}"


def sealed(where: Path, failures: Sequence[str]) -> Iterator[str]:
    """The table of `grounding_sentences`, the audit's processor time a sentence, and what failed."""
    sentences = read_sentences(where)
    started = time.process_time()
    for sentence in sentences:
        audit(sentence.text, sentence.true[1])
    pace = 1000 * (time.process_time() - started) / max(len(sentences), 1)
    tried = [trial for sentence in sentences for trial in trials(sentence)]
    yield from table(tried)
    yield f"{len(sentences)} sentences, {pace:.2f} ms of processor time each"
    for kind in failures:
        yield from (
            f"{t.kind} [{t.author}] {t.text} << {t.what}" for t in tried if t.kind == kind and not t.good
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reference", nargs="?", help="JSON Lines with id, expression, aus, cot")
    parser.add_argument(
        "--sealed",
        type=Path,
        nargs="?",
        const=SEALED,
        metavar="PATH",
        help="annotated sentences, a file, a folder or a ZIP archive: one table, and stop "
        f"({SEALED.relative_to(ROOT)} if not given)",
    )
    parser.add_argument("--failures", metavar="KIND", action="append", help="with --sealed: what failed")
    parser.add_argument("--write", action="store_true", help=f"renew {FIGURES.relative_to(ROOT)}")
    parser.add_argument("--show", type=int, metavar="N", help="print N texts as they were judged, and stop")
    options = parser.parse_args()
    if options.sealed:
        print("\n".join(sealed(options.sealed, options.failures or [])))
        return
    if options.reference is None:
        parser.error("REFERENCE.jsonl or --sealed PATH is needed")
    rows = read_rows(options.reference)
    if options.show:
        print("\n".join(show(sample(rows, options.show))))
        return
    halves = {"development": [], "check": []}  # type: dict[str, list[Row]]
    for row in rows:
        halves["development" if is_development(row) else "check"].append(row)
    started = time.process_time()
    figures: dict[str, Any] = {"all": summary(rows)}
    seconds = time.process_time() - started
    figures |= {half: summary(some) for half, some in halves.items()}
    figures["offline"] = offline(rows)
    figures["faults"] = {half: faults(some) for half, some in halves.items()}
    figures["hand"] = judged(rows) if VERDICTS.exists() else None
    json.dump(figures, sys.stdout, indent=1)
    print(f"\n{1000 * seconds / len(rows):.1f} ms of processor time a text")
    if options.write:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
