"""Words for parts of the face and for movements.

Collected from the texts that the authors of the paper published, with the relatives of each word.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


def words(text: str) -> frozenset[str]:
    """The words of `text`."""
    return frozenset(text.split())


PART_OF_WORD: Final[Mapping[str, str]] = MappingProxyType(
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
            "shoot shoots cocked quirked raise raises raised raising lift lifts lifted lifting elevate "
            "elevates elevated elevating elevation elevations upward upwards upwardly uplift uplifted "
            "uplifting uplifts upturn upturned upturns rise rises rising risen rose arch arched "
            "arching arches up upturning retraction hoisted heightened perked ascend ascends ascending "
            "ascent upraised"
        ),
        "down": words(
            "lower lowers lowered lowering lowerings downward downwards downturn downturned downturns "
            "drop drops dropped dropping droop droops drooped drooping droopy depress depresses "
            "depressed depression depressing descend descends descending descent descents sag sagging "
            "sags sagged down downturning downwardly dip dips dipped dipping slack slackened slacken "
            "slackening"
        ),
        "retract": words("retract retracts retracted retracting retraction"),
        "furrow": words(
            "furrow furrowed furrows furrowing knit knits knitted knitting frowning frowned scowl "
            "scowling creased contracted contraction contractions"
        ),
        "close": words(
            "close closes closed closing closure closures shut shuts blink blinks blinking shutting "
            "squeezed squeezing"
        ),
        "narrow": words("squint squints squinted squinting narrow narrows narrowed narrowing"),
        "open": words(
            "open opens opened opening openings openness agape ajar gaping gape parted part parting"
        ),
        "wide": words("wide widen widens widened widening"),
        "pull": words("pull pulls pulled pulling draw draws drawn drawing tug tugs tugged tugging"),
        "curve": words(
            "curve curves curved curving curvature curl curls curled curling turn turns turned turning"
        ),
        "stretch": words("stretch stretches stretched stretching"),
        "suck": words("suck sucks sucked sucking suction tuck tucks tucked tucking rolled rolling"),
        "inward": words("inward inwards indrawn"),
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
        "relaxed": words("relaxed relaxing relaxation relax relaxes loose neutral neutrally"),
        "still": words(
            "still unmoved motionless static unchanged inactive rest resting unengaged inactivity "
            "stillness immobile"
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
    "unengaged unmoved motionless unchanged inactive resting inactivity stillness immobile activation "
    "activations tension tensions tense tight tightness depression openness open active engaged "
    "engagement neutral neutrally relaxation relaxed rest wide part turn turns close down up still "
    "heightened action actions activity activities motion dynamics involvement movement movements "
    "contraction draw draws drawing rise rose push pushes pushing shift shifts forward static "
    "compression loose press bite turning uplifting parting rising narrow outward inward drawn"
)
"""Words of everyday or emotional use: a movement only right beside the part that moves."""

ADJECTIVES: Final = words(
    "open wide upward downward upturned downturned tense tight active droopy slack agape lateral "
    "inward inwards indrawn leftward rightward drawn static neutral forward outward still inactive "
    "loose motionless immobile"
)
"""Besides words that end in -ed and -ing: what may stand before the part that moves."""
