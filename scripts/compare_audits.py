"""Compares what two versions of the audit say to the same texts.

    python scripts/compare_audits.py list REFERENCE.jsonl --of CHECKOUT > before.jsonl  # by another version
    python scripts/compare_audits.py list REFERENCE.jsonl > after.jsonl
    python scripts/compare_audits.py diff before.jsonl after.jsonl                      # differences by kind
    python scripts/compare_audits.py diff before.jsonl after.jsonl --show "gone: supported" --count 40

A claim of one version is paired with that of the other which speaks of the same actions in overlapping words.
"""

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

SEED: Final = 18
Claims = dict[str, list[dict[str, Any]]]


def listed(reference: Path) -> Iterator[str]:
    """One line a text: its claims with their verdicts, by the package that is imported."""
    import expllm
    from expllm.grounding import audit

    for line in reference.read_text(encoding="utf-8").split("\n"):
        if not line.strip():
            continue
        row = json.loads(line)
        # what a published line leaves out was measured as 0
        found = audit(row["cot"], expllm.AUVector.from_positive(row["aus"])).to_dict()
        unread = len(found.get("unread", []))
        yield json.dumps({"id": row["id"], "text": row["cot"], "claims": found["claims"], "unread": unread})


def read(path: Path) -> Claims:
    """Text id -> its claims, each with the words around it."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    return {row["id"]: [{**c, "around": _around(row["text"], c)} for c in row["claims"]] for row in rows}


def _around(text: str, claim: dict[str, Any]) -> str:
    start, end = claim["start"], claim["end"]
    before, after = text[max(0, start - 60) : start], text[end : end + 40]
    return f"{before}[[{text[start:end]}]]{after}".replace("\n", " ")


def differences(before: Claims, after: Claims) -> dict[str, list[str]]:
    """Kind of difference -> one line each."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, old in before.items():
        new = list(after.get(name, []))
        for claim in old:
            twin = _twin(claim, new)
            if twin is None:
                found[f"gone: {claim['verdict']}"].append(_line(name, claim))
                continue
            new.remove(twin)
            if twin["verdict"] == claim["verdict"]:
                found["same"].append("")
            else:
                found[f"{claim['verdict']} -> {twin['verdict']}"].append(_line(name, claim, twin))
        for claim in new:
            found[f"new: {claim['verdict']}"].append(_line(name, claim))
    return found


def _twin(claim: dict[str, Any], others: list[dict[str, Any]]) -> dict[str, Any] | None:
    near = [
        o for o in others
        if o["start"] < claim["end"] and claim["start"] < o["end"]
        and o["negated"] == claim["negated"]
        and ({*o["units"], o["outside"]} & {*claim["units"], claim["outside"]} - {None})
    ]  # fmt: skip
    near.sort(key=lambda o: (o["verdict"] != claim["verdict"], abs(o["start"] - claim["start"])))
    return near[0] if near else None


def _line(name: str, claim: dict[str, Any], twin: dict[str, Any] | None = None) -> str:
    what = f"{'NOT ' if claim['negated'] else ''}{'|'.join(claim['units'][:4])} {claim['outside'] or ''}"
    reasons = claim["reason"] + (f" => {twin['reason']}" if twin else "")
    return f"{name}: {claim['around']} << {what} ({reasons})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("list")
    step.add_argument("reference", type=Path, help="JSON Lines with id, expression, aus, cot")
    step.add_argument("--of", type=Path, help="a checkout of the package; this one without it")
    step = steps.add_parser("diff")
    step.add_argument("before", type=Path)
    step.add_argument("after", type=Path)
    step.add_argument("--show", metavar="KIND", help="lines of one kind")
    step.add_argument("--count", type=int, default=40, help="how many of them at most, drawn")
    options = parser.parse_args()
    if options.step == "list":
        if options.of:
            sys.path.insert(0, str(options.of / "src"))
        for line in listed(options.reference):
            print(line)
        return
    found = differences(read(options.before), read(options.after))
    if options.show:
        lines = found.get(options.show, [])
        print("\n".join(random.Random(SEED).sample(lines, min(options.count, len(lines)))))
        return
    for kind, count in Counter({kind: len(lines) for kind, lines in found.items()}).most_common():
        print(f"{kind} | {count}")


if __name__ == "__main__":
    main()
