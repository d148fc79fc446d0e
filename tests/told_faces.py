"""Faces in a few words, and what the audit says to a text about them."""

from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.grounding import Verdict, audit

MOVED = 0.6


def face(moves: str) -> AUVector:
    """A face measured whole: "left brow raise, jaw drop 0.2" moves so, "brow raise" on both sides."""
    measured = dict.fromkeys(AU_NAMES, 0.0)
    for move in filter(None, moves.split(", ")):
        name, _, last = move.rpartition(" ")
        name, how_much = (name, float(last)) if last[0].isdecimal() else (move, MOVED)
        for unit in [name] if name in measured else [f"left {name}", f"right {name}"]:
            assert unit in measured, unit
            measured[unit] = how_much
    return AUVector(measured)


def alarms(text: str, moves: str) -> list[str]:
    """What the audit says against a text about such a face; no claim and unread words count as well."""
    report = audit(text, face(moves))
    found = [
        f"{c.claim.text}: {c.verdict.value}" for c in report.checked if c.verdict is not Verdict.SUPPORTED
    ]
    if not report.checked:
        found.append("no claim")
    return [*found, *(f"{unread.text}: unread" for unread in report.unread)]
