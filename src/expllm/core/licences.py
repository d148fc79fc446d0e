"""Rights of weights: one table (`assets/licences.json`), and what `--licence permissive` refuses."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, cast

from expllm.core.errors import UsageError

Licence = Literal["any", "permissive"]
"""Which weights may be used: all, or only those whose licence allows any use."""
LICENCE_VARIABLE: Final = "EXPLLM_LICENCE"
"""Environment variable: the default, which processes that are started inherit."""
ASSETS: Final = Path(str(files("expllm"))) / "assets"
PERMISSIVE: Final = frozenset({"Apache-2.0", "MIT", "BSD-3-Clause", "CC0-1.0"})
"""Licences of bases that allow any use."""


@dataclass(frozen=True, kw_only=True)
class LicensedWeights:
    """One set of weights or constants.

    Attributes:
        name: As options and results name it.
        kind: `model`, `faces`, `action units`, or `base` (weights that a trained model begins with).
        does: What it is for.
        licence: An SPDX name where there is one, else `research-only` or the licence's own name.
        permissive: The licence allows any use.
        terms: What the licence rests on.
        instead: What to use where only permissive weights are allowed.
        files: Names below `assets`; empty if it does not ship.
        package: Module of the package that carries it; None for none.
        carried: Pattern of its files in that package.
        card: Where more is said, in the repository.
    """

    name: str
    kind: str
    does: str
    licence: str
    permissive: bool
    terms: str
    instead: str
    files: tuple[str, ...] = ()
    package: str | None = None
    carried: str = ""
    card: str = ""

    @property
    def bytes(self) -> int | None:
        """Size of what ships with ExpLLM or with its package; None if nothing is here."""
        paths = [path for name in self.files for path in _leaves(ASSETS / name)]
        paths += _carried(self.package, self.carried) if self.package else []
        return sum(path.stat().st_size for path in paths) if paths else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, with the size."""
        return {**asdict(self), "files": list(self.files), "bytes": self.bytes}


@cache
def known_weights() -> tuple[LicensedWeights, ...]:
    """The whole table."""
    rows = json.loads((ASSETS / "licences.json").read_text(encoding="utf-8"))["weights"]
    return tuple(LicensedWeights(**{**row, "files": tuple(row["files"])}) for row in rows)


def licensed_weights(name: str) -> LicensedWeights:
    """One row of the table.

    Raises:
        KeyError: it has no such row.
    """
    return {one.name: one for one in known_weights()}[name]


def licences_of(names: Iterable[str]) -> dict[str, str]:
    """Licences by name, for the provenance of results."""
    return {name: licensed_weights(name).licence for name in names}


def chosen_licence(licence: str | None = None) -> Licence:
    """Which weights may be used.

    Args:
        licence: `any` or `permissive`; None: as `EXPLLM_LICENCE` has it, else `any`.

    Raises:
        UsageError: it is neither.
    """
    chosen = licence or os.environ.get(LICENCE_VARIABLE) or "any"
    if chosen in ("any", "permissive"):
        return cast(Licence, chosen)
    where = "--licence" if licence else LICENCE_VARIABLE
    raise UsageError(f"{where} is {chosen!r}: use any or permissive")


def check_licence(licence: str | None, *names: str) -> None:
    """Refuses weights that are not permissive, where only such are allowed.

    Args:
        licence: As for `chosen_licence`.
        names: Rows of the table that are to be used.

    Raises:
        UsageError: one of them may not be used; the line says what to use instead.
    """
    allowed = chosen_licence(licence)
    for name in names if allowed == "permissive" else ():
        row = licensed_weights(name)
        if not row.permissive:
            raise UsageError(f"--licence permissive: {name} is {row.licence}: {row.instead}")


def _carried(package: str, pattern: str) -> list[Path]:
    """Files of a package that is looked into and never imported; none where it is not installed."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    return [path for folder in folders or () for path in Path(folder).glob(pattern)]


def _leaves(path: Path) -> list[Path]:
    return [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
