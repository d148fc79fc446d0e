"""Turns of phrase by which something stays away: what was expected, another side, a place to leave."""

from typing import Final

from expllm.grounding.turn_patterns import turns_of

_LOOKS: Final = (
    r"(?:expect(?:s|ed|ing)?|anticipat(?:es?|ed|ing)|predict(?:s|ed|ing)?|await(?:s|ed|ing)?|foresees?|"
    r"(?:look|wait|hope|search|seek|wish)(?:s|es|ed|ing)?(?: out)? for|sought|sought for|counts? on|counted "
    r"on|(?:hope|expect|wish|like|want)(?:s|ed)? to (?:see|find|meet))"
)
_COMES: Final = (
    r"(?:materiali[sz](?:es?|ed)|comes?(?: about| off)?|arrives?|appear(?:s|ed)?|shows?(?: itself| up)?|"
    r"happen(?:s|ed)?|occur(?:s|red)?|develop(?:s|ed)?|emerges?|forms?|follow(?:s|ed)?|arises?|takes? "
    r"(?:place|shape)|turns? up|exists?)"
)
_STAYS_AWAY: Final = (
    rf"(?:(?:never|DO not|(?:do|does|did)n't|fails? to|failed to|has yet to|HAVE not|(?:has|have|had)n't)(?: "
    rf"(?:quite|ever|fully|really|actually|so much as))? {_COMES}|BE (?:\w+ly )?(?:absent|missing|lacking|"
    rf"wanting|nowhere|not|not there|not SEEN|not forthcoming|not to be (?:seen|found)|nowhere to be (?:seen|"
    rf"found)|nowhere in sight)|(?:is|are|was|were)n't(?: there| SEEN| forthcoming)?|stays? away|stayed "
    rf"away)(?: (?:here|at all|today|on this face|in this (?:face|picture|image)))?"
)
_END: Final = r"(?= [;:,]|$)"

_HOME: Final = (
    r"(?:(?:their|its|the|his|her|a) )?(?:(?:usual|normal|customary|ordinary|natural|resting|habitual|"
    r"neutral|everyday|baseline|starting|default|original|accustomed) )*(?:baseline|position|place|state|"
    r"line|level|height|posture|spot|station|post|rest|point|shape|form|contour|width|aperture|neutral|"
    r"neutrality|home)"
)
_LEAVE: Final = (
    rf"(?:(?:leaves?|left|leaving|quits?|abandon(?:s|ed)?|changes?|changed|alters?|altered) {_HOME}|"
    rf"(?:departs?|departed|departing|deviat(?:es?|ed|ing)|stray(?:s|ed|ing)?|mov(?:es?|ed|ing)|drift(?:s|ed|"
    rf"ing)?|shift(?:s|ed|ing)?|differ(?:s|ed|ing)?|wander(?:s|ed|ing)?|budg(?:es?|ed|ing)|stir(?:s|red|"
    rf"ring)?|diverg(?:es?|ed|ing)|com(?:es?|ing)|came|gets?|swerv(?:es?|ed))(?: away| off| out)? (?:from|"
    rf"out of) {_HOME})"
)
_NEVER: Final = (
    r"(?:never|not once|at no (?:point|time)|DO not|(?:do|does|did)n't|HAVE not|(?:has|have|had)n't|CAN not|"
    r"cannot|refuses? to|declines? to)(?: (?:once|ever|even|visibly|noticeably|really|at any point))?"
)

_SHORT_OF: Final = (
    r"(?:(?:never|DO not|(?:do|does|did)n't|cannot|CAN not|fails? to|failed to|HAVE not|(?:has|have|"
    r"had)n't)(?: (?:quite|even|ever|fully|really|actually))? (?:extend(?:s|ed)?(?: over)? (?:to|into|onto)|"
    r"spreads?(?: over)? (?:to|into|onto)|carr(?:y|ies)(?: over)? to|cross(?:es)?(?: over)? (?:to|into)|"
    r"continues? (?:to|into|on)|(?:gets?|goes|go|comes?|runs?|travels?|stretch(?:es)?|makes?) (?:as far as|"
    r"over to|across to|it to)|involves?|includes?|affects?|engages?|takes? in)|BE (?:not|never) (?:carried|"
    r"extended|continued|repeated|shared|taken up|passed on)(?: (?:over|across|on))? (?:to|into|onto|on|by)|"
    r"(?:stops?|stopped|stopping|ends?|ended|halts?)(?: well| just)? (?:short of|before(?: it reaches| "
    r"reaching)?)|BE cut (?:off|short) (?:at|before)|(?:leav(?:es?|ing)|left) out|spar(?:es?|ed|ing)|"
    r"bypass(?:es|ed)?|skips?|skipped|excludes?|omits?|has no counterpart (?:on|at|in)|BE (?:absent|missing) "
    r"(?:from|on|at))"
)
_REACH: Final = (
    r"(?:never|DO not|(?:do|does|did)n't|cannot|CAN not|fails? to|failed to|HAVE not|(?:has|have|had)n't)(?: "
    r"(?:quite|even|ever|fully|really|actually))? (?:reach(?:es|ed)?|touch(?:es|ed)?|get(?:s)? to)"
)
_NONE_OF_IT: Final = (
    r"(?:none|nothing) of (?:it|this|that|which|the \w+) (?:reach(?:es|ed)|extend(?:s|ed)? to|spreads? to|"
    r"gets? to|is (?:seen|found|visible) on)"
)
_HALF: Final = (
    r"(?: (?:hand )?(?:side|half|one|end))?(?: of (?:the|his|her) (?:mouth|face|lips))?(?! (?:one "
    r")?(?:height|level|extent|degree|amount|position|reach|mark|strength|excursion|range))"
)


def _not_on(side: str) -> str:
    """The patterns of what does not get to a side; "short of the left's height" only compares."""
    the = rf"(?:the|its|his|her) {side}"
    untouched = "(?:untouched|alone|out|unmoved|unaffected|aside|at rest|as it is)"
    return (
        rf"{_NONE_OF_IT} {the}(?! (?:eye|lid)){_HALF}|{_SHORT_OF} {the}{_HALF}|{_REACH} {the}(?! (?:eye|"
        rf"lid)){_HALF}|(?:leav(?:es?|ing)|left) {the}{_HALF} {untouched}"
    )


ABSENCES: Final = [
    *turns_of(
        "",
        (
            "never not don't doesn't didn't fails fail failed yet hasn't haven't hadn't absent missing "
            "lacking wanting nowhere isn't aren't wasn't weren't away",
            rf"(?P<affirm>(?:(?:that|which) (?:(?:the|an?) )?(?!be |to |and |the |is )\w+|one|we|you|i|he|"
            rf"she|they|people|anyone|everyone|observers|viewers) (?:(?:would|might|could|should|may|can|"
            rf"had|has|have|is|are|was|were) )*(?:NORMALLY )?{_LOOKS}(?: (?:to (?:see|find)|here|now|in "
            rf"\w+))?) (?P<absent>{_STAYS_AWAY}){_END}",
        ),
        (
            "never not don't doesn't didn't fails fail failed isn't aren't nowhere",
            rf"(?P<affirm>(?:that|which) \w+ (?:calls? for|requires?|demands?|brings?|involves?|needs?|"
            rf"entails?|wants?)) (?P<absent>{_STAYS_AWAY}){_END}",
        ),
        (
            "expected anticipated predicted awaited usual typical",
            rf"(?P<affirm>, (?:though|although|while|however|if)(?: \w+ly)? (?:expected|anticipated|"
            rf"predicted|awaited|usual|typical|common)(?: (?:here|in \w+))? ,) "
            rf"(?P<absent>{_STAYS_AWAY}){_END}",
        ),
        (
            "would should might could",
            rf"(?P<affirm>(?:that|which) (?:\S+ ){{0,4}}?(?:would|should|might|could) (?:NORMALLY "
            rf")?(?:BRING|be (?:there|here|seen|present|expected|typical(?: of \w+)?|usual(?: in \w+)?)|"
            rf"accompany \w+|go with \w+|have been (?:there|here|expected))) (?P<absent>{_STAYS_AWAY}){_END}",
        ),
        (
            "expected anticipated predicted awaited",
            rf"(?P<affirm>(?:was|is|were|are|would (?:be|have been)|might (?:be|have been)) (?:to be "
            rf")?(?:expected|anticipated|predicted|awaited)(?: (?:here|in \w+))?) (?P<absent>(?:[,;] (?:but "
            rf"|yet |and |though |only )?|(?:but|yet|and|though|only) )(?:(?:(?:it|they|this|that|these|the "
            rf"\w+) )?{_STAYS_AWAY}|there (?:is|was) (?:none|nothing)|(?:none|nothing of the (?:kind|sort)|"
            rf"no sign of (?:it|one|them)) (?:{_COMES}|is|are|was|were|can be|CAN be)(?: SEEN| to be "
            rf"(?:seen|found))?)){_END}",
        ),
    ),
    *turns_of(
        "lessthan",
        (
            "short",
            r"(?:stops?|stopped|falls?|fell|ends?|ended) (?:well |just )?short of(?= (?:the|its) (?:left|"
            r"right|other)(?: one)? (?:height|level|extent|degree|position|reach|mark|excursion|range))",
        ),
    ),
    *turns_of("absent", ("left", r"HAVE left (?:the|his|her|their|this) (?:face|features|mouth|lips)")),
    *turns_of("onlyright", ("left", _not_on("left"))),
    *turns_of("onlyleft", ("right", _not_on("right"))),
    *turns_of(
        "rest",
        (
            "where",
            r"(?:KEEP|rests?|rested) (?:exactly |just |precisely )?where (?:they|it) (?:always |usually |"
            r"normally |ordinarily |habitually |already )?(?:sits?|rests?|hangs?|lies?|lie|stands?|is|are|"
            r"was|were|belongs?)",
        ),
        (
            "never not no cannot don't doesn't didn't hasn't haven't hadn't can't refuses refuse",
            rf"{_NEVER} {_LEAVE}",
        ),
        (
            "no without",
            rf"(?:(?:show|shows|showed|showing|makes?|made|with|HAVE|there (?:is|was)) )?(?:no|without(?: "
            rf"any)?) (?:\w+ )?(?:departure|deviation|change|displacement|shift|difference|excursion)s?(?: "
            rf"away)? from {_HOME}",
        ),
    ),
    *turns_of(
        "stir",
        (
            "leave leaves left leaving quit quits abandon abandons abandoned departs depart departed "
            "departing deviate deviates deviated move moves moved drift drifts drifted stray strays strayed "
            "from",
            _LEAVE,
        ),
    ),
]
"""Turns of phrase that say more than the denials in them; they go first."""
