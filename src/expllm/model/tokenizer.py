"""A tokenizer from its files alone: `transformers` takes longer to import than a label takes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer


class LightTokenizer:
    """What encoding and decoding ask of a tokenizer.

    Args:
        folder: With `tokenizer.json` and `tokenizer_config.json`.
    """

    def __init__(self, folder: Path) -> None:
        self.backend_tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        told: dict[str, Any] = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.eos_token: str | None = told.get("eos_token")
        self.bos_token_id = self._id(told.get("bos_token"))
        self.unk_token_id = self._id(told.get("unk_token"))
        self.added_tokens_decoder = self.backend_tokenizer.get_added_tokens_decoder()

    def convert_tokens_to_ids(self, token: str) -> int | None:
        """As that of `transformers`, of one token."""
        return self.backend_tokenizer.token_to_id(token)

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """As that of `transformers`."""
        ids: list[int] = self.backend_tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        return ids

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool, **_: Any) -> str:
        """As that of `transformers`, without its cleaning up."""
        text: str = self.backend_tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens)
        return text

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self.backend_tokenizer.token_to_id(token)
