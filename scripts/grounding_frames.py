"""Sentences made of frames and movements: how many denials the audit notices, and where it raises an alarm.

    python scripts/grounding_frames.py tests/grounding/frames                  # a table
    python scripts/grounding_frames.py tests/grounding/frames --failures       # and the frames that fail

A frame ("{Part} {do} not {move}.") is filled with twenty movements. `denied` and `idle` must be refuted where
the movement takes place (0.7) and pass where nothing moves; `affirmed` the other way round; of `nobodys` no
claim may be read. The frames of `_later` were written when those of the others had been worked on, those of
`_last` when those of `_later` had been, and were not worked on.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES, AUVector
from expllm.grounding import Verdict, audit
from expllm.grounding.audit import WRONG

ALARMS: Final = (*WRONG, Verdict.UNSUPPORTED)
PRESENT: Final = 0.7
_CORNERS: Final = "the corners of the mouth"
MOVES: Final = {
    # action: part, verb, participle, noun
    "brow raise": ("the eyebrows", "go up", "raised", "lift of the brows"),
    "brow lower": ("the brows", "come down", "lowered", "lowering of the brows"),
    "eye close": ("the eyes", "close", "closed", "closure of the eyes"),
    "lid raise": ("the upper lids", "rise", "lifted", "retraction of the upper lids"),
    "jaw drop": ("the jaw", "drop", "dropped", "drop of the jaw"),
    "jaw thrust": ("the jaw", "jut forward", "pushed forward", "forward thrust of the jaw"),
    "lip corner pull": (_CORNERS, "turn up", "pulled up", "upward pull of the mouth corners"),
    "lip corner depressor": (
        _CORNERS, "turn down", "drawn down", "downturn of the mouth corners",
    ),
    "lip corner stretch": (
        _CORNERS, "stretch sideways", "drawn sideways", "sideways stretch of the mouth",
    ),
    "upper lip raise": ("the upper lip", "rise", "lifted", "lift of the upper lip"),
    "lower lip depress": ("the lower lip", "go down", "drawn down", "depression of the lower lip"),
    "upper lip suck": ("the upper lip", "roll inward", "sucked in", "sucking in of the upper lip"),
    "chin raise": ("the chin", "push up", "pushed up", "bunching of the chin"),
    "lip pucker": ("the lips", "push forward", "puckered", "puckering of the lips"),
    "lip tightener": ("the lips", "tighten", "tightened", "tightening of the lips"),
    "lip pressor": ("the lips", "press together", "pressed together", "pressing of the lips"),
    "cheeks puff": ("the cheeks", "puff out", "puffed out", "puffing of the cheeks"),
    "cheek raiser": ("the cheeks", "rise", "raised", "raising of the cheeks"),
    "nose wrinkle": ("the nose", "wrinkle", "wrinkled", "wrinkling of the nose"),
    "lid tightener": ("the lower lids", "tighten", "tensed", "tension in the lower lids"),
}  # fmt: skip
_PAST: Final = {"go": "went", "come": "came", "rise": "rose", "drop": "dropped", "jut": "jutted"}
_MOVING: Final = {"drop": "dropping", "jut": "jutting"}


def filled(frame: str, action: str) -> str:
    """A frame with a movement in it, its verbs agreeing with the part."""
    part, verb, done, noun = MOVES[action]
    first, _, rest = verb.partition(" ")
    rest = f" {rest}" if rest else ""
    many = part.endswith("s") or part == _CORNERS
    stem = first.removesuffix("e")
    third = f"{first}{'es' if first.endswith(('s', 'sh', 'ch', 'o')) else 's'}"
    article = "an" if noun[0] in "aeiou" else "a"
    words = {
        "part": part, "Part": part[0].upper() + part[1:], "move": verb,
        "moves": verb if many else third + rest, "moving": _MOVING.get(first, f"{stem}ing") + rest,
        "moved": _PAST.get(first, f"{stem}ed") + rest, "done": done, "noun": noun,
        "Noun": noun[0].upper() + noun[1:], "a_noun": f"{article} {noun}",
        "A_noun": f"{article.title()} {noun}", "do": "do" if many else "does", "are": "are" if many else "is",
        "have": "have" if many else "has", "were": "were" if many else "was", "s": "" if many else "s",
        "they": "they" if many else "it", "their": "their" if many else "its",
        "them": "them" if many else "it",
    }  # fmt: skip
    text = frame.format(**words)
    return text[0].upper() + text[1:]


def units(action: str, value: float) -> AUVector:
    """A face in which one action takes place, and nothing else."""
    return AUVector(
        dict.fromkeys(AU_NAMES, 0.0) | {u.name: value for u in ACTION_UNITS if u.action == action}
    )


def refuted(text: str, action: str, value: float) -> tuple[bool, bool]:
    """Whether a claim about the action is refuted where it takes place by `value`, and whether any is."""
    alarms = [one for one in audit(text, units(action, value)).checked if one.verdict in ALARMS]
    return any(action in one.claim.units for one in alarms), bool(alarms)


def faults(kind: str, text: str, action: str) -> Iterator[str]:
    """What goes wrong with a sentence."""
    name = kind.partition("_")[0]
    if name == "nobodys":
        if audit(text, units(action, PRESENT)).checked:
            yield "claims read that are none"
        return
    false, true = (0.0, PRESENT) if name == "affirmed" else (PRESENT, 0.0)
    if not refuted(text, action, false)[0]:
        yield "missed"
    if name != "idle" and refuted(text, action, true)[1]:
        yield "false alarms"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="files of frames, one a line")
    parser.add_argument(
        "--failures", action="store_true", help="frames that fail with three movements or more"
    )
    options = parser.parse_args()
    for path in sorted(options.folder.glob("*.txt")):
        frames = path.read_text(encoding="utf-8").splitlines()
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for frame in frames:
            for action in MOVES:
                text = filled(frame, action)
                for fault in faults(path.stem, text, action):
                    found[fault][frame].append(text)
        count = len(frames) * len(MOVES)
        wrong = {fault: sum(map(len, some.values())) for fault, some in sorted(found.items())}
        shares = [
            f"{fault} {many:,} of {count:,} ({100 * many / count:.1f} %)" for fault, many in wrong.items()
        ]
        print(f"{path.stem}: {'; '.join(shares) or f'all {count:,} read as they should be'}")
        for fault, some in found.items() if options.failures else ():
            for texts in sorted(some.values(), key=len, reverse=True):
                if len(texts) > 2:
                    print(f"  {fault}, {len(texts)}: {texts[0]}")


if __name__ == "__main__":
    main()
