"""Turns of phrase that affirm or deny as a whole, whatever their words would do one by one.

"Cannot help rising" and "there is no denying" affirm, "stop short of rising" and "conspicuous by its absence"
deny, and "show no sign of life" denies a part that is named without a movement.
"""

from bisect import bisect_left
from functools import lru_cache
from typing import Final

from expllm.grounding.absences import ABSENCES
from expllm.grounding.inaction import INACTION
from expllm.grounding.signs import TABLE, Sign
from expllm.grounding.turn_patterns import EFFECTS, turns_of

_TURNS: Final = [
    *ABSENCES,
    *INACTION,
    *turns_of(
        "through",
        (
            "would should might could i'd we'd you'd one'd",
            r"(?P<affirm_>(?:if|were|had) (?:\S+ ){1,6}?, (?:then )?|if (?:\S+ ){1,6}?(?=(?:one|you|we|i)"
            r"(?: would|'d)))?(?:\S+ ){0,4}?(?P<deny>(?:(?:(?:one|you|we|i) )?(?:would|should|might|could)|"
            r"(?:i|we|you|one)'d) (?:NORMALLY )?(?:BRING|be)) (?:(?!(?:but|yet|because|since|although|though|"
            r"while|whereas|is|are|was|were|has|have|;)(?!\S))\S+ ){1,16}?(?P<affirm>ALAS)(?= [;,]|$)",
        ),
    ),
    *turns_of(
        "",
        ("as", r"BE ABSENT(?: \w+){0,3} , (?P<deny>as (?:is|are|was|were))(?= )"),
        ("both", r"(?P<deny>(?:absence|lack|want) of both) (?:\S+ ){1,8}?(?P<nor>and)(?= )"),
        (
            "vain",
            r"(?P<deny>looks? for|looked for|search for|seek) (?:\S+ ){1,9}?(?P<affirm>(?:, )?(?:and|but) "
            r"(?:you|one|we)(?: \w+|'ll)? (?:look|search|seek)s? in vain)",
        ),
        (
            "beyond past",
            r"(?P<wide>(?:beyond|past) (?:their|its|the|his|her) (?:usual|normal|resting|ordinary|natural|"
            r"habitual) \w+)",
        ),
        ("behind", r"(?P<affirm>(?:may|might|could)(?: well)? (?:be|lie|hide|lurk) behind)"),
        (
            "separates separate separated",
            r"(?P<affirm>separates?|separated) (?:\S+ ){2,9}?(?P<affirm_>from)(?= )",
        ),
        (
            "typical characteristic diagnostic indicative expected",
            r"(?P<affirm>(?:so |normally |usually )?(?:typical|characteristic|diagnostic|indicative|"
            r"expected) (?:of|in|for|with) (?:\w+ ){1,3}?)(?=BE |never |DO not |fails? )",
        ),
        (
            "missing absent lacking wanting",
            r"(?P<affirm>(?:that|which) (?:(?:would|might|could|CAN) )?(?:NORMALLY )?(?:\w+ ){1,5}?)"
            r"(?P<absent>BE (?:\w+ly )?(?:missing|absent|lacking|wanting))(?= [;,]|$)",
        ),
    ),
    *turns_of(
        "",
        (
            "from",
            r"(?<!nothing )(?P<affirm>keeps?|kept|prevents?|prevented|stops?|stopped|holds?|held|restrains?|"
            r"restrained|hinders?|hindered) (?=the|his|her|their|its|"
            r"both)(?:\w+ ){2,6}(?P<deny>from) (?=\w+ing)",
        ),
        (
            "untrue false mistaken wrong incorrect unfounded error true hold stand so",
            r"(?P<deny>(?:(?:the|an?|any|every) )?(?:claim|report|statement|suggestion|idea|notion|assertion|"
            r"impression) (?:that|of)|(?:whoever|anyone who|anybody who|those who) (?:reports?|sees?|claims?|"
            r"speaks? of|says?|calls?)) .*?(?P<affirm>(?:is|are|was|were|CAN be) (?:untrue|false|mistaken|"
            r"wrong|"
            r"incorrect|unfounded|in error|not true|not so)|(?:does|did|do|will|would) not (?:hold|stand))"
            r"(?= [;,]|$)",
        ),
        (
            "not",
            r"(?P<deny>(?:BE )?(?:supposed|expected|meant|about|free|able|invited|asked) to|ought to|could|"
            r"might|"
            r"should) .*?(?P<affirm>(?:[,;] )?(?:but|and|yet|though) (?:they |it )?(?:(?:choose|chooses|"
            r"chose|"
            r"prefer|prefers|preferred|elect|elects|decide|decides) not to|(?:DO|HAVE|is|are|was|were) not)"
            r"(?: do so| so)?)(?= [;]|$)",
        ),
        (
            "like",
            r"(?:cues|signs|features|movements|indicators|expressions|actions|markers|"
            r"signals) (?P<affirm>like)",
        ),
        (
            "none",
            r"(?P<affirm>would (?:be|have been) (?:needed|required|necessary|called for|expected)) "
            r"(?P<absent>, (?:and|but|yet) there (?:is|was) none|, (?:and|but|yet) none (?:is|"
            r"was) \w+)(?= [;,]|$)",
        ),
        (
            "as",
            r"(?P<deny>(?:NOBODY|few|none) CAN(?: ever| fairly)? (?:describe|see|regard|classify)|(?:cannot|"
            r"could not|would not|can't|couldn't|wouldn't) (?:describe|regard|classify)) .{3,40}? "
            r"(?P<affirm>as)(?= (?:being )?\w+)",
        ),
        (
            "as",
            r"(?P<affirm>NOT)(?: \w+){1,3} (?P<lessthan>(?:quite |nearly |half )?(?:as|so) \w+ as) "
            r"(?=(?:the|its|his|her|their) )",
        ),
        (
            "as",
            r"(?P<lessthan>NOT (?:quite |nearly |half |anywhere near )?(?:as|so) \w+ as) "
            r"(?=(?:the|its|his|her|their) (?:left|right|other|fellow|counterpart|twin|neighbour|partner))",
        ),
        (
            "not don't doesn't didn't haven't hasn't isn't aren't wasn't weren't nothing none",
            r"(?P<deny>(?:(?:one|you|we|i|they|it|everyone|the \w+) )?(?:(?:would|might|could|may|had|"
            r"have) )?"
            r"(?:waits? for|waited for|expects?|expected|looks? for|looked for|hopes? for|hoped for|awaits?|"
            r"awaited)) (?:\S+ )+?(?P<affirm>(?:[,;] )?(?:but |yet |though |only )?(?:(?:they |it |this |"
            r"that )?"
            r"(?:(?:DO|HAVE|is|are|was|were|CAN) not|doesn't|don't|didn't|hasn't|haven't|isn't|aren't)"
            r"(?: (?:come|happen|appear|so|do so|oblige|follow|arrive))?|"
            r"(?:nothing|none) (?:comes?|came|happens?|happened|appears?|appeared)))(?= [;]|$)",
        ),
        (
            "but yet though not",
            r"(?P<deny>(?:might|could|would|should)(?: well)? have) .*?(?P<affirm>[,;] (?:but|yet|though) "
            r"(?:they|it|this|that|here they|here it) (?:DO|HAVE|is|are|was|were)(?: not|n't))(?= [;]|$)",
        ),
        (
            "expect expected",
            r"(?P<deny>[,] which (?:one|we|you|i) (?:would|might|could)(?: have)? expect(?:ed)? to) .*?"
            r"(?P<affirm>, (?:DO|HAVE|is|are|was|were) not(?: so| do so)?)(?= [;,]|$)",
        ),
        (
            "without leaves leaving",
            r"(?P<only>without (?:the|its) (?:left|right)(?: one| side)?|"
            r"(?:leaves|leaving|left) the (?:left|right)(?: one| side)? behind)(?= [;,]|$)",
        ),
        (
            "without none nothing any",
            r"(?P<only>(?:without any|(?:with|but|and) (?:none|nothing)) (?:on|at|in|to) "
            r"the (?:left|right)(?: side)?)(?= [;,]|$)",
        ),
    ),
    *turns_of(
        "affirm",
        ("help", r"(?:can ?not|can't|could not|couldn't) help(?: but)?"),
        ("but", r"(?:cannot|could not|can do no other than|can do nothing) but"),
        (
            "denying mistaking doubting overlooking missing ignoring escaping hiding disputing getting "
            "disguising concealing",
            r"no (?:denying|mistaking|doubting|overlooking|missing|ignoring|escaping|hiding|disputing|"
            r"disguising|concealing|getting (?:around|past|away from))(?: that| the fact that)?",
        ),
        (
            "doubt question",
            r"(?:no|without(?: a| any)?|beyond|little) (?:doubt|question)(?: that| about)?"
            r"(?! of)",
        ),
        (
            "nobody no nothing none",
            r"(?:NOBODY|nothing|none) CAN (?:ever |possibly )?(?:SHIRK|help but)(?: to)?(?: see| notice)?",
        ),
        (
            "not never cannot can't couldn't hardly",
            r"(?:cannot|can not|can't|could not|couldn't|can hardly|could hardly|can never|could never) be "
            r"HIDDEN",
        ),
        (
            "not never cannot don't doesn't didn't can't couldn't won't",
            r"(?:(?:DO|CAN|HAVE) )?NOT (?:once |even |ever )?(?:SHIRK(?:s|d|ed|es)?|denied|forgotten|denies)"
            r"(?: to| from)?(?: notice| see)?",
        ),
        (
            "nothing no",
            r"(?:nothing|no \w+) (?:(?:can|could|would|will) )?(?:hide|hides|hid|conceal|conceals|mask|masks|"
            r"obscures?|covers?|prevents?|prevented|stops?|stopped|hinders?|hindered|hampers?|checks|"
            r"restrains?|restrained|disguises?|spoils?|holds? back|held back|stands? in the way of)",
        ),
        ("keeps kept keep", r"nothing (?:keeps|kept|can keep)(?= (?:\w+ ){1,6}from \w+ing)"),
        (
            "not",
            r"(?:hard|difficult|impossible|not easy) (?:not )?to "
            r"(?:deny|miss|overlook|ignore|mistake|hide|conceal|doubt)",
        ),
        ("hard difficult impossible", r"(?:hard|difficult|impossible) not to (?:see|notice|observe|find)?"),
        (
            "impossible hard difficult",
            r"(?:impossible|hard|difficult) to (?:deny|miss|overlook|ignore|mistake|"
            r"hide|conceal|doubt)",
        ),
        ("without", r"not (?:entirely |wholly |quite |altogether )?without(?: (?:reason|cause|effort))?"),
        (
            "exaggeration coincidence accident surprise wonder secret",
            r"(?:no|without|not an?) (?:exaggeration|coincidence|accident|surprise|wonder|secret)"
            r"(?: (?:to (?:say|claim|state))?(?: that)?)?",
        ),
        (
            "unnoticed unseen unremarked notice attention undetected unobserved",
            r"NOT (?:go|goes|pass|passes|escape|remain|went|stay) (?:unnoticed|unseen|unremarked|unobserved|"
            r"notice|the eye|attention|undetected)",
        ),
        (
            "matter sooner less other short",
            r"no matter|no less(?: than)?|nothing (?:less|short) (?:than|of)|"
            r"none other than|no other than|no sooner",
        ),
        ("reason", r"for no (?:\w+ )?reason"),
        ("mind", r"never mind"),
        ("wanting", r"wanting(?= to )"),
        ("about", r"nothing (?:at all )?(?!about)\w+ about(?= (?:the|his|her|their|its|this|that) )"),
        (
            "needs takes requires need take require",
            r"(?:needs?|takes?|requires?|needed|took) no (?:\w+ ){1,3}to SPOT(?: that)?|(?:NOT|no) (?:need|"
            r"take|"
            r"require|have) (?:\w+ ){0,4}to SPOT(?: that)?|need not (?:\w+ ){1,3}to SPOT(?: that)?|"
            r"NOT need to",
        ),
        ("nothing", r"not for nothing|nothing if not|if nothing else"),
        ("not never", r"(?:not|never) to be HIDDEN"),
        ("alone", r"NOT (?:come|stand|act|work|go|remain) alone"),
        ("fails fail failed", r"(?:never|rarely|seldom) fail(?:s|ed)?(?: to)?"),
        (
            "expect expected think look hope",
            r"(?:that|which) (?:one|we|you|i) (?:(?:would|might|could|may)(?: have)? )?"
            r"(?:expect(?:ed)?|look(?:ed)? for|hope(?:d)? for|think(?: of)?)(?: to see| here| now)?(?! to)",
        ),
        ("expected anticipated", r"(?<=the )(?:expected|anticipated)|(?<=an )expected|(?<=any )expected"),
    ),
    *turns_of(
        "marked",
        ("about", r"(?:nothing|not|hardly) (?:at all )?WEAK(?: \w+)? about(?: IT)?"),
        (
            "miss overlook overlooked missed ignore ignored denied hide hidden",
            r"too \w+ to (?:be )?(?:miss|overlook|overlooked|missed|ignore|ignored|denied|hide|hidden)",
        ),
    ),
    *turns_of(
        "strong",
        (
            "capable muster",
            r"(?P<strong>with (?:all|every)) (?:\w+ ){1,7}(?P<affirm>(?:is|are) capable of|(?:can|"
            r"could) muster)",
        ),
        ("very", r"very very(?: \w+)?"),
        (
            "more clearer plainer any",
            r"(?:could|can) (?:not|hardly|scarcely)(?: possibly)? (?:be|have been) "
            r"(?:any |much )?(?:more(?: (?:\w+ly|obvious|plain|evident|pronounced|marked))?|clearer|plainer)",
        ),
        (
            "couldn't can't",
            r"(?:couldn't|can't)(?: possibly)? (?:be|have been) (?:any |much )?"
            r"(?:more(?: (?:\w+ly|obvious|plain|evident|pronounced|marked))?|clearer|plainer)",
        ),
    ),
    *turns_of(
        "minimal",
        (
            "too",
            r"too LESSER to (?:be )?(?:see|seen|measured?|notice|noticed|count|counted|mention|matter|"
            r"speak of|called anything|mentioned|remarked)",
        ),
    ),
    *turns_of(
        "deny",
        (
            "no little slightest least",
            r"(?:(?:show|shows|showed|make|makes|made|give|gives|gave|feel|feels|felt|HAVE|with|see|sees|saw|"
            r"find|finds|found|BE in) )?(?:no|little|not the (?:slightest|least)|without (?:any|the least)) "
            r"(?:\w+ )?WILL (?:to|of|for|in)",
        ),
        (
            "resist resists resisted resisting overcome overcomes withstand withstands ignore ignores",
            r"(?:resist|resists|resisted|resisting|overcome|overcomes|withstand|withstands|ignore|ignores)"
            r"(?: \w+)? (?:urge|temptation|impulse|desire|call|invitation|wish|inclination|tendency|pull) to",
        ),
        (
            "from",
            r"(?:hold|holds|held|holding|keep|keeps|kept|keeping)(?: itself| themselves| himself| herself)?"
            r"(?: back)? from (?=\w+ing)|(?:prevented|barred|hindered|restrained|stopped|kept|excused|saved|"
            r"exempted|shies? away|shied away|desists?|desisted|recoils?|shrinks?|forbears?) from",
        ),
        (
            "short",
            r"(?:(?:stop|stops|stopped|stopping|fall|falls|fell|falling) )?(?:well |just |far |a little )?"
            r"short of (?=(?:being |an? |any )?\w+(?:ing|ed|en)|an? |any )",
        ),
        (
            "way far miles worlds leagues",
            r"(?:a (?:long|good|fair|great) way|far|miles|worlds|leagues|light years)(?: away| off|,)? from "
            r"(?=(?:being |ever )?\w+(?:ing|ed|en|wn)\b)",
        ),
        ("nowhere anywhere", r"nowhere (?:near|close to)|NOT anywhere (?:near|close to)|NOT even close to"),
        (
            "called described said termed considered labelled labeled taken spoken mistaken counted regarded "
            "classed accused",
            r"(?:CAN (?:hardly|scarcely|not|never|barely)|cannot|can't|couldn't|wouldn't)"
            r"(?: ever| fairly| honestly| reasonably| really)? be CALLED",
        ),
        (
            "nobody no one few none",
            r"(?:NOBODY|few|few people|none) CAN(?: ever| want to| dare to)? "
            r"(?:CALL|accuse|find|notice|mistake|believe)(?: that)?",
        ),
        (
            "mistake error wrong false incorrect inaccurate misleading exaggeration lie untrue absurd far "
            "unfair "
            "much misnomer",
            r"(?:CAN be|is|was|makes it) WRONG to CALL(?: that)?|^to CALL(?= .*? (?:CAN be|is|was) WRONG)|"
            r"(?:is|was) (?:wrong|untrue|false|incorrect) that",
        ),
        (
            "nothing",
            r"nothing (?:resembling|like|approaching|akin to|close to|in the nature of|in the way of|"
            r"remotely like|even resembling|amounting to|worthy of the name of|that CAN (?:be CALLED|"
            r"pass for|"
            r"count as|resemble|amount to))(?: an?| any)?",
        ),
        ("everything anything", r"DO (?:everything|anything) (?:but|except|save|other than)"),
        ("too", r"too (?!much|little|far)\w+ to (?!be\b|the\b|say\b|tell\b|see\b)(?=\w+)"),
        (
            "way sense angle light moment point",
            r"(?:there (?:is|was) )?(?:in )?no (?:way|sense|angle|light|moment|point) (?:in|at|from) which|"
            r"there (?:is|was) no (?:way|sense|angle|light|moment|point) (?:that|where|when)",
        ),
        (
            "where",
            r"where (?:one|you|we|i|people) (?:(?:would|might|could) )?(?:(?:normally|usually) )?(?:expect|"
            r"expects|expected|look for|looked for|anticipated?|hoped for)(?: to (?:see|find))?",
        ),
        ("gone vanished lost", r"^(?:gone|vanished|lost) (?:is|are|was|were)"),
        ("little", r"little (?:evidence|sign|trace|indication|hint|suggestion) (?:of|that)"),
        ("better", r"knows? better than to|knew better than to"),
        (
            "dream hear bothered",
            r"(?:would )?NOT (?:dream|hear|think) of|(?:cannot|could not|can't) be bothered to",
        ),
        ("not never", r"(?:not|never) , [^,]{3,40} ,"),
    ),
    *turns_of(
        "absent",
        (
            "absence",
            r"(?:BE )?(?:conspicuous|notable|remarkable|striking|marked|noticeable|distinguished) "
            r"(?:by|for|in|through) (?:its|their|an|the)(?: \w+)? absence",
        ),
        (
            "none absent nil not never negative zero nothing missing no",
            r"(?:[:,;(\u2014\u2013] |\( )(?:none|absent|nil|negative|zero|missing|not|no|nowhere|"
            r"(?:not|never) (?:to be )?SEEN|none (?:SEEN|at all)|(?:entirely|wholly|completely) absent)"
            r"(?: at all| here| today| throughout| everywhere| bilaterally| on (?:both|either) sides?)?"
            r"(?: \))?(?= [;,]|$)",
        ),
        (
            "?",
            r"\? (?:no|never|none|not (?:at all|really|in the least|here|once)|(?:they|it) (?:DO|HAVE|is|"
            r"are|was|"
            r"were) not|nothing of the (?:kind|sort)|hardly|by no means|far from it|quiet|still|silent|"
            r"inactive|idle|slack|relaxed|at rest|calm)(?: too| as well| also)?(?= [;,?]|$)",
        ),
        (
            "reach reaches extend extends spread spreads touch touches reached",
            r"(?:never|DO not|(?:do|does|did)n't|fails? to|failed to) (?:quite |even )?(?:reach(?:es|ed)?|"
            r"extends?(?: to)?|spreads?(?: to)?|touch(?:es)?)(?! (?:to )?(?:the|his|her|their) (?:left |"
            r"right )?eyes?)"
            r"(?! (?:each|one))",
        ),
        (
            "materialize materialise materializes materialises come arrive develop emerge form happen "
            "happens occur occurs",
            r"(?:never|DO not|(?:do|does|did)n't|fails? to|failed to) (?:quite |fully |ever )?"
            r"(?:materiali[sz]es?|comes?|arrives?|develops?|emerges?|forms?|happens?|occurs?)(?: off)?"
            r"(?= [;:,]|$)",
        ),
        ("unsuccessful fruitless futile", r"BE (?:unsuccessful|fruitless|futile)(?= [;,]|$)"),
        ("by", r"by no (?!means\b)\w+(?= [;,]|$)"),
        ("negative nil zero", r"BE (?:negative|nil|zero|null)(?= [;,]|$)"),
        (
            "vain avail success unsuccessfully fruitlessly",
            r"in vain(?! for)|to no avail|without (?:any )?success|"
            r"unsuccessfully|fruitlessly",
        ),
    ),
    *turns_of(
        "affirm",  # behind the denials, which say more
        (
            "called described said termed considered labelled labeled taken spoken counted regarded classed",
            r"CAN (?:fairly |honestly |reasonably |truly |rightly |well )?be CALLED",
        ),
    ),
    *turns_of(
        "idle",
        (
            "part role share place hand say business stake voice",
            r"(?:play|plays|played|HAVE|take|takes|took|claim|claims) no (?:\w+ )?(?:part|role|share|place|"
            r"hand|"
            r"say|business|stake|voice)(?: (?:in|at) IT)?",
        ),
        (
            "nothing",
            r"(?:(?:HAVE|with) )?nothing (?:at all )?(?:to (?:add|report|say|do with IT|offer|contribute|"
            r"show)(?! that)|"
            r"going on|doing)",
        ),
        (
            "nothing",
            r"(?:contribute|contributes|contributed|add|adds|added|betray|betrays|betrayed|give|gives|gave|"
            r"offer|"
            r"offers|reveal|reveals|shows?|say|says|said|yield|yields|reports?|lends?|registers?|do|does|"
            r"did) "
            r"(?:absolutely |exactly |precisely )?nothing(?: away| at all| whatever| of interest| to IT| "
            r"special| here)?(?! but| other| else| of the)",
        ),
        (
            "out",
            r"KEEP (?:\w+ly )?out of (?:IT|things|play|the game)|"
            r"(?:sit|sits|sat|sitting) (?:this one|this|it) out",
        ),
        (
            "life",
            r"(?:show|shows|showed|give|gives|gave|with|betray|betrays) no (?:sign|signs|hint|"
            r"flicker) of life",
        ),
        (
            "no not nor",
            r"(?:lend|lends|lent|offer|offers|give|gives|gave) no (?:help|support|hand|assistance)",
        ),
    ),
    *turns_of(
        "rest",
        (
            "as the how",
            r"KEEP (?:exactly |just |precisely |quite |very much )?(?:as|the way|how) (?:they|it) "
            r"(?:always |usually |normally |already )?(?:is|are|was|were|(?:has|have|had) (?:always )?been)",
        ),
        (
            "passive blank state indifferent impassive disinterested aloof bystanders spectators",
            r"KEEP (?:\w+ly )?(?:passive|an? blank|blank|in an? (?:neutral|resting|passive) state|"
            r"indifferent|"
            r"impassive|aloof|disinterested|bystanders|spectators|mere (?:bystanders|spectators))",
        ),
        ("quiet calm still", r"all (?:is|was|remains) (?:quiet|calm|still) (?:around|about|in|at|on|over)"),
    ),
    *turns_of(
        "more",
        ("further", r"(?:still|even|yet) further|further (?:still|yet)"),
        ("margin", r"by an? (?:wider|greater|larger|bigger|clear|good|wide|comfortable) margin"),
        ("particular", r"in particular(?= (?:on )?the (?:left|right))"),
    ),
]
_KEYS: Final = frozenset[str]().union(*(turn.keys for turn in _TURNS))


def turned(words: list[str]) -> dict[int, tuple[int, Sign]]:
    """The turns of phrase of a sentence: first word -> how many words, and what they stand for.

    >>> [(first, used) for first, (used, _) in turned("the brows cannot help rising".split()).items()]
    [(2, 2)]
    """
    present = _KEYS.intersection(words)
    return _found(" ".join(words), frozenset(present)) if present else {}


@lru_cache(maxsize=512)
def _found(text: str, present: frozenset[str]) -> dict[int, tuple[int, Sign]]:
    """The same, of words with a space between them; where two turns share words, the first rule wins."""
    starts = [0, *(place + 1 for place, character in enumerate(text) if character == " ")]
    found: dict[int, tuple[int, Sign]] = {}
    taken: set[int] = set()
    for turn in _TURNS:
        if turn.keys.isdisjoint(present):
            continue
        for match in turn.pattern.finditer(text):
            groups = [name for name, value in match.groupdict().items() if value is not None]
            pieces = [(name, *match.span(name)) for name in groups] or [(turn.effect, *match.span())]
            spans = [(effect, *_words_of(starts, first, last)) for effect, first, last in pieces]
            covered = {i for _, first, used in spans for i in range(first, first + used)}
            if covered & taken or not all(used for _, _, used in spans):
                continue
            taken |= covered
            found |= {first: (used, EFFECTS[effect.rstrip("_")]) for effect, first, used in spans}
            if turn.effect == "through":
                found |= _joined_as_denied(text.split(" "), min(covered), max(covered), covered)
    return found


def _joined_as_denied(words: list[str], first: int, last: int, but: set[int]) -> dict[int, tuple[int, Sign]]:
    """ "We would see raised brows *and* a dropped jaw; they are absent": neither the one nor the other."""
    joints = (i for i in range(first, last) if words[i] in ("and", "or") and i not in but)
    return dict.fromkeys(joints, (1, TABLE["nor"]))


def _words_of(starts: list[int], first: int, last: int) -> tuple[int, int]:
    """The first word between two characters, and how many there are."""
    begin, end = bisect_left(starts, first), bisect_left(starts, last)
    return begin, end - begin
