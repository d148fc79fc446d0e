"""Action units that another tool measured: read its table, so that any AU source can feed ExpLLM.

Formats are told apart by what is in the file, never by its name:

* the JSON, JSON Lines, CSV and Parquet that `expllm` itself writes, in each of its column sets;
* released ExpLLM JSON: a list of ``{"file_name", "emo", "au": [24 numbers], "description"}``;
* JSON Lines with named units: ``{"id", "aus": {"Left Eye Close": 0.03, ...}}`` (absent means 0);
* OpenFace 2: ``AU01_r`` ... on a scale of 0-5, no sides;
* OpenFace 3: ``action_units``, a list of eight, or columns ``AU1`` ..., from 0 to 1, no sides;
* py-feat ``Fex``: ``AU01`` ... from 0 to 1, no sides;
* LibreFace: ``au_1_intensity`` ... on a scale of 0-5, no sides;
* blendshapes of ARKit, Live Link Face and MediaPipe: ``EyeBlinkLeft`` ..., raw scores, read by this
  package's own calibration.

A FACS tool that does not tell the sides apart gives both sides the same reading. Units that the table does
not have are not measured. FACS unit 11, which has no unit here, is left out, and
so is the mere presence of a unit (``AU28_c``, ``au_10``), which says nothing of its intensity.

A row that is wrong somewhere becomes an `error` row and costs no other: where one number is out of place, the
others are not to be trusted. An empty cell and a word such as NA cost their unit alone: it was not measured.
"""

from expllm.faces.au_tables.facs import OPENFACE_FULL_SCALE, from_facs, to_facs, unit_columns
from expllm.faces.au_tables.layouts import AURow, TableFormat, format_of
from expllm.faces.au_tables.table_reader import au_rows, read_au_table

__all__ = [
    "OPENFACE_FULL_SCALE",
    "AURow",
    "TableFormat",
    "au_rows",
    "format_of",
    "from_facs",
    "read_au_table",
    "to_facs",
    "unit_columns",
]
