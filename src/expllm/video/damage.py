"""What of a video cannot be decoded or is missing, and how a person is told."""

from dataclasses import dataclass

from expllm.video.timecode import clock


@dataclass(frozen=True)
class Damage:
    """Something of a video that cannot be decoded, or is missing.

    Attributes:
        time: When it would be shown, in seconds; None where the file does not say.
        reason: What the decoder says, or that no frame came.
        until: Where all frames after `time` and before this are missing.
    """

    time: float | None
    reason: str
    until: float | None = None


def damage_lines(name: str, damage: list[Damage]) -> list[str]:
    """What a person is told of the damage: neighbouring places as one, with their times.

    >>> damage_lines("a.mp4", [Damage(7.1, "bad"), Damage(7.4, "bad")])
    ['a.mp4: 2 packets between 0:07.1 and 0:07.4 cannot be decoded (bad)']
    """
    lines = [f"{name}: {one.reason}" for one in damage if one.time is None or one.until is not None]
    timed = [one for one in damage if one.time is not None and one.until is None]
    timed.sort(key=lambda one: one.time or 0.0)
    groups: list[list[Damage]] = []
    for one in timed:
        if groups and (one.time or 0.0) - (groups[-1][-1].time or 0.0) <= 1.0:
            groups[-1].append(one)
        else:
            groups.append([one])
    for group in groups:
        reasons = ", ".join(dict.fromkeys(one.reason for one in group))
        first, last = clock(group[0].time or 0.0), clock(group[-1].time or 0.0)
        where = f"at {first}" if first == last else f"between {first} and {last}"
        count = f"{len(group)} packet{'s' if len(group) > 1 else ''}"
        lines.append(f"{name}: {count} {where} cannot be decoded ({reasons})")
    return lines
