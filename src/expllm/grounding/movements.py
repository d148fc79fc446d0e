"""What each part of the face does, by the kinds of `sign_words`; words that tell an action alone."""

from typing import Final

from expllm.grounding.inflections import inflected, phrases


def _meanings(table: dict[str, str]) -> dict[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """Part -> its movements in the order of their precedence, each with the actions that it may be."""
    return {
        part: tuple(
            (kind, tuple(a.strip() for a in actions.split("|")))
            for line in text.split(";")
            for kinds, actions in [line.split("=")]
            for kind in kinds.split()
        )
        for part, text in table.items()
    }


MOVES: Final = _meanings(
    {
        "upper lids": "kept_down=not lid raise; up wide back apart=lid raise; down close furrow narrow=eye "
        "close; open=not eye close; tense=lid tightener; pull=lid raise; still calm generic=eye close | lid "
        "raise; relaxed slack=lid raise",
        "lower lids": "tense press close narrow up inward pull furrow wrinkle puff=lid tightener; relaxed "
        "slack still calm generic=lid tightener | eye close",
        "lids": "kept_down=eye close; up wide back=lid raise; down close furrow press=eye close; narrow "
        "small=eye close | lid tightener; tense=lid tightener; open apart=not eye close; still calm "
        "generic=eye close | lid raise | lid tightener; relaxed slack=lid raise | lid tightener",
        "eyes": "wide=lid raise; close furrow down press=eye close; narrow small=eye close | lid tightener; "
        "tense=lid tightener | eye close; wrinkle=cheek raiser | lid tightener | eye close; open apart=not "
        "eye close; up=lid raise | brow raise; still calm=eye close | lid raise | lid tightener; relaxed=lid "
        "tightener",
        "whites": "show wide up=lid raise",
        "brows": "kept_down=not brow raise; kept_up up arch=brow raise; down furrow press inward tense "
        "wrinkle close narrow=brow lower; still calm generic relaxed slack level smooth=brow lower | brow "
        "raise; curve=brow raise",
        "glabella": "furrow wrinkle press tense show down inward=brow lower; smooth=not brow lower; still "
        "calm generic relaxed=brow lower",
        "forehead": "up=brow raise; wrinkle show=brow raise | brow lower; furrow=brow lower | brow raise; "
        "smooth relaxed still calm=not brow raise; generic=brow raise | brow lower",
        "jaw": "kept_up=not jaw drop; slide=jaw slide; thrust=jaw thrust; down open apart wide gape "
        "loosed=jaw drop; shift=jaw slide; close up=not jaw drop; press tense=outside:jaw clench; still "
        "calm generic level=jaw drop | jaw slide | jaw thrust; relaxed=jaw thrust | jaw slide",
        "mouth": "dimple=dimpler; tight_pucker=lip pucker | lip tightener | lip pressor; pucker thrust=lip "
        "pucker; gape=jaw drop; inverted=lip corner depressor; open apart=lips "
        "part | jaw drop; suck=upper lip suck + lower lip suck; up=lip corner pull; down=lip corner "
        "depressor; stretch=lip corner stretch; curve arch=lip corner depressor | lip corner pull; "
        "thin_press=lip tightener | lip pressor; press=lip pressor; tense narrow=lip tightener; close=not "
        "lips part | not jaw drop; back=lip corner "
        "pull | lip corner stretch; pull=lip corner pull | lip corner stretch; still calm=*mouth; "
        "generic=*mouth; level=lip corner pull | lip corner depressor",
        "corners": "kept_down=not lip corner pull; kept_up up=lip corner pull; down inverted=lip corner "
        "depressor; inward=dimpler; tense=dimpler | lip corner stretch; stretch=lip corner stretch; "
        "back=lip corner pull | lip corner stretch; curve arch=lip corner depressor | lip corner pull; "
        "pull=lip corner pull | lip corner stretch; level still calm generic=lip corner pull | lip corner "
        "stretch | lip corner depressor | dimpler; relaxed slack=lip corner pull | lip corner stretch",
        "upper lip": "kept_down=not upper lip raise; suck=upper lip suck; up=upper lip raise; inward=upper "
        "lip suck; tense=lip tightener; press=lip pressor; curve pull wrinkle=upper lip raise; back=upper "
        "lip raise | upper lip suck; thrust pucker=lip pucker; still calm generic=upper lip raise | upper "
        "lip suck; show=not upper lip suck; apart open=upper lip raise",
        "lower lip": "kept_up=not lower lip depress; suck=lower lip suck; down=lower lip depress; up=chin "
        "raise; tense=lip tightener; inward=lower lip suck; press=lip pressor; curve pull apart open=lower "
        "lip depress; back=lower lip depress | lower lip suck; thrust pucker puff=lip pucker | chin raise; "
        "still calm generic=lower lip depress | lower lip suck; show=not lower lip suck",
        "lips": "dimple=dimpler; tight_pucker=lip pucker | lip tightener | lip pressor; suck=upper lip suck "
        "+ lower lip suck; gape=jaw drop; thin_press=lip tightener | lip pressor; "
        "tense narrow=lip tightener; press=lip pressor; apart open=lips part | jaw drop | lower lip depress "
        "| upper lip raise; pucker thrust=lip "
        "pucker; stretch=lip corner stretch; close=not lips part | not jaw drop; inward=upper lip suck + "
        "lower lip suck; up=lip corner pull | upper lip raise; down=lip corner depressor | lower lip "
        "depress; curve arch=lip corner depressor | lip corner pull; relaxed slack=upper lip suck | lower "
        "lip suck | upper lip raise | lower lip depress | lip pucker | lip tightener | lip pressor; still "
        "calm generic=*mouth",
        "chin": "kept_down=not chin raise; up thrust wrinkle pucker press tense furrow puff inward pull "
        "stretch=chin raise; still calm generic smooth relaxed=chin raise; down=outside:chin down | jaw "
        "drop",
        "cheeks": "dimple=dimpler; puff=cheeks puff; up press furrow wrinkle pull=cheek raiser; "
        "suck=outside:cheek suck; "
        "still calm generic relaxed slack level=cheeks puff | cheek raiser",
        "nose": "wrinkle furrow up press tense pull=nose wrinkle; smooth still calm generic relaxed=nose "
        "wrinkle; flare=outside:nostril dilate",
        "nostrils": "flare wide=outside:nostril dilate",
        "eye corners": "wrinkle furrow show=cheek raiser; smooth=cheek raiser",
        "nasolabial folds": "inward furrow wrinkle show=upper lip raise | lip corner pull; smooth=upper lip "
        "raise",
        "lip gap": "wide open apart up show=lips part | jaw drop; close narrow small=not lips part",
        "upper teeth": "show=upper lip raise",
        "lower teeth": "show=lower lip depress",
        "under eyes": "tense press=lid tightener; wrinkle furrow puff=cheek raiser",
        "upper face": "still generic=eye close | lid raise | brow lower | brow raise | cheek raiser | lid "
        "tightener",
        "lower face": "still generic calm relaxed=*lower face",
        "teeth": "show=upper lip raise | lower lip depress | lip corner pull | jaw drop | lips part; "
        "apart=jaw drop; furrow=not jaw drop",
    }
)
MOUTH: Final = (
    "lip corner pull", "lip corner stretch", "upper lip suck", "lower lip suck", "upper lip raise",
    "lower lip depress", "lip pucker", "jaw drop", "lip corner depressor", "dimpler", "lip tightener",
    "lip pressor", "lips part",
)  # fmt: skip

LOWER_FACE: Final = (*MOUTH, "jaw slide", "jaw thrust", "chin raise", "cheeks puff", "nose wrinkle")

TABLES: Final = {part: dict(moves) for part, moves in MOVES.items()}
NEGATIVE: Final = frozenset("still calm relaxed slack level smooth".split())
"""Kinds that deny the movements named for them."""


def _acts(table: dict[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for actions, text in table.items():
        for phrase in phrases(text):
            for form in inflected(phrase) if phrase.isalpha() else {phrase}:
                found[form] = tuple(a.strip() for a in actions.split("|"))
    return found


_REACHES: Final = ", ".join(
    f"{verb} {whose} eyes"
    for verb in (
        "reach", "reaches", "reached", "reaching", "extend to", "extends to", "extended to", "spread to",
        "spreads to", "climb to", "climbs to", "get to", "gets to", "touch", "touches", "touched",
        "make it to", "makes it to",
    )
    for whose in ("the", "his", "her", "their")
)  # fmt: skip
"""Of smiles: that the cheeks rise with them."""

WHOLE_ACTS: Final = _acts(
    {
        "lip corner pull": "smile, grin, beam, smiley, simper, zygomaticus, zygomatic, zygomaticus "
        "major, zygomatic major, half smile, laugh, smiled at, half a smile, half of a smile, zygomatic "
        "contraction",
        "lip corner pull | dimpler": "smirk",
        "brow lower": "frown, scowl, glower, corrugator, corrugators, corrugator supercilii, procerus",
        "eye close | lid tightener": "squint, screwed up eyes",
        "eye close": "wink, blink, shut eye, shuteye, blepharospasm",
        "jaw drop": "gape, yawn, mouth hangs, slack jawed, slackjawed, open mouthed, openmouthed",
        "lip pucker | chin raise": "pucker",
        "lip pucker": "kiss shape, kiss mouth, kissing mouth, duck face, duck mouth, whistle shape, moue, "
        "kissing shape",
        "lip pucker | chin raise | lower lip depress": "pout",
        "upper lip raise | nose wrinkle": "sneer, snarl, levator labii, levator labii superioris",
        "lip corner stretch | jaw drop | lip corner pull | brow lower | nose wrinkle | eye close | upper lip "
        "raise | cheek raiser": "grimace",
        "lip pressor": "lip upon lip, lip on lip, lip against lip, lip to lip, one lip on the other, one "
        "lip against the other, lip over lip",
        "lips part | upper lip raise | lower lip depress | jaw drop": "dental show, tooth show",
        "lip pressor | lip tightener": "tight lipped, tightlipped, thin lipped, tightly lipped",
        "dimpler": "dimple, dimples, dimpling, dimpled, buccinator",
        "cheek raiser": f"{_REACHES}, crow's feet, crows feet, crow feet, crow feets, crow foot, laugh "
        "lines, crow s "
        "feet, smile lines around the eyes, duchenne, crowsfeet",
        "lip pucker | lip tightener | lip pressor": "orbicularis oris, orbicularis oris muscle",
        "brow raise": "frontalis, frontal muscle, brow lift, browlift",
        "lid tightener": "orbital tightening",
        "cheek raiser | lid tightener | eye close": "orbicularis oculi, orbital orbicularis, orbicularis",
        "lid raise": "scleral show, levator palpebrae, wide eyed, goggle eyed, lid retraction",
        "chin raise": "mentalis",
        "lip corner stretch": "risorius",
        "lip corner depressor": "depressor anguli oris, triangularis",
        "lower lip depress": "depressor labii, depressor labii inferioris",
        "upper lip suck | lower lip suck": "lip biting, lip bite",
    }
)
"""Words that tell an action without the part that moves: expressions, and the muscles of the clinic."""

_AIMLESS: Final = frozenset("pull curve generic show shift".split())


def affirmed_kinds(kinds: list[frozenset[str]], part: str) -> frozenset[str]:
    """All that the words of one movement may tell; "flat" and "straight" are level unless more is said."""
    sure = [k for k in kinds if not ("level" in k and "stretch" in k)]
    everything = frozenset[str]().union(*(sure or kinds))
    if part in ("mouth", "lips"):
        if "open" in everything and everything & {"down", "wide"}:
            everything |= {"gape"}
        if {"press", "tense"} <= everything:
            everything |= {"thin_press"}  # "pressed into a thin line"
        if {"pucker", "tense"} <= everything:
            everything |= {"tight_pucker"}  # "pursed tightly"
        if any({"stretch", "thrust"} <= one for one in kinds):
            everything -= {"thrust"}  # a mouth that extends is no pucker
    return everything if sure else everything - {"stretch"}


def denied_kinds(kinds: list[frozenset[str]], part: str) -> frozenset[str]:
    """Of each word of a denial its first meaning; "not pulled up" denies the way up, not the pull."""
    firsts = [next((kind for kind, _ in MOVES[part] if kind in of), "") for of in kinds]
    aimed = [kind for kind in firsts if kind not in _AIMLESS]
    return frozenset(aimed or firsts)
