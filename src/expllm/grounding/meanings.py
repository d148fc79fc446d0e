"""Which action a part of the face and a movement make, and what one word alone tells."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from expllm.core.vocabulary import ACTION_UNITS
from expllm.grounding.movements import MOUTH

FACS_ONLY: Final = frozenset(unit.action for unit in ACTION_UNITS if unit.number is None)
"""Actions that FEAFA lacks: most readers of action units do not measure them."""

MEANINGS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = MappingProxyType(
    {
        (key.split("+")[0], key.split("+")[1]): tuple(part.strip() for part in value.split("|"))
        for key, value in {
            "eyes+close": "eye close",
            "eyes+narrow": "eye close | lid tightener",
            "eyes+down": "eye close",
            "eyes+open": "not eye close",
            "eyes+wide": "lid raise",
            "eyes+up": "lid raise | brow raise",
            "eyes+press": "eye close | lid raise | lid tightener",
            "eyes+furrow": "eye close",
            "eyes+wrinkle": "cheek raiser | eye close",
            "eyes+generic": "eye close | lid raise",
            "lids+close": "eye close",
            "lids+narrow": "eye close | lid tightener",
            "lids+down": "eye close",
            "lids+press": "eye close | lid raise | lid tightener",
            "lids+up": "lid raise",
            "lids+open": "not eye close",
            "lids+wide": "lid raise",
            "lids+pull": "lid raise",
            "lids+generic": "eye close | lid raise",
            "brows+up": "brow raise",
            "brows+down": "brow lower",
            "brows+furrow": "brow lower",
            "brows+wrinkle": "brow lower",
            "brows+press": "brow lower",
            "brows+inward": "brow lower",
            "brows+close": "brow lower",
            "brows+narrow": "brow lower",
            "brows+pull": "brow lower | brow raise",
            "brows+generic": "brow lower | brow raise",
            "forehead+furrow": "brow lower | brow raise",
            "forehead+wrinkle": "brow lower | brow raise",
            "forehead+up": "brow raise",
            "jaw+down": "jaw drop",
            "jaw+open": "jaw drop",
            "jaw+wide": "jaw drop",
            "jaw+close": "not jaw drop",
            "jaw+slide": "jaw slide",
            "jaw+thrust": "jaw thrust",
            "jaw+press": "outside:jaw clench",
            "jaw+generic": "jaw drop | jaw slide | jaw thrust",
            "mouth+open": "jaw drop | lower lip depress | upper lip raise | lips part",
            "mouth+wide": "jaw drop | lip corner stretch | lip corner pull",
            "mouth+down": "lip corner depressor | lower lip depress | jaw drop",
            "mouth+up": "lip corner pull | upper lip raise",
            "mouth+curve": "lip corner depressor | lip corner pull",
            "mouth+stretch": "lip corner stretch | lip corner pull",
            "mouth+pull": "lip corner pull | lip corner stretch",
            "mouth+pucker": "lip pucker",
            "mouth+inward": "upper lip suck | lower lip suck | lip pucker",
            "mouth+suck": "upper lip suck | lower lip suck",
            "mouth+retract": "lip corner pull | lip corner stretch | upper lip raise | upper lip suck",
            "mouth+press": "lip pressor",
            "mouth+narrow": "lip tightener",
            "mouth+close": "not jaw drop",
            "mouth+generic": "*mouth",
            "corners+up": "lip corner pull",
            "corners+pull": "lip corner pull",
            "corners+curve": "lip corner depressor | lip corner pull",
            "corners+wide": "lip corner stretch | lip corner pull",
            "corners+stretch": "lip corner stretch",
            "corners+slide": "lip corner stretch",
            "corners+down": "lip corner depressor",
            "corners+press": "dimpler | lip corner stretch",
            "corners+inward": "dimpler",
            "corners+retract": "lip corner pull | lip corner stretch",
            "corners+generic": "lip corner pull | lip corner stretch",
            "upper lip+up": "upper lip raise",
            "upper lip+pull": "upper lip raise",
            "upper lip+curve": "upper lip raise",
            "upper lip+inward": "upper lip suck",
            "upper lip+suck": "upper lip suck",
            "upper lip+retract": "upper lip raise | upper lip suck",
            "upper lip+press": "lip pressor | upper lip suck",
            "upper lip+down": "outside:upper lip down | upper lip suck",
            "upper lip+generic": "upper lip raise | upper lip suck",
            "lower lip+down": "lower lip depress",
            "lower lip+pull": "lower lip depress",
            "lower lip+open": "lower lip depress",
            "lower lip+curve": "lower lip depress",
            "lower lip+inward": "lower lip suck",
            "lower lip+suck": "lower lip suck",
            "lower lip+retract": "lower lip depress | lower lip suck",
            "lower lip+press": "lip pressor | lower lip suck",
            "lower lip+up": "outside:lower lip up | chin raise",
            "lower lip+thrust": "outside:lower lip out | lip pucker | jaw thrust",
            "lower lip+generic": "lower lip depress | lower lip suck",
            "lips+up": "lip corner pull | upper lip raise",
            "lips+down": "lip corner depressor | lower lip depress",
            "lips+open": "jaw drop | lower lip depress | upper lip raise | lips part",
            "lips+wide": "lip corner stretch | lip corner pull",
            "lips+narrow": "lip tightener",
            "lips+close": "not jaw drop",
            "lips+pull": "lip corner pull | lip corner stretch | upper lip raise | lower lip depress",
            "lips+curve": "lip corner depressor | lip corner pull",
            "lips+stretch": "lip corner stretch",
            "lips+slide": "lip corner stretch | outside:lip shift",
            "lips+inward": "upper lip suck | lower lip suck | lip pucker",
            "lips+suck": "upper lip suck | lower lip suck",
            "lips+retract": "lip corner pull | lip corner stretch | upper lip raise | upper lip suck",
            "lips+pucker": "lip pucker",
            "lips+thrust": "lip pucker",
            "lips+puff": "lip pucker | cheeks puff",
            "lips+press": "lip pressor",
            "lips+generic": "*mouth",
            "chin+up": "chin raise",
            "chin+thrust": "chin raise | jaw thrust",
            "chin+wrinkle": "chin raise",
            "chin+press": "chin raise",
            "chin+down": "outside:chin down | jaw drop",
            "chin+generic": "chin raise",
            "cheeks+puff": "cheeks puff",
            "cheeks+up": "cheek raiser",
            "cheeks+press": "outside:cheek tension",
            "cheeks+generic": "cheek raiser | cheeks puff",
            "nose+wrinkle": "nose wrinkle",
            "nose+furrow": "nose wrinkle",
            "nose+up": "nose wrinkle",
            "nose+press": "nose wrinkle",
            "nose+generic": "nose wrinkle",
            "nose+flare": "outside:nostril dilate",
            "nostrils+flare": "outside:nostril dilate",
            "nostrils+wide": "outside:nostril dilate",
            "eye corners+wrinkle": "cheek raiser",
            "eye corners+press": "cheek raiser",
            "eye corners+open": "not eye close",
            "eye corners+generic": "eye close | lid raise | cheek raiser",
        }.items()
    }
)  # fmt: skip
"""(part, movement) -> actions that the words may mean; ``not`` before one: its absence; ``outside:``: a
movement that FEAFA has no unit for; ``*mouth``: any action of `MOUTH`."""

STILL: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "eyes": ("eye close", "lid raise", "lid tightener"),
        "lids": ("eye close", "lid raise", "lid tightener"),
        "brows": ("brow lower", "brow raise"),
        "jaw": ("jaw drop", "jaw slide", "jaw thrust"),
        "mouth": MOUTH,
        "lips": tuple(action for action in MOUTH if action != "jaw drop"),
        "corners": ("lip corner pull", "lip corner stretch", "lip corner depressor"),
        "upper lip": ("upper lip raise", "upper lip suck"),
        "lower lip": ("lower lip depress", "lower lip suck"),
        "chin": ("chin raise",),
        "cheeks": ("cheeks puff", "cheek raiser"),
        "nose": ("nose wrinkle",),
    }
)
"""Part -> the actions that do not take place where it is called still."""

RELAXED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "eyes": ("lid raise",),
        "lids": ("lid raise",),
        "brows": ("brow lower", "brow raise"),
        "forehead": ("brow lower", "brow raise"),
        "jaw": ("jaw thrust", "jaw slide"),
        "corners": ("lip corner pull", "lip corner stretch"),
        "chin": ("chin raise",),
        "cheeks": ("cheeks puff", "cheek raiser"),
        "nose": ("nose wrinkle",),
    }
)
"""Part -> the actions that calling it relaxed denies. Lids that close and a jaw that drops are relaxed too,
and of a mouth the word says nothing that could be checked."""

ACTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        word: actions
        for group, actions in (
            ("smile smiles smiling smiled grin grins grinning smirk smirks smirking", ("lip corner pull",)),
            ("frown frowns frowning frowned scowl scowls scowling", ("lip corner depressor", "brow lower")),
            ("furrow furrows furrowing furrowed", ("brow lower",)),
            ("squint squints squinting squinted", ("eye close", "lid tightener")),
            ("bared", ("upper lip raise", "lower lip depress", "lip corner stretch")),
            ("pucker puckers puckering puckered", ("lip pucker",)),
            (
                "pout pouts pouting",
                ("lip pucker", "chin raise", "lower lip depress", "outside:lower lip out"),
            ),
        )
        for word in group.split()
    }
)
"""Words that tell a movement without the part that moves."""
