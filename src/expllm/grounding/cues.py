"""The small words around a movement: degree, side, comparison, negation, and where interpretation begins."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding.claims import DegreeWord
from expllm.grounding.lexicon import words

_DEGREES: Final[Mapping[DegreeWord, frozenset[str]]] = MappingProxyType(
    {
        DegreeWord.MINIMAL: words(
            "minimal minimally barely negligible hardly scarcely marginal marginally minute "
            "imperceptible low limited little insignificant lowest imperceptibly"
        ),
        DegreeWord.SLIGHT: words(
            "slight slightly subtle subtly mild mildly small gentle gently minor modest modestly soft "
            "softly delicate delicately light lightly faint faintly trace hint weak weakly slighter "
            "subdued bit muted understated"
        ),
        DegreeWord.MODERATE: words(
            "moderate moderately partial partially partly somewhat medium halfway half"
        ),
        DegreeWord.MARKED: words(
            "notable notably significant significantly marked markedly pronounced prominent "
            "prominently considerable considerably substantial substantially distinct distinctly "
            "noticeable noticeably clear clearly obvious evident"
        ),
        DegreeWord.STRONG: words(
            "strong strongly intense intensely very extremely extreme dramatic dramatically deep "
            "deeply fully full tightly completely broad broadly high highly powerful powerfully "
            "exaggerated maximal maximum sharply entirely profoundly heavily heavy firmly robust "
            "robustly vigorous forceful forcefully largely mostly nearly almost"
        ),
    }
)
DEGREE_OF: Final = {word: degree for degree, group in _DEGREES.items() for word in group}

SIDES: Final = {
    "left": Side.LEFT,
    "right": Side.RIGHT,
    "leftward": Side.LEFT,
    "leftwards": Side.LEFT,
    "rightward": Side.RIGHT,
    "rightwards": Side.RIGHT,
}
BOTH: Final = words("both symmetrical symmetrically symmetric bilateral bilaterally symmetry")

MORE: Final = words(
    "more especially particularly notably higher stronger greater mainly predominantly primarily most"
)
LESS: Final = words("less lower weaker lesser milder subtler fainter slighter subdued")

NEGATORS: Final = words(
    "no not without absence lack lacks lacking devoid neither nor never none free void cannot "
    "eliminates eliminating excludes excluding"
)
"""Words that say that what follows is absent."""

NOT_WORDS: Final = words("not never cannot")
ABSENT: Final = words("absent missing nonexistent lacking")
"""Predicates that say that what stands before is absent."""

SEEN: Final = words(
    "present evident observed visible seen detected apparent noted noticeable shown exhibited"
)

SHOWING: Final = words(
    "show shows showing showed display displays displaying exhibit exhibits exhibiting include "
    "includes feature features involve involves present presents have has having indicate indicates "
    "suggest suggests reveal reveals demonstrate demonstrates any sign signs evidence of a an the "
    "express expresses convey conveys appear appears seem seems to be being been is are register "
    "registers"
)
"""What may stand between "not" and the movement that it denies."""

DESCRIBES: Final = words(
    "features includes shows displays exhibits showcases involves presents reveals demonstrates "
    "highlights is are"
)
"""After one of these a sentence speaks of this face again."""

IMPACT: Final = words(
    "overshadow overshadowing overshadows overshadowed detract detracting detracts diminish "
    "diminishing diminishes dominate dominating dominates interfere interfering alter altering alters "
    "undermine undermining undermines disrupt disrupting obscure obscuring eclipse eclipsing outweigh "
    "outweighing outweighs compromise compromising contradict contradicting contradicts conflict "
    "conflicting negate negating affect affecting overpower overpowering influence influencing only "
    "just merely necessarily solely simply mask masking hide hiding reduce reducing change changing "
    "weaken weakening lessen lessening counteract override overriding reach reaches reached distract "
    "distracting doubt less"
)
"""A negator before one of these does not deny the movement named after it."""

HYPOTHETICAL: Final = words(
    "rather instead opposed contrary unlike typically commonly often usually generally frequently "
    "classically associated linked typical characteristic tied common connected related if would could "
    "might can may potential potentially possible possibly expected reminiscent resembling resemble "
    "resembles akin attempt attempts attempting desire urge inclination tendency usual normally "
    "traditionally correlated correlates perhaps other trying hallmark mimic mimics mimicking suppress "
    "conceal symptomatic indicative"
)
"""What follows one of these, up to the next comma or clause, is not said of this face."""

MEANING: Final = words(
    "indicative suggest suggests suggesting suggested suggestive indicate indicates indicating "
    "indicated convey conveys conveying conveyed hint hints hinting hinted signal signals signaling "
    "signalling reflect reflects reflecting reflected imply implies implying express expresses "
    "expressing signify signifies signifying denote denotes denoting communicate communicates "
    "communicating point points pointing represent represents representing evoke evokes evoking "
    "portray portrays portraying depict depicts depicting emphasize emphasizes emphasizing reinforce "
    "reinforces reinforcing enhance enhances enhancing highlight highlights highlighting contribute "
    "contributes contributing create creates creating support supports supporting add adds adding "
    "symbolize symbolizes embody embodies mean means confirm confirms confirming underscore "
    "underscores underscoring giving gives give amplify amplifies amplifying lend lends illustrate "
    "illustrates illustrating introduce introduces complement complements complementing mirror mirrors "
    "counter counters balance balances accentuate accentuates accompany accompanies leading resulting "
    "characterized marked evidenced defined highlighted emphasized supported reinforced accompanied "
    "complemented coupled combined paired enhanced"
)
"""Where a clause turns from what is seen to what it means, or to what goes with it."""

BREAKS: Final = words(
    "while whereas although though but yet however despite meanwhile whilst which that who where when "
    "because since as alongside along plus then"
)
"""Where a new clause begins."""

CARRIES: Final = words("which that but yet and though although then")
"""A clause that begins so may go on about the part named before."""

AMOUNT_NOUNS: Final = words(
    "level levels degree degrees amount amounts of sense value values score scores intensity intensities"
)
"""What may stand between a word of degree and the movement: "low *levels of* tension"."""

GENUINE: Final = words("genuine true overt outright real authentic full wholehearted sincere")

COMPARED: Final = words(
    "higher further farther stronger deeper greater tighter wider broader larger bigger weaker smaller softer"
)
"""What a word of degree before it says how much more of, and not how much: "rises *noticeably higher*"."""

QUALIFIERS: Final = words(
    "positive negative other additional emotional conflicting contradictory opposing further contrasting"
)

LIST_LINKS: Final = words("and or well nor like such including")
COPULAS: Final = words(
    "register registers registering hang hangs hanging look looks looking lie lies is are was were be "
    "being been remain remains remaining remained appear appears appearing appeared stay stays seem "
    "seems keep keeps becomes become show shows showing display displays displaying exhibit exhibits "
    "exhibiting have has having"
)
FILLERS: Final = words(
    "any appearance look posture configuration configurations shape placement one the a an this that "
    "these those his her their its both also s further even quite rather fairly more most less inner "
    "outer overall facial muscle muscles area areas region position positioning positions noticeable "
    "there each either respective combined corresponding upper lower particularly especially "
    "simultaneous simultaneously visible visibly asymmetrical asymmetric uneven symmetrical together "
    "same genuine warm bright playful happy sad joyful cheerful friendly forced fake relaxed-looking "
    "tight wide open"
)
NUMBER_LINKS: Final = words(
    "at of with an a the intensity level value score activation values intensities scores levels is "
    "respectively measured rated registering registers scoring measuring recorded around approximately "
    "about only degree reading by showing"
)
