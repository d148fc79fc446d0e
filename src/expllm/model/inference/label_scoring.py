"""How likely each of some continuations is: all of them in one pass, what they share computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from expllm.model.inference.kv_cache import KVCache
from expllm.model.inference.llama import LlamaDecoder

PROMPT: Final = -1
"""Stands for the prompt's last token, where a tree has its root."""


@dataclass(frozen=True)
class TokenTree:
    """Continuations of a prompt, as a tree of their tokens.

    A continuation's last token is foretold and never read, so it is no node.

    Attributes:
        tokens: [nodes] what is read; parents come before their children.
        parents: [nodes] the node before it, or `PROMPT`.
        foretold: For each continuation, its tokens, each with the node that foretells it, or `PROMPT`.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    foretold: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def visible(self) -> Tensor:
        """[nodes, nodes] True where a node sees another: its ancestors and itself."""
        seen = torch.eye(len(self.tokens), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent != PROMPT:
                seen[node] |= seen[parent]
        return seen

    @property
    def depths(self) -> Tensor:
        """[nodes] how many tokens behind the prompt a node is, from 0."""
        return self.visible.sum(1) - 1


def token_tree(continuations: Sequence[Sequence[int]]) -> TokenTree:
    """The tree of some continuations.

    Args:
        continuations: Token ids, at least one each.
    """
    tokens: list[int] = []
    parents: list[int] = []
    children: dict[tuple[int, int], int] = {}
    foretold = []
    for ids in continuations:
        node, told = PROMPT, []
        for place, token in enumerate(ids):
            told.append((node, token))
            if place == len(ids) - 1:
                break
            if (node, token) not in children:
                children[node, token] = len(tokens)
                tokens.append(token)
                parents.append(node)
            node = children[node, token]
        foretold.append(tuple(told))
    return TokenTree(tuple(tokens), tuple(parents), tuple(foretold))


def score_tree(
    language: LlamaDecoder,
    memory: KVCache,
    embedded: Tensor,
    places: Tensor,
    tree: TokenTree,
    real: Tensor | None = None,
) -> Tensor:
    """Reads the rest of a prompt, and the tree behind it, in one pass; both are left behind `memory.length`.

    Args:
        embedded: [rows, tokens, hidden] what of the prompt is not in memory, at least one token.
        places: [rows or 1, tokens] positions.
        real: [rows, tokens] False for tokens that only fill a row up.

    Returns:
        [rows, continuations] natural logarithms of their probabilities, not normalised over the set.
    """
    rest, nodes = embedded.shape[1], len(tree.tokens)
    device = embedded.device
    ids = torch.tensor([tree.tokens], dtype=torch.long, device=device)
    branches = language.embed(ids).expand(len(embedded), -1, -1)
    among = torch.ones(rest + nodes, rest + nodes, dtype=torch.bool, device=device).tril()
    among[rest:, rest:] = tree.visible.to(device)
    if real is not None:
        real = torch.cat([real, real.new_ones(len(real), nodes)], dim=1)
    all_places = torch.cat([places, places[:, -1:] + 1 + tree.depths.to(device)], dim=1)
    hidden = language.read(torch.cat([embedded, branches], dim=1), memory, all_places, among=among, real=real)
    return gathered(language.logits(hidden[:, rest - 1 :]), tree)


def gathered(logits: Tensor, tree: TokenTree) -> Tensor:
    """[rows, 1 + nodes, vocabulary] logits, the prompt's last first, to [rows, continuations] sums."""
    told = [(1 + node, token, place) for place, pairs in enumerate(tree.foretold) for node, token in pairs]
    nodes, tokens, places = torch.tensor(told, device=logits.device).T  # [tokens of all continuations] each
    found = logits.float().log_softmax(-1)[:, nodes, tokens]
    return found.new_zeros(len(found), len(tree.foretold)).index_add_(1, places, found)
