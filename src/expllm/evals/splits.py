"""Data sets to evaluate on, by name and split (`data.roots`), and the split by person (`data.people`)."""

from expllm.data.people import DRAWN, SEED, VALID_SHARE, people_part
from expllm.data.roots import ROOT_VARIABLE, open_named

__all__ = ["DRAWN", "ROOT_VARIABLE", "SEED", "VALID_SHARE", "open_named", "people_part"]
