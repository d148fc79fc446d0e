"""How much of a movement there is, in words and phrases of any kind."""

from typing import Final

from expllm.grounding.claims import DegreeWord
from expllm.grounding.inflections import phrases

_WORDS: Final = {
    phrase: degree
    for degree, text in {
        DegreeWord.MINIMAL: "minimal, minimally, barely, negligible, negligibly, hardly, scarcely, "
        "marginal, marginally, minute, minutely, imperceptible, imperceptibly, trace, traces, flicker, "
        "hint, whisper, a breath, a hair, hairbreadth, hair's breadth, hairsbreadth, merest, barest, bare "
        "suspicion, suspicion, ghost, shadow, infinitesimal, infinitesimally, almost nothing, next to "
        "nothing, just perceptible, just perceptibly, just visible, hardly visible, barely visible, "
        "barely perceptible, barely perceptibly, slightest, tiniest, tiny, faintest, thinnest of slivers, "
        "sliver, subtlest, millimetre, millimeter, one millimeter, a millimeter, a millimetre, vestige, "
        "suggestion, least bit, incipient, subclinical, minuscule, fraction, a fraction, barest fraction, "
        "ghost of, suggestion of, rumour, rumor, inkling, almost not, nearly not, only just, almost no, "
        "nearly nothing, a hairline, one hair, nearly invisible, almost invisible, a thought, "
        "microscopic, microscopically, vanishingly, glimmer, barely there, threshold, at threshold, "
        "barely discernible, just discernible, whiff, a crumb, crumb, speck, iota, less than a "
        "millimeter, few, ever so faintly, very little, very faint, very faintly, almost unnoticeable, "
        "almost unnoticeably, mere, smallest, least, by a thread, feather, a feather, so little, too "
        "little to, hardly seen, nearly nothing, breath of, just breath, mere breath, shadow of, thought "
        "of, by the thickness of, thickness of a, the thickness of, by a fingernail, by the width of a "
        "hair, the width of a hair, by so little, hardly more than, scarcely more than, little more than "
        "a suggestion, a mere suggestion, no more than a suggestion, no more than a suspicion, no more "
        "than a hint, hardly worth the name, hardly to be seen, hardly noticeable, scarcely noticeable, "
        "barely noticeable, barely detectable, just detectable, scarcely visible, scarcely perceptible, "
        "hardly perceptible, barely at all, hardly at all, scarcely at all, a mere nothing, all but "
        "imperceptible, all but imperceptibly, all but invisible, almost imperceptible, almost "
        "imperceptibly, nearly imperceptible, a grain, an atom, trace amount, minutest, least trace, very "
        "barely, ever so barely, only barely, easy to miss, easily missed, easily overlooked, easy to "
        "overlook, could be missed, might be missed, escapes notice, escape notice, hard to see, hard to "
        "make out, hard to spot, difficult to see, difficult to make out, difficult to spot, difficult to "
        "detect, on close inspection only, only on close inspection, only on closer inspection, one has to "
        "look twice, you have to look twice, you would miss it, at the bottom of the scale, bottom of the "
        "scale, at the very bottom, at the limit of visibility, at the limit of perception, on the edge of "
        "visibility, below notice, under the threshold, not worth mentioning, hardly worth mentioning, "
        "scarcely worth mentioning, more guessed than seen, rather guessed than seen, more felt than seen, "
        "the width of a thread, by a thread, a thread, a whisker, whisker, by a whisker, a pinprick, a "
        "spark, a crumb of, a scrap, scrap, a fraction of an inch, a fraction of a millimetre, a fraction of "
        "a millimeter, half a millimetre, half a millimeter, one millimetre, one or two millimetres, the "
        "least little bit, next to no, so slightly that, so faintly that, so little that, so small that, so "
        "weak that, so weakly that",
        DegreeWord.SLIGHT: "low volume, low force, slight, slightly, subtle, subtly, mild, mildly, small, "
        "gentle, gently, minor, modest, modestly, soft, softly, delicate, delicately, light, lightly, "
        "faint, faintly, weak, weakly, subdued, bit, a bit, a little, a little bit, little bit, muted, "
        "understated, touch, a touch, shade, a shade, trifle, a trifle, tad, a tad, discreet, discreetly, "
        "scant, timid, timidly, shallow, tentative, tentatively, some little, low grade, not much, not "
        "very, not far, not a lot, ever so slightly, somewhat, to a small degree, to a small "
        "extent, small degree, low amplitude, a few millimetres, few millimeter, few millimeters, "
        "mildest, weakish, smallish, low degree, low level, limited, only lightly, only a little, shy, "
        "shyly, slight degree, small way, a small way, a short way, short way, only slightly, sparing, "
        "sparingly, cautious, an inch, inch, inches, notch, a notch, one notch, tinge, low intensity, low "
        "grade, feeble, feebly, inchoate, mildly so, a bit only, little, slightish, economical, quarter, "
        "a quarter, one quarter, thin, lazily, not much of, not much of one, a small amount, a little "
        "way, little way, some few millimetres, just a little, only little, only a bit, just a bit, only "
        "small, a few degrees, a finger's breadth, finger's breadth, by a finger, slightly so, mild "
        "degree, of mild degree, in a small way, a modest amount, a small measure, a light touch, lightly "
        "so, a pinch, a dash, low level of, by a little, by a bit, by a notch, a crack, by a crack, a "
        "chink, a slit, the width of, width of a coin, by the width of, of low intensity, with low "
        "intensity, with little intensity, at low intensity, low end of the scale, lower end of the scale, "
        "low end of the range, lower end of the range, lower end of its range, low end of its range, lower "
        "third of its range, lower third of the scale, on the low side, on the mild side, on the weak side, "
        "on the light side, nothing dramatic, nothing extreme, nothing excessive, nothing much, nothing "
        "exaggerated, no great, no more than slight, no more than slightly, no more than mild, a small step, "
        "one step, a step, a finger, only so far, less than half, under half, not even half, not half, short "
        "of half, a third, one third, a fifth, ten percent, ten per cent, twenty percent, twenty per cent, "
        "in miniature, on a small scale, with restraint, with moderation, with little force, with little "
        "strength, without force, without much force, without strength, without effort, without much effort, "
        "grade 1, grade one, grade 2, grade two, low grade, mild to moderate, slight to moderate, a little "
        "way only, a short distance, small distance",
        DegreeWord.MODERATE: "moderate, moderately, incomplete, incompletely, partial, partially, partly, "
        "medium, halfway, half "
        "way, half, fair, fairly, middling, partway, part way, midway, mid way, middle, medium strength, "
        "middle strength, to some extent, middle way, some way, intermediate, mid range, midrange, half "
        "of its range, moderate extent, medium degree, neither much nor little, fifty percent, about "
        "half, a middle distance, neither timid nor exuberant, to a moderate extent, to a moderate "
        "degree, noticeable but not extreme, not extreme, not full, average, though not full, definite "
        "though not full, half as far, to half, half mast, in the middle, decent, neither a little nor a "
        "lot, not little not much, not too much, normal strength, no more than moderate, neither slight "
        "nor strong, middle amount, middle degree, measured, passable, reasonable, reasonably, mid, "
        "normal way, in between, tolerable, tolerably, half open, halves, mid degree, mid level, neither "
        "faint nor extreme, neither weak nor strong, midpoint, mid point, half closed, half shut, grade "
        "3, half of its way, half of the way, a middling amount, medium amount, mediocre, fair way, a "
        "fair way, neither little nor much, fifty per cent, halfways, about halfway, roughly halfway, "
        "about half as far, half as high, half as low, half the way, half of the distance, half the "
        "distance, half its range, half its travel, mid travel, to a middling degree, a moderate amount, "
        "in moderation, a medium amount, so so, so-so, of moderate intensity, with moderate intensity, with "
        "moderate force, with moderate strength, at moderate intensity, of medium intensity, with medium "
        "force, with average force, middle of the scale, middle of its scale, middle of the range, middle of "
        "its range, middle of their range, mid scale, midscale, centre of the scale, center of the scale, "
        "middle of the road, middle ground, half strength, half force, half height, half speed, half volume, "
        "half power, grade three, grade 3, about as much as usual, halfway there, half way there, halfway "
        "between, somewhere in between, in the middle range, of medium size, of medium strength, of "
        "middling, middling strength, ordinary strength, average strength, of average, of moderate, to a "
        "fair degree, to a fair extent, to a reasonable degree, to a reasonable extent, to a certain degree, "
        "to a certain extent, neither more nor less, not small not big, not big not small, "
        "neither big nor small, neither small nor large, neither small nor big, neither a lot nor a little, "
        "neither hard nor soft, neither low nor high, two fifths, three fifths, forty percent, forty per "
        "cent, sixty percent, sixty per cent",
        DegreeWord.MARKED: "notable, notably, significant, significantly, marked, markedly, pronounced, "
        "prominent, prominently, considerable, considerably, substantial, substantially, distinct, "
        "distinctly, noticeable, noticeably, clear, clearly, obvious, obviously, evident, evidently, "
        "definite, definitely, a good way, good way, well, decidedly, decided, plain, plainly, a good "
        "deal, good deal, appreciable, appreciably, conspicuous, conspicuously, unmistakable, "
        "unmistakably, quite a bit, quite, a lot, really, sizeable, sizable, generous, generously, ample, "
        "amply, good and clear, obviously much, striking, strikingly, quite clearly, quite strongly, "
        "everybody will notice, everybody can see, easy to see, unambiguous, unambiguously, far, much, to "
        "a large extent, to a considerable extent, to a large degree, more than a little, well beyond, "
        "visible from far, from across the room, from across a room, very visible, handsomely, no small, "
        "palpable, palpably, no mistaking, bold, boldly, a long way, long way, nicely, greatly, salient, "
        "brisk, briskly, more than half, three quarters, most of the way, robust, robustly, very clearly, "
        "large, largely, big, a great deal, great deal, a good deal of, to no small degree, no small "
        "amount, to a marked degree, to a notable degree, substantial amount, in no small measure, plain "
        "to see, for all to see, plain for all to see, easily seen, readily apparent, readily visible, "
        "readily seen, to a slit, to slits, to mere slits, to narrow slits, to a crack, to a good extent, "
        "with energy, with much force, with great energy, with much strength, of high intensity, less than "
        "full, not quite full, short of full, a fair bit, rather a lot, very much, far enough to, high "
        "enough to, wide enough to, low enough to, deep enough to, enough to be seen, enough to notice, "
        "upper half of the scale, upper part of the scale, higher end of the scale, on the strong side, on "
        "the high side, on the heavy side, two thirds, three quarters of the way, seventy percent, seventy "
        "per cent, eighty percent, eighty per cent, more than halfway, well past half, past half, beyond "
        "half, well over half, grade 4, grade four, quite some, quite a way, quite some way, quite far, a "
        "considerable amount, a considerable distance, a good distance, a good length, a good inch, a full "
        "inch, a full centimetre, with some force, with considerable force, with energy, energetic, "
        "energetically, with vigour, with vigor, with conviction, with emphasis, with determination, hearty, "
        "heartily, lusty, lustily, lavish, lavishly, rather strong, rather strongly, fairly strong, fairly "
        "strongly, quite strong, pretty strong, pretty strongly, nobody could miss, no one could miss, "
        "impossible to miss, hard to miss, cannot be missed, impossible to overlook, hard to overlook, "
        "cannot be overlooked, beyond doubt, out in the open, for everyone to see, visible at a glance, seen "
        "at a glance, clear as day, plain as day, from a distance, marked degree, moderate to strong, "
        "moderate to marked, above average, well developed, well marked, well defined, well formed",
        DegreeWord.STRONG: "strong, strongly, intense, intensely, very, extremely, extreme, dramatic, "
        "dramatically, deep, deeply, fully, full, completely, complete, powerful, powerfully, "
        "exaggerated, maximal, maximally, maximum, sharply, entirely, profoundly, heavily, heavy, firmly, "
        "vigorous, vigorously, forceful, forcefully, hard, utmost, to the utmost, as far as, as far as it "
        "will go, as far as they will go, as high as, as low as, as wide as, as tight as, as hard as, as "
        "tightly as, wholly, totally, total, utterly, enormous, enormously, huge, hugely, violently, "
        "violent, fierce, fiercely, ferocious, ferociously, to bursting, to the fullest, fullest, with "
        "full force, with a big force, with great force, big force, with force, all the way, to the "
        "limit, to its limit, to their limit, limit, full force, from ear to ear, ear to ear, to the end, "
        "end of its hinge, no more to be had, vastly, explode, tremendous, tremendously, massive, "
        "massively, severe, severely, broadest, tightly shut, vice, top of their excursion, top of its "
        "excursion, with all might, to the maximum, to maximum, wide open, so low, so high, so hard, so "
        "far, so wide, so tightly, so strongly, sealed shut, so much, crushed, with all force, with all "
        "his force, to the last, the full extent, full extent, to its full, whole way, all its might, "
        "with great strength, great strength, strenuous, strenuously, gigantic, exuberant, exuberantly, "
        "emphatic, emphatically, maximally so, to breaking, drastic, drastically, fit to, nearly explode, "
        "to the hilt, to an extreme, overwhelming, overwhelmingly, very strong, very strongly, immense, "
        "immensely, powerfull, as it can, as they can, as can be, as possible, no more possible, like "
        "crazy, end range, end of range, furiously, to excess, hell, for all, with might, every tooth, "
        "whole row, thunderous, clamped, grotesquely, to the full, broadly, broad, sky high, to the "
        "hairline, radically, ruthless, savage, savagely, violence, with all their might, most extreme, "
        "with all, wrenched, cannot go further, into the hairline, reach the hairline, reaches the "
        "hairline, widely, into the hair, with all the strength, with all its strength, with all his "
        "strength, with all her strength, all the strength, with all the force, with all her might, with "
        "all his might, full strength, for all it is worth, for all they are worth, like never, as never, "
        "like mad, very big, really big, nowhere left to, no further to go, could go no further, can go "
        "no further, go no further, until they could go no further, to the fullest extent, to its fullest "
        "extent, to the maximum extent, to the greatest extent, the fullest, as far down as, as far up "
        "as, as much as, so fiercely, so firmly, so fiercely that, with every ounce, every ounce of, with "
        "main force, to the uttermost, uttermost, to the extreme, as if nailed, with abandon, without "
        "reserve, without restraint, in full, at full stretch, full stretch, at full tilt, at its "
        "maximum, at maximum, at their maximum, to the very end, beyond measure, out of all proportion, "
        "completely so, as strongly as, very hard, really hard, terribly, awfully, absolutely, supremely, "
        "most strongly, maximum possible, maximal possible, highest possible, biggest possible, in the "
        "extreme, brutal, brutally, mercilessly, relentlessly, intensively, too much, too far, too hard, too "
        "high, too low, too strong, too strongly, with great intensity, with "
        "intensity, with high intensity, with extreme force, with extreme intensity, at high intensity, hard "
        "enough to, tight enough to, tightly enough to, firmly enough to, strongly enough to, fiercely "
        "enough to, forcefully enough to, top of the scale, top end of the scale, upper end of the scale, "
        "high end of the scale, end of the scale, top of the range, top of its range, upper end of its "
        "range, upper end of the range, limit of its range, end of its range, end of their range, full "
        "range, full travel, end of its travel, off the scale, off the chart, off the charts, to the "
        "ceiling, ceiling, close to the biggest, near the maximum, near maximum, near maximal, close to "
        "maximum, close to maximal, close to the maximum, nearly maximal, almost maximal, nearly maximum, "
        "almost at maximum, at the maximum, maximum amplitude, maximal amplitude, full amplitude, to "
        "bursting point, bursting point, to breaking point, breaking point, to the point of bursting, on the "
        "point of bursting, ready to burst, about to burst, fit to burst, near bursting, close to bursting, "
        "nearly burst, as deeply as, as fully as, as forcefully as, as firmly as, as far back as, as far out "
        "as, as far in as, as far forward as, to capacity, filled to capacity, grade 5, grade five, one "
        "hundred percent, hundred percent, hundred per cent, 100 percent, to a hundred percent, every bit, "
        "every inch, with all the, all the power, with all its power, with full power, full power, full "
        "blast, at full blast, full tilt, flat out, to the last inch, to the last millimetre, to the last "
        "millimeter, to the last degree, to the nth degree, to the bone, to the core, past all measure, "
        "beyond all measure, without measure, excessive, excessively, inordinate, inordinately, outrageous, "
        "outrageously, wildly, wild, colossal, colossally, mighty, mightily, prodigious, prodigiously, "
        "stupendous, formidable, formidably, convulsive, convulsively, white with, white knuckled, turn "
        "white, turns white, turned white, go white, goes white, went white, gone white, till white, until "
        "white, blanched, blanching, till it hurts, until it hurts, almost painfully, painfully, to the "
        "point of pain, no room left, no room for more, nothing left to give, nothing more to give, no more "
        "to give, could not go further, could not go any further, cannot go any further, can not go further, "
        "could not go higher, could not go lower, could not be higher, could not be lower, could not be "
        "wider, could not be tighter, could not be stronger, could hardly be higher, could hardly be lower, "
        "could hardly be wider, could hardly be stronger, could hardly go further, as nature allows, as "
        "anatomy allows, as the bones allow, as the skin allows, as flesh allows, of which it is capable, of "
        "which they are capable, it is capable of, they are capable of",
    }.items()
    for phrase in phrases(text)
}  # fmt: skip

_MORE: Final = {
    DegreeWord.MINIMAL: "precious little, as little, all but nothing, as good as nothing, just about "
    "visible, on the verge of visibility, a mere fraction, the merest fraction, borderline, if only just, "
    "edge of perception, threshold of perception, edge of the visible, so small as to, so slight as to, so "
    "faint as to, narrowest of margins, narrowest margin, slimmest of margins, slimmest margin, narrow "
    "margin",
    DegreeWord.SLIGHT: "meek, meekly, gingerly, smidgen, a smidgen, smidge, a smidge, mite, a mite, "
    "restrained, "
    "restrainedly, tepid, tepidly, demure, demurely, coyly, diffident, diffidently, hesitantly, unobtrusive, "
    "unobtrusively, inconspicuous, inconspicuously, sparse, sparsely, skimpy, skimpily, flimsy, wan, wanly, "
    "tenuous, tenuously, frugally, mutedly, a dab, with the lightest of touches, the lightest of touches, "
    "the lightest touch, a wee bit, a teeny bit, wee, teeny, a small "
    "dose, just enough to be noticed, just enough to notice, just enough to see, just enough to be seen, "
    "enough to be noticed, nothing to speak of, nothing remarkable, without conviction, without much "
    "conviction, without enthusiasm, without much enthusiasm, lightest, gentlest, softest, small margin, "
    "slim margin, not by much, not by a lot, not by far, by no means strong, by no means strongly, by no "
    "means marked, by no means pronounced, by no means large, by no means wide, far from strong, far from "
    "pronounced",
    DegreeWord.MODERATE: "averagely, not overly, not excessively, not unduly, not all the way, not quite all "
    "the way, temperate, temperately, up to a point, to a point, neither here nor there, in due measure",
    DegreeWord.MARKED: "remarkable, remarkably, impressive, impressively, manifest, manifestly, patent, "
    "patently, liberal, liberally, soundly, solid, solidly, stout, stoutly, resolute, resolutely, sturdily, "
    "with gusto, with relish, with zest, with verve, in earnest, good and proper, a whole lot, lots, by a "
    "lot, "
    "by a long way, plenty, in abundance, abundantly, in no uncertain terms, in no uncertain way, no end, "
    "wholeheartedly, whole heartedly, with a will",
    DegreeWord.STRONG: "unreserved, unreservedly, immoderate, immoderately, spectacular, spectacularly, "
    "vehement, vehemently, extraordinary, extraordinarily, unrestrained, unrestrainedly, theatrical, "
    "theatrically, melodramatic, melodramatically, with a vengeance, with everything, with all it has, with "
    "all they have, strongest, flamboyant, flamboyantly, monumental, monumentally, titanic, mammoth, "
    "staggering, staggeringly, astonishing, astonishingly, amazingly, incredible, incredibly, unbelievable, "
    "unbelievably, phenomenal, phenomenally, exceptional, exceptionally, acute, acutely, thoroughly, utter, "
    "sheer, feverishly, frantic, frantically, unsparingly, unstintingly, passionately, with fury, with "
    "ferocity, with violence, with passion, to the roof, through the roof, to the skies, to the sky, like "
    "anything, as never before, beyond recognition, to the point of distortion, to the point of caricature, "
    "to "
    "the point of absurdity, to the point of strain, to the point of trembling, to an absurd degree, to "
    "saturation, at peak intensity, in the highest degree, to the highest degree, to the greatest degree, in "
    "the greatest measure, unbridled, uninhibited, uninhibitedly, unsparing, with all the force, to the very "
    "limit, to their very limit, to its very limit, to the absolute limit, to the absolute maximum, past all "
    "bounds, beyond all bounds, without bounds, without limit, without holding back, holding nothing back, "
    "at their highest, at its highest, at their lowest, at its lowest, at their widest, at its widest, at "
    "their fullest, at its fullest, at their tightest, at its tightest, without any restraint",
}
_QUALITIES: Final = {
    DegreeWord.MINIMAL: "minimal negligible imperceptible infinitesimal trifling",
    DegreeWord.SLIGHT: "slight mild small minor modest low little limited restrained muted subdued faint "
    "weak "
    "gentle light soft scant hesitant timid tentative discreet",
    DegreeWord.MODERATE: "moderate medium average fair middling reasonable certain intermediate",
    DegreeWord.MARKED: "marked considerable substantial significant notable pronounced clear distinct "
    "appreciable sizeable good remarkable striking impressive noticeable obvious large",
    DegreeWord.STRONG: "great tremendous enormous extreme extraordinary immense brute sheer utmost full "
    "maximum "
    "maximal huge massive intense violent strong dramatic fierce exceptional incredible unusual terrific "
    "formidable overwhelming all total maximum",
}
_FRAMES: Final = {
    "with {}": "force vigour vigor energy effort strength intensity might power conviction determination "
    "emphasis enthusiasm commitment pressure",
    "of {}": "intensity strength magnitude degree amplitude extent size",
    "at {}": "intensity strength power force",
    "to a {}": "degree extent",
    "to an {}": "degree extent",
    "in a {}": "way manner fashion degree",
    "in an {}": "way manner fashion degree",
    "by a {}": "amount distance",
    "by an {}": "amount distance",
}
_CHECKED: Final = (
    "strongly strong hard deeply heavily widely high far intensely forcefully vigorously dramatically firmly "
    "tightly powerfully energetically violently much greatly"
).split()
"""After "but not": then there is a little."""


def _framed() -> dict[str, DegreeWord]:
    """ "With *great force*", "to a *moderate extent*": what a quality says of an amount."""
    return {
        f"{frame.format(quality)} {noun}": degree
        for degree, text in _QUALITIES.items()
        for quality in text.split()
        for frame, nouns in _FRAMES.items()
        for noun in nouns.split()
    }


AMOUNTS: Final = {
    **_framed(),
    **{f"{link} not {word}": DegreeWord.SLIGHT for link in ("but", "though", "if") for word in _CHECKED},
    **{phrase: degree for degree, text in _MORE.items() for phrase in phrases(text)},
    **_WORDS,
}
"""A word or phrase -> how much it says."""
