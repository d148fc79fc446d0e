"""`--limit`: at most N samples of a data set, drawn by a hash of their ids, so the same ones every time."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator

from expllm.data.sample import Sample


def lot(name: str, seed: int | None = None) -> bytes:
    """The number that an id draws: samples with the smallest ones are taken."""
    seeded = name if seed is None else f"{seed}:{name}"
    return hashlib.sha256(seeded.encode("utf-8", "surrogatepass")).digest()


def drawn_samples(
    samples: Iterable[Sample], limit: int | None, seed: int | None = None
) -> Iterator[tuple[int, Sample]]:
    """At most `limit` samples with their places, in the order of the data set.

    The first ones would be of one class where each class has its folder. A smaller limit takes a part of
    what a larger one takes.

    Args:
        samples: Iterated twice.
        limit: None takes all.
        seed: Another one draws other samples.
    """
    if limit is None:
        yield from enumerate(samples)
        return
    taken = set(heapq.nsmallest(limit, (lot(one.id, seed) for one in samples)))
    yield from ((place, one) for place, one in enumerate(samples) if lot(one.id, seed) in taken)
