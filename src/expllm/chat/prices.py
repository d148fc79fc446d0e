"""Token prices: USD per million tokens by model id, from a settings file.

```toml
dated = "2026-11-05"
source = "https://developers.openai.com/api/docs/pricing"

[models."gpt-4o"]
input = 2.5
output = 10
```

JSON of the same shape works as well. A model that the file does not name has no price: None, not 0.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from expllm.chat.chat_errors import BadPrices
from expllm.chat.protocol import Usage

ENVIRONMENT: Final = "EXPLLM_PRICES"
_SHIPPED: Final = Path(__file__).parent.parent / "assets" / "chat_prices.json"


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens, without discounts for prompts that the server had cached."""

    input: float
    output: float

    def of(self, usage: Usage) -> float | None:
        """USD; None where a number of tokens is unknown."""
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        return (usage.prompt_tokens * self.input + usage.completion_tokens * self.output) / 1e6


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by the exact id of a model, with their day and where they were read."""

    models: Mapping[str, Price] = field(default_factory=dict)
    dated: str | None = None
    source: str | None = None

    def cost(self, model: str, usage: Usage) -> float | None:
        """USD; None where the price or a number of tokens is unknown."""
        if usage.prompt_tokens == 0 and usage.completion_tokens == 0:
            return 0.0
        price = self.models.get(model)
        return None if price is None else price.of(usage)

    def times(self, factor: float) -> "Prices":
        """All of them with a discount, such as 0.5."""
        models = {name: Price(one.input * factor, one.output * factor) for name, one in self.models.items()}
        return Prices(models, self.dated, self.source)

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> "Prices":
        """Reads a file of prices: `path`, else what `EXPLLM_PRICES` names, else the shipped one.

        Raises:
            BadPrices: it cannot be read, or does not hold prices; the line says where.
        """
        chosen = Path(path or os.environ.get(ENVIRONMENT) or _SHIPPED)
        try:
            text = chosen.read_text(encoding="utf-8")
            data = json.loads(text) if chosen.suffix == ".json" else tomllib.loads(text)
        except OSError as error:
            raise BadPrices(f"cannot read the prices in {chosen}: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise BadPrices(f"cannot read the prices in {chosen}: {error}") from None
        try:
            return _prices(data)
        except ValueError as error:
            raise BadPrices(f"{chosen}: {error}") from None


def _prices(data: Any) -> Prices:
    if not isinstance(data, dict) or not isinstance(data.get("models"), dict):
        raise ValueError("a table 'models' is missing: model id -> input and output, USD per million tokens")
    if unknown := set(data) - {"models", "dated", "source"}:
        raise ValueError(f"unknown key {min(unknown)!r}; known are models, dated, source")
    dated, source = data.get("dated"), data.get("source")
    models = {model: _price(model, entry) for model, entry in data["models"].items()}
    return Prices(models, None if dated is None else str(dated), None if source is None else str(source))


def _price(model: str, entry: Any) -> Price:
    wanted = {"input", "output"}
    if not isinstance(entry, dict) or set(entry) != wanted:
        raise ValueError(f"model {model!r} needs exactly input and output, USD per million tokens")
    for name in sorted(wanted):
        value = entry[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
            raise ValueError(f"model {model!r}: {name} must be a number of USD from 0, not {value!r}")
    return Price(float(entry["input"]), float(entry["output"]))
