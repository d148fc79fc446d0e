"""JSON whose lists of numbers stand on one line, so that a change of coefficients can be reviewed."""

import json
import re
from typing import Any


def flat_json(value: Any) -> str:
    """The text, with a line feed at its end."""
    text = json.dumps(value, indent=1)
    return re.sub(r"\[[^\[\]{}\"]*\]", lambda found: " ".join(found[0].split()), text) + "\n"
