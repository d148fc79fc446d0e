"""Turns of phrase by which a part does nothing: "slept through it", "might as well be nailed down"."""

from typing import Final

from expllm.grounding.turn_patterns import turns_of

_NEUTRAL: Final = (
    r"(?:in|at)(?: (?:its|their|the|his|her|a|an|that))?(?: usual| own| habitual)? (?:neutral|resting|"
    r"baseline|default|ordinary|everyday)(?: (?:position|place|state|pose|posture|shape|form|line|level|"
    r"setting))?|in neutral|in repose"
)
_FIXED: Final = (
    r"(?:nailed|glued|pinned|bolted|screwed|taped|carved|painted|cast|set|made|cut|hewn|frozen|riveted|"
    r"stapled|drawn on|tied|stuck|cemented|moulded|molded|modelled|modeled|stitched|sewn)"
)
_STUFF: Final = r"(?:stone|wood|wax|marble|clay|plaster|porcelain|plastic|iron|lead|granite|cardboard|paint)"
_ASKED: Final = r"(?:anything|a thing|any part|so much as a \w+)"

INACTION: Final = [
    *turns_of(
        "",
        (
            "absent missing lacking gone vanished wanting",
            r"^(?P<deny>(?:also |equally |likewise |conspicuously |notably |entirely |wholly )*(?:absent|"
            r"missing|lacking|gone|vanished|wanting)(?: (?:from|in|on|of)(?: \w+){1,4}?)? (?:is|are|was|"
            r"were))(?: (?:\S+ ){1,8}?(?P<nor>and|or))?(?= )",
        ),
        (
            "would might could should",
            r"(?P<affirm>(?:that|which) (?:\S+ ){1,4}?(?:would|might|could|should) (?:have )?(?:NORMALLY "
            r")?\w+"
            r"(?: \w+)?) (?P<absent>BE (?:\w+ly )?(?:absent|missing|lacking|wanting|gone|nowhere|not there|"
            r"not SEEN|(?:not|never|nowhere) to be (?:found|seen|had)))(?= (?:in|on|from|here|anywhere|"
            r"[;:,.])|$)",
        ),
        (
            "never don't didn't not",
            r"(?P<deny>what (?:i|we|you|one|he|she|the \w+) (?:never|(?:do|did|could|can)(?:n't| not)) "
            r"(?:once |ever |quite )?(?:got|get|saw|see|find|found|capture|captured|catch|caught|met|meet|"
            r"elicit|elicited|observe|observed|record|recorded|obtain|obtained)(?: \S+){0,10}? (?:was|is|"
            r"were|are))(?= (?:an?|the|any) )",
        ),
    ),
    *turns_of(
        "deny",
        ("neg", r"neg(?: \.)? for"),
        (
            "miss missed",
            r"(?:i|we|you|one)(?: rather| still| really)? miss(?:ed)?(?= (?:the|any|that|his|her) )",
        ),
        ("because", r"(?:and |but )?not because(?: of)?(?= (?:the|an?|his|her|its|their|any) )"),
        (
            "couldn't can't cannot not",
            r"(?:(?:can|could) ?not|can't|couldn't) (?:find|see|make out|detect|discern|spot|locate|elicit|"
            r"identify|observe)(?: any| an?)?",
        ),
    ),
    *turns_of(
        "absent",
        (
            "gone",
            r"(?:is|are|was|were|has|have) (?:now |long |entirely |quite |completely )?gone(?= [;:,.]|"
            r"$)",
        ),
        (
            "found seen",
            r"BE (?:\w+ly )?(?:not|never|nowhere) to be (?:found|seen|had|detected)(?: (?:in|on) (?:this|the|"
            r"that) \w+)?",
        ),
        ("wanting", r"BE (?:\w+ly )?wanting(?= [;,.]|$)"),
        (
            "left",
            r"HAVE (?:quite |now |long )?left (?:the|his|her|their|this|your|my|those|these) (?:face|"
            r"features|mouth|lips|brows?|eyes?|forehead)",
        ),
    ),
    *turns_of(
        "idle",
        (
            "nothing",
            r"(?:give|gives|gave|offer|offers|offered|tell|tells|told|show|shows|showed|grant|grants) "
            r"(?:me|us|you) (?:absolutely |exactly |precisely )?nothing(?: at all| away| whatever)?",
        ),
        ("bothered", r"(?:(?:can|could) ?not|can't|couldn't) be bothered(?= [;,.?]|$)"),
        (
            "slept sleeps sleep sleeping dozed dozes dozing",
            r"(?:(?:has|have) )?(?:slept|sleeps?|sleeping|dozed|dozes|dozing) through"
            r"(?: (?:it|this|that)(?: all)?| (?:the|his|her)(?: whole| entire)? \w+)?",
        ),
        (
            "follow",
            r"(?:(?:do|does|did)(?:n't| not)|never|refuses? to|refused to|fails? to|(?:HAVE )?failed to|"
            r"decline[sd]? to|HAVE not) follow(?:ed)?(?= [;:,.]|$)",
        ),
        (
            "go goes join joins follow come comes went take takes keep",
            r"(?:(?:do|does|did|would)(?:n't| not)|never|refuses? to|refused to|fails? to|failed to|"
            r"decline[sd]? to) (?:go|follow|join|come|went|keep pace)(?: along)? (?:with (?:it|them|that|"
            r"this|the \w+)|in|"
            r"along|suit)(?= [;,.]|$)",
        ),
    ),
    *turns_of(
        "break",  # "no frown *accompanies* the smile": what it would accompany is there
        (
            "accompanies accompany",
            r"(?:no|neither|nothing) (?:\S+ ){1,7}?(?P<break>accompan(?:ies|y))(?= (?:the|his|her|this|"
            r"that) )",
        ),
    ),
    *turns_of(
        "rest",
        (
            "where",
            r"KEEP (?:\w+ly |just |right )?where (?:they|it) would (?:be |sit |lie |stand )?(?:at rest|"
            r"normally be|be (?:at rest|in a neutral face)|in a neutral face|otherwise be)",
        ),
        (
            "as",
            rf"(?:may|might|could) (?:just )?as well (?:be|have been) (?:{_FIXED}(?: (?:down|shut|on|in|up|"
            rf"of|out of|from|to)(?: \w+)?)?|(?:of )?{_STUFF})",
        ),
        (
            "as",
            r"as (?:quiet|still|silent|motionless|inert|dead|immobile|unmoving|idle) as (?:an? |the )?\w+",
        ),
        ("neutral resting baseline default repose ordinary everyday", _NEUTRAL),
        (
            "untouched unaffected unmoved",
            r"(?P<rest>(?:(?:look|looks|appear|appears|seem|seems|KEEP) )?(?:\w+ly )?(?:untouched|unaffected|"
            r"unmoved)) (?P<break>by)(?= )",
        ),
        ("duty", r"(?:quite |entirely )?off duty"),
        ("out", r"(?:stays?|stayed|keeps?|kept|remains?|remained) out(?= [;:,.]|$)"),
        ("action play", r"out of (?:action|play)"),
    ),
    *turns_of(
        "stir",
        ("motion", r"in (?:any )?motion"),
        (
            "contributing adding doing showing offering contribute contributes add adds do does show shows "
            "offer offers",
            rf"(?:contribut(?:ing|es?)|add(?:ing|s)?|do(?:ing|es)?|show(?:ing|s)?|offer(?:ing|s)?) {_ASKED}",
        ),
    ),
]
"""Turns of phrase that say of a part that it does nothing, or of a movement that it is not there."""
