"""What words mean: parts of the face, movements, and which action a part and a movement make.

Collected from the texts that the authors of the paper published, with the relatives of each word.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


def words(text: str) -> frozenset[str]:
    """The words of `text`."""
    return frozenset(text.split())


PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        word: part
        for part, group in {
            "lids": "eyelid eyelids lid lids",
            "brows": "eyebrow eyebrows brow brows browed browline",
            "forehead": "forehead foreheads",
            "eyes": "eye eyes eyed",
            "jaw": "jaw jaws jawed",
            "mouth": "mouth mouthed mouths",
            "corners": "corner corners",
            "lips": "lip lips lipped",
            "chin": "chin chins",
            "cheeks": "cheek cheeks cheeked",
            "nose": "nose nasal",
            "nostrils": "nostril nostrils",
        }.items()
        for word in group.split()
    }
)
"""A single word -> the part of the face; `tags` reads what takes several words."""

MOTIONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "up": words(
            "raise raises raised raising lift lifts lifted lifting elevate elevates elevated elevating "
            "elevation elevations upward upwards upwardly uplift uplifted uplifting uplifts upturn "
            "upturned upturns rise rises rising risen rose arch arched arching arches up upturning "
            "retraction retracted hoisted heightened perked ascend ascends ascending ascent upraised"
        ),
        "down": words(
            "lower lowers lowered lowering lowerings downward downwards downturn downturned downturns "
            "drop drops dropped dropping droop droops drooped drooping droopy depress depresses "
            "depressed depression depressing descend descends descending descent descents sag sagging "
            "sags sagged down downturning downwardly dip dips dipped dipping slack slackened slacken "
            "slackening"
        ),
        "furrow": words(
            "furrow furrowed furrows furrowing knit knits knitted knitting frowning frowned scowl "
            "scowling creased contracted contraction contractions"
        ),
        "close": words(
            "close closes closed closing closure closures shut shuts squint squints squinted squinting "
            "narrow narrows narrowed narrowing blink blinks blinking shutting squeezed squeezing"
        ),
        "open": words(
            "open opens opened opening openings openness agape ajar gaping gape parted part parting"
        ),
        "wide": words("wide widen widens widened widening"),
        "pull": words("pull pulls pulled pulling draw draws drawn drawing tug tugs tugged tugging"),
        "curve": words(
            "curve curves curved curving curvature curl curls curled curling turn turns turned turning"
        ),
        "stretch": words("stretch stretches stretched stretching"),
        "inward": words(
            "suck sucks sucked sucking suction tuck tucks tucked tucking rolled rolling inward inwards "
            "indrawn"
        ),
        "pucker": words("pucker puckers puckered puckering puckers purse pursed purses pursing"),
        "press": words(
            "press presses pressed pressing compress compressed compression tighten tightens tightened "
            "tightening tight tightness tense tensed tension tensions clench clenched clenching bite "
            "bites bitten biting"
        ),
        "puff": words(
            "puff puffs puffed puffing puffiness inflate inflates inflated inflation bulge bulged "
            "bulging"
        ),
        "wrinkle": words(
            "wrinkle wrinkles wrinkled wrinkling scrunch scrunches scrunched scrunching crinkle "
            "crinkles crinkled crinkling crease creases creasing"
        ),
        "flare": words("flare flares flared flaring"),
        "slide": words(
            "slide slides sliding slid shift shifts shifted shifting lateral laterally sideways "
            "sideward deviate deviates deviated deviation leftward leftwards rightward rightwards "
            "outward outwards"
        ),
        "thrust": words(
            "thrust thrusts thrusting thrusted protrude protrudes protruded protruding protrusion jut "
            "juts jutting jutted forward push pushes pushed pushing"
        ),
        "generic": words(
            "movement movements activity activities action actions engagement activation activations "
            "motion motions involvement dynamics engaged active"
        ),
        "relaxed": words("relaxed relaxing relaxation relax relaxes loose"),
        "still": words(
            "still unmoved motionless static unchanged inactive rest resting unengaged inactivity "
            "stillness immobile neutral neutrally"
        ),
    }
)  # fmt: skip
"""Movement -> its words, whatever their form."""

MOTION_OF: Final = {word: motion for motion, group in MOTIONS.items() for word in group}

DIRECTIONS: Final = words(
    "upward upwards upwardly up downward downwards downwardly down inward inwards indrawn outward "
    "outwards leftward leftwards rightward rightwards lateral laterally sideways sideward forward wide "
    "open"
)
"""Words that say where a movement goes: "pulled *down*" is down, not just a pull."""

BARE: Final = words(
    "activation activations tension tensions tense tight tightness depression openness open active "
    "engaged engagement neutral neutrally relaxation relaxed rest wide part turn turns close down up "
    "still heightened action actions activity activities motion dynamics involvement movement "
    "movements contraction draw draws drawing rise rose push pushes pushing shift shifts forward "
    "static compression loose press bite turning uplifting parting rising narrow outward inward drawn"
)
"""Words of everyday or emotional use: a movement only right beside the part that moves."""

ADJECTIVES: Final = words(
    "open wide upward downward upturned downturned tense tight active droopy slack agape lateral "
    "inward inwards indrawn leftward rightward drawn static neutral forward outward still inactive "
    "loose motionless immobile"
)
"""Besides words that end in -ed and -ing: what may stand before the part that moves."""


MEANINGS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = MappingProxyType(
    {
        (key.split("+")[0], key.split("+")[1]): tuple(part.strip() for part in value.split("|"))
        for key, value in {
            "eyes+close": "eye close",
            "eyes+down": "eye close",
            "eyes+open": "not eye close | lid raise",
            "eyes+wide": "lid raise",
            "eyes+up": "lid raise | brow raise",
            "eyes+press": "eye close",
            "eyes+furrow": "eye close",
            "eyes+wrinkle": "eye close | outside:cheek raise",
            "eyes+generic": "eye close | lid raise",
            "lids+close": "eye close",
            "lids+down": "eye close",
            "lids+press": "eye close",
            "lids+up": "lid raise",
            "lids+open": "lid raise | not eye close",
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
            "brows+pull": "brow lower | brow raise",
            "brows+generic": "brow lower | brow raise",
            "forehead+furrow": "brow lower | brow raise",
            "forehead+wrinkle": "brow lower | brow raise",
            "forehead+up": "brow raise",
            "jaw+down": "jaw drop",
            "jaw+open": "jaw drop",
            "jaw+wide": "jaw drop",
            "jaw+slide": "jaw slide",
            "jaw+thrust": "jaw thrust",
            "jaw+press": "outside:jaw clench",
            "jaw+generic": "jaw drop | jaw slide | jaw thrust",
            "mouth+open": "jaw drop | lower lip depress | upper lip raise",
            "mouth+wide": "jaw drop | lip corner stretch | lip corner pull",
            "mouth+down": "outside:lip corner depress | lower lip depress | jaw drop",
            "mouth+up": "lip corner pull | upper lip raise",
            "mouth+curve": "lip corner pull | outside:lip corner depress",
            "mouth+stretch": "lip corner stretch | lip corner pull",
            "mouth+pull": "lip corner pull | lip corner stretch",
            "mouth+pucker": "lip pucker",
            "mouth+inward": "upper lip suck | lower lip suck",
            "mouth+press": "outside:lip press",
            "mouth+close": "not jaw drop",
            "mouth+generic": "*mouth",
            "corners+up": "lip corner pull",
            "corners+pull": "lip corner pull",
            "corners+curve": "lip corner pull | outside:lip corner depress",
            "corners+wide": "lip corner stretch | lip corner pull",
            "corners+stretch": "lip corner stretch",
            "corners+slide": "lip corner stretch",
            "corners+down": "outside:lip corner depress",
            "corners+press": "outside:dimpler",
            "corners+inward": "outside:dimpler",
            "corners+generic": "lip corner pull | lip corner stretch",
            "upper lip+up": "upper lip raise",
            "upper lip+pull": "upper lip raise",
            "upper lip+curve": "upper lip raise",
            "upper lip+inward": "upper lip suck",
            "upper lip+press": "outside:lip press | upper lip suck",
            "upper lip+down": "outside:upper lip down | upper lip suck",
            "upper lip+generic": "upper lip raise | upper lip suck",
            "lower lip+down": "lower lip depress",
            "lower lip+pull": "lower lip depress",
            "lower lip+open": "lower lip depress",
            "lower lip+curve": "lower lip depress",
            "lower lip+inward": "lower lip suck",
            "lower lip+press": "outside:lip press | lower lip suck",
            "lower lip+up": "outside:lower lip up | chin raise",
            "lower lip+thrust": "outside:lower lip out | lip pucker | jaw thrust",
            "lower lip+generic": "lower lip depress | lower lip suck",
            "lips+up": "lip corner pull | upper lip raise",
            "lips+down": "lower lip depress | outside:lip corner depress",
            "lips+open": "jaw drop | lower lip depress | upper lip raise",
            "lips+wide": "lip corner stretch | lip corner pull",
            "lips+close": "not jaw drop",
            "lips+pull": "lip corner pull | lip corner stretch | upper lip raise | lower lip depress",
            "lips+curve": "lip corner pull | outside:lip corner depress",
            "lips+stretch": "lip corner stretch",
            "lips+slide": "lip corner stretch | outside:lip shift",
            "lips+inward": "upper lip suck | lower lip suck",
            "lips+pucker": "lip pucker",
            "lips+thrust": "lip pucker",
            "lips+puff": "lip pucker | cheeks puff",
            "lips+press": "outside:lip press",
            "lips+generic": "*mouth",
            "chin+up": "chin raise",
            "chin+thrust": "chin raise | jaw thrust",
            "chin+wrinkle": "chin raise",
            "chin+press": "chin raise",
            "chin+down": "outside:chin down | jaw drop",
            "chin+generic": "chin raise",
            "cheeks+puff": "cheeks puff",
            "cheeks+up": "outside:cheek raise",
            "cheeks+press": "outside:cheek tension",
            "cheeks+generic": "cheeks puff | outside:cheek raise",
            "nose+wrinkle": "nose wrinkle",
            "nose+furrow": "nose wrinkle",
            "nose+up": "nose wrinkle",
            "nose+press": "nose wrinkle",
            "nose+generic": "nose wrinkle",
            "nose+flare": "outside:nostril dilate",
            "nostrils+flare": "outside:nostril dilate",
            "nostrils+wide": "outside:nostril dilate",
            "eye corners+wrinkle": "outside:cheek raise",
            "eye corners+press": "outside:cheek raise",
        }.items()
    }
)  # fmt: skip
"""(part, movement) -> actions that the words may mean; ``not`` before one: its absence; ``outside:``: a
movement that FEAFA has no unit for; ``*mouth``: any action of `MOUTH`."""

MOUTH: Final = (
    "lip corner pull", "lip corner stretch", "upper lip suck", "lower lip suck", "upper lip raise",
    "lower lip depress", "lip pucker", "jaw drop",
)  # fmt: skip

STILL: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "eyes": ("eye close", "lid raise"),
        "lids": ("eye close", "lid raise"),
        "brows": ("brow lower", "brow raise"),
        "jaw": ("jaw drop", "jaw slide", "jaw thrust"),
        "mouth": MOUTH,
        "lips": MOUTH[:-1],
        "corners": ("lip corner pull", "lip corner stretch"),
        "upper lip": ("upper lip raise", "upper lip suck"),
        "lower lip": ("lower lip depress", "lower lip suck"),
        "chin": ("chin raise",),
        "cheeks": ("cheeks puff",),
        "nose": ("nose wrinkle",),
    }
)
"""Part -> the actions that do not take place where it is called still."""

ACTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        word: actions
        for group, actions in (
            ("smile smiles smiling smiled grin grins grinning smirk smirks smirking", ("lip corner pull",)),
            ("frown frowns frowning frowned scowl scowls scowling", ("brow lower", "outside:mouth frown")),
            ("furrow furrows furrowing furrowed", ("brow lower",)),
            ("squint squints squinting squinted", ("eye close",)),
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
