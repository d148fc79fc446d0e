"""Sentences with gaps for the offline writer; `phrases.say` fills them.

A frame says how things relate and never adds a movement of its own. {m} is a possible meaning, {S} the
movements that speak for the label, {S1} the first of them, {O} those that speak for {e}, another
expression, {T} the first movements told, {np} a movement that is usual in an expression, {r} the runner-up.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from expllm.faces import Expression

E = Expression

TAILS: Final = (
    "suggesting {m}",
    "which can express {m}",
    "a possible sign of {m}",
    "consistent with {m}",
    "which may reflect {m}",
    "hinting at {m}",
)
FAINT_TAILS: Final = ("perhaps a hint of {m}", "possibly a trace of {m}", "which may hint at {m}")
VERBS: Final = (
    "suggests {m}",
    "points to {m}",
    "may stand for {m}",
    "can express {m}",
    "is consistent with {m}",
)
FAINT_VERBS: Final = ("may hint at {m}", "could reflect {m}", "leaves room for {m}")
LINKS: Final = ("In addition, ", "At the same time, ", "Besides, ", "Alongside, ", "")
FIRST: Final = ("Most prominent is {noun}, {tail}", "The clearest movement is {noun}, {tail}")
DOMINANT: Final = (*FIRST, "The face is dominated by {noun}, {tail}", "What stands out is {noun}, {tail}")
PAIRED: Final = (
    "a combination often seen in {e}",
    "two movements that often go together in {e}",
    "a pairing that can express {e}",
    "together often a sign of {e}",
)
LISTS: Final = (
    "to {article} degree, {clauses}",
    "{nouns} [is|are] {adjective}",
    "{adjective} in degree [is|are] {nouns}",
)
SECOND_LIST: Final = "{nouns} [is|are] {adjective}"
NOTHING: Final = (
    "No measured movement stands out",
    "None of the measured movements reaches a visible degree",
    "The measured movements all stay below a visible degree",
    "The features that were measured show no visible movement",
    "No visible movement can be made out among those measured",
)
TRACES: Final = (
    "; at most, there are barely perceptible traces of activity",
    "; what little there is remains barely perceptible",
    ", apart from barely perceptible traces",
)
AT_REST: Final = (
    "{parts} [is|are] at rest",
    "{parts} [stays|stay] relaxed",
    "no movement is seen in {parts}",
    "{parts} [keeps|keep] still",
    "{parts} [shows|show] no activity",
)
NOTHING_MORE: Final = (
    "No other measured movement is visible",
    "Beyond this, nothing measured moves visibly",
    "The other measured movements stay below a visible degree",
    "Nothing else that was measured moves visibly",
)
PARTIAL: Final = (
    "Only part of the face could be measured",
    "The measurements cover only part of the face",
    "Much of the face could not be measured",
)

INTERPRETATIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "unmeasured": (
            "Without measurements, movements can be neither claimed nor ruled out; no emotion can be derived",
            "Neither presence nor absence of a movement is known, so there is no emotional signal to read",
        ),
        "quiet": (
            "Taken together, this stillness carries no emotional signal and speaks for composure",
            "Such an inactive face conveys calm and gives no sign of a particular emotion",
            "With so little activity, no emotion can be read; this suggests a composed state",
            "The lack of movement fits a calm, unengaged state of mind",
            "A face this still speaks for a composed or waiting state rather than for any particular emotion",
        ),
        "unspoken": ("The movements have to be read as a whole",),
        "explained neutral": (
            "{T} [remains|remain] too isolated to carry an emotion; the overall impression is calm",
            "The movements form no pattern of a particular emotion; {T} [fits|fit] a calm state",
            "{T} [is|are] compatible with an unengaged, composed state, without a clear emotional signal",
            "Nothing in {T} adds up to a clear emotion; the face appears composed",
        ),
        "explained many": (
            "Together, {S} form a coherent pattern of {label}",
            "{S} complement each other and fit {label}",
            "The combination of {S} is characteristic of {label}",
            "Seen together, {S} speak for {label}",
            "In combination, {S} create a picture of {label}",
            "{S} occur together, as is usual in {label}",
        ),
        "explained one": (
            "The emotional tone is set by {S}, which [fits|fit] {label}",
            "{S} [speaks|speak] most clearly for {label}",
            "The reading of {label} rests mainly on {S}",
            "{S} [gives|give] the face a tone of {label}",
        ),
        "partial neutral": (
            "{O} could hint at {e}, but no clear emotional pattern emerges",
            "Although {O} [leaves|leave] room for {e}, the movements do not combine into a clear emotion",
            "A trace of {e} may lie in {O}, yet the movements stay too isolated for a firm emotional reading",
        ),
        "partial": (
            "{S} [fits|fit] {label}, although the other movements, above all {O}, would rather suggest {e}",
            "The picture is mixed: {S} can express {label}, whereas {e} is suggested by {O}",
            "While {S} [is|are] compatible with {label}, {e} would be the first reading of {O}",
        ),
        "partial same": (
            "{S} [is|are] compatible with {label}, but would fit {e} at least as well",
            "{S} can express {label}, although such movements are even more typical of {e}",
            "Both {label} and {e} can lie behind {S}; the movements alone would favour {e}",
        ),
        "partial sparse": (
            "{S} [offers|offer] some support for {label}, but the movements as a whole are sparse",
            "Only {S} can be linked to {label}; there is little further evidence in the movements",
            "A link to {label} lies in {S}, yet the evidence from movement is thin",
        ),
        "sparse": (
            "The visible movements are too sparse or unspecific to explain {label}",
            "Measured movement alone gives too little evidence for {label}",
            "What could be measured says too little to account for {label}",
        ),
        "still": (
            "Such stillness alone would suggest a neutral state rather than {label}",
            "From the measurements alone, a neutral reading would be closer than {label}",
            "Nothing measured accounts for {label}; the stillness alone would be read as neutral",
        ),
        "unexplained": (
            "Taken alone, {O} would suggest {e} rather than {label}",
            "The movements point elsewhere: {e} would be the first reading of {O}",
            "By the movements alone, {e} would be closer than {label}, above all because of {O}",
        ),
    }
)
NONE_TYPICAL: Final = (
    "None of the measured movements is typical of {label}",
    "No typical sign of {label} is among the measured movements",
)
WEAKER: Final = (
    "{O} could hint at {e}, but [is|are] weaker and [remains|remain] secondary",
    "A note of {e} may lie in {O}, without changing the picture",
    "{O} [leaves|leave] some room for {e}, though only as a side note",
)
AS_STRONG: Final = (
    "Seen alone, {O} could also suggest {e}, yet the whole favours {label}",
    "{O} might also express {e}, but in this combination {label} is closer",
    "{e} would be another possible reading of {O}",
)
SHARED: Final = (
    "Such movements also occur in {e}",
    "A degree of {e} may be involved, since the same movements occur there",
    "{e} can involve similar movements",
)
USUAL: Final[Mapping[Expression, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        E.HAPPINESS: (("lip corner pull", "upward pull of the lip corners"),),
        E.SADNESS: (("brow lower", "lowering of the brows"), ("chin raise", "raising of the chin")),
        E.SURPRISE: (("brow raise", "raising of the brows"), ("jaw drop", "drop of the jaw")),
        E.FEAR: (
            ("lid raise", "raising of the upper lids"),
            ("lip corner stretch", "stretch of the lip corners"),
        ),
        E.DISGUST: (
            ("nose wrinkle", "wrinkling of the nose"),
            ("upper lip raise", "raising of the upper lip"),
        ),
        E.ANGER: (("brow lower", "lowering of the brows"),),
        E.CONTEMPT: (("lip corner pull", "one-sided pull of a lip corner"),),
    }
)
"""Movements whose absence matters for an expression, with a noun that takes "no" or "the"."""

ABSENCES: Final = (
    "No {np} is seen, which speaks against {r}",
    "The absence of any {np} makes {r} less likely",
    "There is no {np} to suggest {r}",
    "{r} is less likely, as there is no {np}",
)
MISSING: Final = (
    "The {np} usual in {label} is absent",
    "No {np}, as would be usual in {label}, is seen",
    "Notably, there is no {np} to support {label}",
)
CONCLUSIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "unmeasured": (
            "The expression is given as {label}, without support from measured movements",
            "The label {label} stands without evidence from facial movement",
        ),
        "neutral": (
            "The expression is best described as {label}",
            "Overall, the face is {label}",
            "All in all, the expression is judged {label}, as no clear emotion is shown",
            "The most fitting description is a {label} expression",
            "The expression can therefore be called {label}",
        ),
        "clear": (
            "Overall, the expression is one of {label}, carried mainly by {S1}",
            "The movements support a clear reading of {label}, with {S1} as the main evidence",
            "All in all, {label} is the best account of these movements",
            "The expression is therefore best described as {label}, above all because of {S1}",
            "The evidence converges on {label}",
            "Given {S1} above all, {label} is the most fitting label",
        ),
        "subtle": (
            "Overall, the expression is one of restrained {label}, resting on {S1}",
            "A mild form of {label} is the best account of these movements",
            "The expression is best described as mild {label}",
            "In sum, a quiet form of {label} is the most fitting reading",
        ),
        "partial": (
            "On balance, the expression is taken as {label}, even though the movements leave room for doubt",
            "Taken as a whole, the face is read as {label}; the movements support this only in part",
            "The most fitting label is {label}, supported in part by {S1}",
        ),
        "other": (
            "The label {label} rests on the overall impression of the face rather than on these movements",
            "The expression is judged {label} as a whole; the measured movements do not explain this",
            "The face as a whole is read as {label}, although the movements alone do not account for this",
            "The expression is given as {label}; this rests on the whole picture, not on single movements",
        ),
    }
)
TENTATIVE: Final = (
    "The reading as {label} is tentative; {r} remains a plausible alternative",
    "Tentatively, the expression is read as {label}, though {r} cannot be ruled out",
    "The expression is most cautiously described as {label}, with {r} as the nearest alternative",
    "The label {label} is given with reserve, since {r} would also be possible",
)
TENTATIVE_ALONE: Final = (
    "The reading as {label} is tentative",
    "With some reserve, the expression is described as {label}",
)
UNSETTLED: Final = (
    "The measured movements do not settle the question",
    "The movements alone do not decide the matter",
)
