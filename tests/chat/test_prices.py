"""Files of prices, and what they make of tokens."""

from pathlib import Path

import pytest

from expllm.chat import BadPrices, Price, Prices, Usage
from expllm.core.errors import ExitCode

TOML = 'dated = "2026-11-05"\n[models."gpt-4o"]\ninput = 2.5\noutput = 10\n'
JSON = '{"dated": "2026-11-05", "models": {"gpt-4o": {"input": 2.5, "output": 10}}}'


@pytest.mark.parametrize(("name", "text"), [("p.toml", TOML), ("p.json", JSON)])
def test_a_file_names_prices(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    prices = Prices.load(tmp_path / name)
    assert prices == Prices({"gpt-4o": Price(2.5, 10.0)}, "2026-11-05", None)
    assert prices.cost("gpt-4o", Usage(1_000_000, 100_000)) == pytest.approx(3.5)


def test_what_is_unknown_has_no_price() -> None:
    prices = Prices({"gpt-4o": Price(2.5, 10.0)})
    assert prices.cost("gpt-4o-2024-05-13", Usage(10, 10)) is None
    assert prices.cost("gpt-4o", Usage(None, 10)) is None
    assert prices.cost("gpt-4o", Usage(10, None)) is None
    assert prices.cost("anything", Usage(0, 0)) == 0.0


def test_the_environment_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text("[models.mine]\ninput = 0\noutput = 0\n")
    monkeypatch.setenv("EXPLLM_PRICES", str(tmp_path / "mine.toml"))
    assert Prices.load().cost("mine", Usage(10, 10)) == 0.0


def test_the_shipped_file_has_a_date_and_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPLLM_PRICES", raising=False)
    prices = Prices.load()
    assert prices.dated
    assert prices.source
    assert prices.cost("gpt-4o", Usage(1_000_000, 0)) == 2.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models = 3", "'models'"),
        ("", "'models'"),
        ("[models.a]\ninput = 1\n", "'a'"),
        ('[models.a]\ninput = "1"\noutput = 1\n', "input"),
        ("[models.a]\ninput = 1\noutput = -1\n", "output"),
        ("[models.a]\ninput = nan\noutput = 1\n", "input"),
        ("[models.a]\ninput = true\noutput = 1\n", "input"),
        ("[models]\n[prices]\n", "'prices'"),
        ("not toml", "line 1"),
    ],
)
def test_a_file_that_holds_no_prices(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(BadPrices, match=words) as caught:
        Prices.load(tmp_path / "p.toml")
    assert str(tmp_path) in caught.value.line
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadPrices, match="No such file"):
        Prices.load(tmp_path / "none.toml")
