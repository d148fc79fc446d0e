"""Files of rows, whatever program wrote them: CSV in any dialect, JSON, JSON Lines, Parquet.

A row that cannot be read is a row with a reason: it never costs the rows behind it.
"""

from expllm.files.tabular.delimited import DelimitedFile
from expllm.files.tabular.encodings import WINDOWS, doubted_names, encoding_by_start, encoding_of, first_sign
from expllm.files.tabular.jsonfile import json_rows
from expllm.files.tabular.numbers import MISSING_WORDS, number
from expllm.files.tabular.table_rows import TableRow

__all__ = [
    "MISSING_WORDS",
    "WINDOWS",
    "DelimitedFile",
    "TableRow",
    "doubted_names",
    "encoding_by_start",
    "encoding_of",
    "first_sign",
    "json_rows",
    "number",
]
