"""What the cards of all exports say in the same words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

WHAT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "jsonl": (
            "JSON Lines, one record a line with everything that is known of it. `image` "
            "says where the picture was."
        ),
        "parquet": (
            "Parquet, one record a row, with a column for each of the 31 action units. An "
            "empty cell there was not measured. `image_path` says where the picture was."
        ),
        "hf": (
            "Parquet under `data/`, one record a row, the pictures inside, with a column "
            "for each of the 31 action units. An empty cell there was not measured. "
            "`datasets.load_dataset(FOLDER)` reads it."
        ),
        "llava": (
            "LLaVA's conversations in `conversations.json`, pictures under `images/` "
            "(this folder is the image folder). Each is a talk of two rounds, the "
            "explanation and then the label."
        ),
        "trl": (
            "Parquet under `data/`: `messages`, in whose first turn a part stands for the picture, and "
            "`images` with that picture, as TRL's trainers take them. Each is a talk of two rounds, the "
            "explanation and then the label. `datasets.load_dataset(FOLDER)` reads it."
        ),
        "messages": (
            "JSON Lines of `messages`, as chat models are trained on them. The face is "
            "not shown: its action units are told. The first answer is the explanation, "
            "the second one the label."
        ),
        "released": (
            "The format of the authors' published texts: file name, label, action units, "
            "text. `NaN` (in JSON Lines `null`) marks a unit that was not measured."
        ),
    }
)
"""Format -> what a reader finds."""

VERIFIED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rules": "by a rule-based audit against the action units",
        "llm": "by the writer itself, asked for a verdict",
        "both": "by a rule-based audit against the action units, and then by the writer, asked for a verdict",
    }
)
"""`--verify` -> who verified."""

LIMITS: Final = (
    "The audit reads wordings, not meanings: it misses what it does not know. No person "
    "has read all of these texts."
)

TOLD: Final = (
    "Where the label had to be told, the text explains a label that the action units "
    "alone did not suggest to the writer."
)

RIGHTS: Final = (
    "The texts describe measurements of photographs of people. All rights in the source "
    "data set and all conditions of its owners stay, also for what is made from it: pass "
    "pictures on only where they allow it. What a language model wrote may be bound by "
    "its provider's terms. Nobody has cleared this data set for you.\n\n"
    "In the European Union, Article 5(1)(f) of the AI Act prohibits inferring emotions of "
    "people at the workplace and in education, except for medical or safety reasons; "
    "emotion recognition elsewhere is a high-risk use. A label names what annotators saw "
    "in a picture. It does not say what a person felt."
)
