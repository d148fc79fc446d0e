"""Which sentences speak of a movement of this face."""

from expllm.grounding.tags import Item


def moves(items: list[Item]) -> bool:
    """Whether a tagged and marked sentence says of a part of this face that it moves, or does not."""
    named = any(item.kind == "part" and not item.supposed for item in items)
    told = any(item.kind == "act" and not item.supposed for item in items)
    return named or told
