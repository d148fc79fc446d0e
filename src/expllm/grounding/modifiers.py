"""Words around a movement, in any wording: on which side, where more, denied, only supposed."""

from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding.inflections import phrases

SIDE_WORDS: Final = {
    "od": Side.RIGHT,
    "os": Side.LEFT,
    **dict.fromkeys(
        phrases("l, lt, left, leftward, leftwards, left sided, leftside, left hand, sinister, leftmost"),
        Side.LEFT,
    ),
    **dict.fromkeys(
        phrases("r, rt, right, rightward, rightwards, right sided, rightside, right hand, rightmost"),
        Side.RIGHT,
    ),
}
BOTH_WORDS: Final = frozenset(
    phrases(
        "both, ou, bilateral, bilaterally, symmetric, symmetrical, symmetrically, each, two, pair, "
        "alike, either side, both sides, two sides, the one and the other, on this side and on that "
        "side, left and right, right and left, equally, evenly, in unison, in tandem, the two of "
        "them, every, left as well as right"
    )
)
OTHER_WORDS: Final = frozenset(
    phrases(
        "other, other one, fellow, counterpart, twin, opposite, contralateral, contralaterally, partner, "
        "sister, brother, neighbour, neighbor, mate, companion, opposite number, its match, the second, "
        "latter, other side, opposite side, rest of the pair, colleague, contra lateral, sibling, its "
        "pair, second one, other half, opposite half, its neighbour, its neighbor, the far side, far "
        "side, the one opposite, its fellow, its mirror image, mirror image, its double"
    )
)
ONLY_WORDS: Final = frozenset(
    phrases(
        "nothing else, no other, and no other, only, solely, alone, just, exclusively, nothing but, no "
        "other than, none but, one sided, onesided, unilateral, unilaterally, on one side, one side, "
        "single, lone, by itself, on its own, half a smile, half smile, hemifacial, single handed, "
        "lopsided, hemi, purely, merely, confined to, limited to, restricted to, isolated, one and only, "
        "unaccompanied, solitary, solo, half of a smile, just one, only one, unaided, without its fellow, "
        "nowhere else, nothing else from, and nothing else, independently of, independent of, without the "
        "other, without its neighbour, without its neighbor, without its twin, without its counterpart, "
        "without its partner, began and ended, begins and ends, starts and ends, started and ended, kept "
        "to, keeps to, keep to, confines itself to, confined itself to, confine themselves to, limits "
        "itself to, restricts itself to, ends at the midline, does not cross the midline, stopping at the "
        "midline, stops at the midline, alone of the pair, alone of the two, alone of both, alone among "
        "them, reserved for, exclusive to, peculiar to, the sole, by its own, on just one side, a single, "
        "entirely on, all on, wholly on, lives on, lived on, lives only on, only in, only at, only on"
    )
)
"""Words that keep a movement to one side; ``one-sided`` among them leave open which."""

ONE_SIDED: Final = frozenset(
    phrases(
        "just one, only one, one sided, onesided, unilateral, unilaterally, on one side, half smile, "
        "half a smile, hemifacial, hemi, half of a smile, one half"
    )
)
"""Those that say by themselves that one side moves."""

MORE_WORDS: Final = frozenset(
    phrases(
        "accentuated, accentuation, accentuate, more, more white, more of the white, the more, more so, "
        "higher, further, farther, stronger, deeper, greater, harder, tighter, wider, steeper, fuller, "
        "bigger, larger, broader, longer, sharper, leading, leads, lead, led, dominates, dominating, "
        "dominant, dominate, predominates, predominating, predominant, wins, winner, ahead, ahead of, "
        "outdoes, outstrips, outpaces, exceeds, exceeding, surpasses, surpassing, outruns, "
        "outweighs, beats, especially, particularly, notably, mainly, predominantly, primarily, chiefly, "
        "above all, first place, to a greater extent, to a greater degree, more strongly, heavier, "
        "fiercer, firmer, nearer, closer, thicker, shorter, narrower, better, outshines, overtakes, "
        "outdistances, "
        "twice, bolder, greater degree, greater extent, more on, bias, biased, favoring, favouring, "
        "favors, favours, in favor of, in favour of, weighted, heavier, upper hand, head start, in front, "
        "in the lead, taking the lead, lion's share, takes the lead, overshadows, larger share, "
        "more pronounced, more marked, "
        "extra, bests, pulls ahead, goes one better, one better, darker, stiffer, tauter, taller, "
        "rounder, plumper, double, greatest, strongest, outperform, advantage, dominance, predominance, "
        "preponderance, louder, prevails, prevailing, further along, lower, outranks, outmatches, "
        "upstages, outreaches, quicker, hardest, outclimbs, overreaches, emphasis, accent, prominence, "
        "outgoing, exceed, surpass, outdo, outpace, beat, win, highest, largest, deepest, farthest, "
        "furthest, widest, leftmore, richer, brighter, bulk, better share, bunchier, crinklier, does "
        "more, most of the work, most of it, in earnest, more clear, more visible, outpull, more "
        "complete, more fully, more deeply, more tightly, more firmly, more clearly, outdistanced, "
        "outstripped, outpaced, outdid, surpassed, exceeded, overtook, overtaken, overtaking, won, wins "
        "out, gets further, got further, goes further, went further, reaches further, reached further, "
        "takes the larger part, does the heavier work, bears the brunt, the brunt, steals a march, gains "
        "on, has the edge, the edge, has the better of it, the better of, way out in front, well in "
        "front, well ahead, a length ahead, in excess, with more conviction, with more will, with more "
        "force, with greater force, with greater effect, more forcefully, more vigorously, more "
        "decidedly, more emphatically, more intensely, more intense, more extreme, more exaggerated, more "
        "obvious, more noticeable, more prominent, more extensive, larger excursion, greater excursion, "
        "favored, favoured, pulls harder, works harder, labours more, tops, topped, topping, overshoots, "
        "eclipses, most of all, most of the, more of it, more of the, the bulk, bulk of, greater part, the "
        "better part, bigger part, larger part, main part, main share, bigger share, greater share, the "
        "larger portion, greater portion, bulk of it, the heavier load, the heavier end, the better half, "
        "the bigger half, the larger half, the bigger bite, better of the, better of it, the best of it, the "
        "best of, the more of, a step ahead, one step ahead, a step further, one step further, an inch "
        "further, a nose ahead, by a nose, a head taller, first in line, sets the pace, set the pace, makes "
        "the running, does most, did most, doing most, carries most, carried most, takes most, took most, "
        "bears most, bore most, pays most, paid most, contributes most, with the greater, with the larger, "
        "with the stronger, with the bigger, has the start of, has the lead, had the lead, with a lead, in "
        "advance, in advance of, in excess of, over and above, top dog, the stronger partner, senior "
        "partner, the senior, the elder, takes precedence, takes first place, in first place, holds first "
        "place, comes first, came first, first prize, plays first fiddle, plays the larger part, plays the "
        "main part, does the lion's share, heavier share, keener, keenest, earlier, bolder, braver, "
        "livelier, busier, harder working, more ambitious, ambitious, zealous, eager"
    )
)
LESS_WORDS: Final = frozenset(
    phrases(
        "less, less so, weaker, lesser, milder, subtler, fainter, slighter, smaller, shallower, softer, "
        "feebler, lags, lagging, lag, trails, trailing, trail, follows behind, lags behind, trails "
        "behind, to a lesser extent, to a lesser degree, lesser extent, lesser degree, not so strong, not "
        "as strong, not so, not as, not so much, not as much, gentler, looser, lighter, least, half as "
        "much, half as far, not to the same extent, not quite as, falls short, limps, less strongly, "
        "hangs back, poorer, lazier, junior, reluctant, reluctantly, half heartedly, second place, not "
        "equally, second, not quite, brings up the rear, slower, after it, after a fashion, more modest, "
        "more modestly, more timid, more timidly, more faintly, more weakly, more shyly, more slightly, "
        "more feebly, more shallow, only half, plays second fiddle, lagged, trailed, more gently, more "
        "mildly, more subtly, less conviction, with less conviction, with less will, with less force, "
        "less forcefully, less fully, less completely, less marked, less pronounced, less prominent, less "
        "intense, less intensely, less noticeable, less extreme, less extensive, less obvious, half the "
        "height, half the distance, lagged behind, trailed behind, fell short, falls behind, fell behind, "
        "fallen behind, comes second, came second, a poor second, gives up sooner, stops sooner, stops "
        "short, stopped short, does not get as far, gets less far, not as far, not so far, not as high, "
        "not so high, not as low, not as much as, not as strongly, not as tightly, not as fully, not so "
        "fully, lingers, lingers behind, dawdles, drags behind, more reluctantly, more hesitantly, more "
        "cautiously, a lesser part, smaller part, the smaller part, the lesser part, smaller share, the "
        "smaller share, lesser share, junior partner, the junior, the younger, a step behind, one step "
        "behind, an inch behind, in second place, follows suit less, follows at a distance, follows less, "
        "followed less, falls behind, cannot keep up, could not keep up, can not keep up, does not keep up, "
        "did not keep up, does not keep pace, cannot keep pace, fails to keep up, fails to keep pace, not "
        "keeping up, not keep up, not keep pace, unable to keep up, does not quite follow, not to the same "
        "degree, not to the same height, only half as much, only half as far, only half the, a fraction of "
        "that, outdone by, outdone, beaten by, exceeded by, surpassed by, outstripped by, outweighed by, "
        "eclipsed by, overshadowed by, led by, the poorer, the poor relation, poor relation, makes do with "
        "less, contents itself with less, is content with less, does less, did less, doing less, goes less "
        "far, went less far, not go as far, not go so far, not come as far, not reach as far, not as much "
        "on, lower share"
    )
)

NO_WORDS: Final = frozenset(
    phrases(
        "no, not, no signs of, no signs, no hints of, no traces of, without, nothing happens, nothing "
        "happened, nothing whatever happens, nothing happens "
        "to, absence, loss of, failure of, lack, lacks, lacking, lacked, devoid, neither, nor, never, none, "
        "free of, free "
        "from, cannot, nothing, nobody, no one, nowhere, hardly any, scarcely any, barely any, fails, "
        "fail, failed, failing, refuse, refuses, refused, refusing, far from, anything but, absent, "
        "missing, lost, instead of, in place of, zero, nil, unable, spared, untouched, exempt, untouched "
        "by, innocent of, void of, bare of, empty of, sans, minus, refrain, refrains, abstains, abstain, "
        "abstained, resist, resists, resisted, avoid, avoids, does without, stops short of, wanting, "
        "nothing whatever, little if any, want of, denied, deny, forgo, forgoes, unaccompanied by, no "
        "trace of, no sign of, not a, not one, not any, no hint of, no evidence of, no trace, no sign, no "
        "hint, no evidence, not for a moment, at no point, by no means, in no way, nothing like, "
        "neglects, neglect, omits, omit, skips, withheld, dispense with, dispenses with, ruled out, rule "
        "out, excluded, out of the question, nothing of, don't, doesn't, didn't, isn't, aren't, wasn't, "
        "weren't, hasn't, haven't, hadn't, won't, can't, couldn't, wouldn't, negative for, nonexistent, "
        "non existent, unseen, dont, doesnt, didnt, isnt, arent, unresponsive, rather than, shuns, "
        "forsakes, outside of this face, refused to, declined to, stays away, stay away, kept away, "
        "withhold, withholds, innocent, stranger to, forbears, not in the least, absent from, omitted, "
        "unwilling, declining to, refusing to, failing to, neglecting to, disdaining to, omitting to, "
        "forbearing to, forgotten to, forgot, hasn, missed, misses, exempted, missing from, not the "
        "smallest, "
        "not the least, not the slightest, not the faintest, would not, not so much as, forgotten how to, "
        "forgets how to, forgot how to, has yet to, have yet to, had yet to, yet to, would be wrong to "
        "call, would be wrong to say, would be wrong to speak of, would be wrong to describe, wrong to "
        "call, wrong to speak of, cannot be called, cannot be said to, never once, not once, not even, "
        "not for an instant, does nothing of the kind, not the ghost of, not a hint of, not a trace of, "
        "not a sign of, not a suspicion of, shows no, show no, show none of, showing no, makes no, make "
        "no, made no, gives no, give no, knows no, know no, knew no, has no, have no, had no, clear of, "
        "clean of, relieved of, robbed of, stripped of, emptied of, drained of, bereft of, deprived of, "
        "hardly a, scarcely a, next to no, little or no, too little to speak of, disdains to, disdained "
        "to, scorns to, scorned to, would rather not, will not, had not the heart to, cannot bring itself "
        "to, cannot bring themselves to, spares, sparing the, spared the, exempt from, immune to, deaf "
        "to, untroubled by, unvisited by, undisturbed by, unmarked by, unbroken by, unmoved by, unruffled "
        "by, silent on the matter of, none of, nor does, nor do, nor is, nor are, nor did, nor has, no "
        "longer, not any longer, no more than before, not scored, not coded, not seen, not present, not "
        "observed, not noted, not "
        "detected, not evident, not apparent, not visible, not appreciated, not elicited, not identified, "
        "not demonstrable, not discernible, cannot be seen, cannot be found, could not be found, could "
        "not be seen, could not be elicited, could not be detected, could not be observed, can not be "
        "seen, is nowhere, are nowhere, nowhere to be seen, nowhere to be found, not to be seen, not to "
        "be found, not in evidence, lacks any, lack any, would not so much as, will not so much as, could "
        "not so much as, i exclude, we exclude, can be excluded, could be excluded, is excluded, are "
        "excluded, i deny, excludes, rules out, rule out, ruling out, precludes, preclude, "
        "declines to, decline to, no evidence that, no sign that, no indication "
        "that, no indication of, no suggestion that, no suggestion of, nothing to suggest that, nothing to "
        "show that, nothing to indicate that, nothing indicates that, nothing suggests that, not the case "
        "that, not true that, cannot be said that, just as little, just as little that, no question that, in "
        "vain for, without so much as, with not so much as, "
        "without as much as, without even, is lost, are lost, was lost, were lost, has been lost, has gone "
        "missing, is missing, are missing, gone missing, is wanting, are wanting, nothing to see of, nothing "
        "to be seen of, nothing is seen of, nothing can be seen of, no question of, there is no question of, "
        "not a question of, leaves no, leave no, bears no, bear no, bore no, carries no, carry no, "
        "carried no, holds no, hold no, held no, wears no, wear no, wore no, betrays no, betray no, betrayed "
        "no, reveals no, reveal no, revealed no, exhibits no, exhibit no, exhibited no, displays no, display "
        "no, displayed no, presents no, present no, presented no, finds no, find no, found no, sees no, see "
        "no, saw no, detects no, detect no, detected no, observes no, observe no, observed no, notes no, "
        "noted no, "
        "has none, have none, had none, shows none, show none, showed none, showed no, shown no, without "
        "any, without a, without the least, without the slightest, without a trace of, without a hint of, "
        "without a sign of, empty of any, cleared of, rid of, purged of, wiped of, wiped clean of, swept "
        "clean of, at no time, on no account, under no circumstances"
    )
)
"""Words that deny the movement that they are said of, before or after it."""

SUPPOSED_WORDS: Final = frozenset(
    phrases(
        "would call for, calls for, called for, call for, have called for, would have called for, would, "
        "could, might, if, asked to, told to, instructed to, attempt "
        "to, trying to, tries to, try to, unless, as if, as though, should, had she, had he, had it, "
        "were she, were he, whether, had they, imagine, suppose, supposing, were the, had the, "
        "were there, had there, expected, waiting for, one would, about to, as happens "
        "when, when someone, like someone, look of someone, look of one who, as one does, manner of, as in, "
        "in anger, in surprise, in fear, in disgust, in contempt, "
        "unlike, would be, in order to, ready to, tempted to, want to, wants to, wish to, wanted to, "
        "hypothetically, as when, threatens to, threaten to, threatening to, on the verge of, on the "
        "point of, compared to, compared with, as it would, able to, capable of, need to, needs to, "
        "wishes to, let alone, much less, verge, cf, potential, potentially, possible, reminiscent of, "
        "resembling, resembles, resemble, akin to, attempt at, desire to, urge to, inclination to, "
        "tendency to, suppress, suppressed, suppressing, conceal, conceals, mimic, mimics, mimicking, "
        "distinguishes, distinguish, distinguishing, distinguished from, differentiates, differentiate, "
        "differentiating, contrary to, different from, differs from, differ from, confused with, mistaken "
        "for, in contrast to, by contrast with, so as to, thought of, "
        "thinks of, remembered, remembers, remembering, recalled, recalls, imagined, imagines, imagining, "
        "dreamed of, dreams of, hoped, hopes for, hoping for, feared, asked for, begged for, promised to, "
        "prelude to, preparing to, prepares to, prepared to, soon to, might be expected to, would have "
        "expected, as it might, in hopes of, in the hope of, waiting to, waits to, longing to, yearning "
        "to, meant to, had meant to, supposed to, in readiness to, likely to, liable to, may yet, on the "
        "brink of, on the edge of, not far from"
    )
)
"""What follows in the same clause is only supposed."""

GENERAL_WORDS: Final = frozenset(
    phrases(
        "when somebody, when someone, somebody, psychologists, regarded as, belong to, belongs to, long "
        "debated, said my, common in, found with, seen in, known from, usual in, as usual in, as usual "
        "with, as usual for, as is usual in, typically, usually, "
        "often, generally, commonly, normally, frequently, sometimes, people, in general, tend to, tends "
        "to, in many, many people, everybody, everyone, anyone, one can, typical, means that, mean that, "
        "associated with, is associated, are associated, goes with, go with, accompany, accompanies, "
        "always, textbook, textbooks, in my country, in genuine, researchers, literature, humans, "
        "infants, babies, cultures, culture, as a rule, studies, study, research, theory, textbook, by "
        "definition, prototypical, prototype, classically, traditionally, babies, actors, we call, is "
        "known, are known, can signal, can mean, may mean, may signal, can indicate, can accompany, when "
        "people, when a person, every person, most people, may come from, can come from, in novels, in "
        "paintings, in books, in films, in movies, in cartoons, in comics, in portraits of, in life, "
        "tests, is tested, are tested, is graded, are graded, in most people, in theory, in my opinion a "
        "true, teacher say, teacher says, teacher said, mother say, mother says, mother said, book say, book "
        "says, books say, they say, it is said, in children, in adults, in a true, in real smiles, every "
        "smile, any smile, some people, "
        "one often, one usually, one speaks of, we speak of, one says, in proverbs, used to, a man who, a "
        "woman who, people who, those who, anyone who, someone who, a person who, there are faces, there "
        "are people, faces that, normal person, normal people, normal persons, as a child, in those days, "
        "once upon, on other days, other people, in other faces, on other faces, another face, other "
        "faces, would typically, would usually, would normally, would ordinarily, is commonly, are "
        "commonly, in fear one, in anger one, in surprise one, in joy one, per definition, according to, "
        "is normally, are normally, normally required, by convention, in the literature, in practice, "
        "often paired with, often combined with, often coupled with, often accompanied by, often associated "
        "with, "
        "often linked to, often seen with, often found with, commonly paired with, commonly combined with, "
        "typically paired with, typically combined with, typically accompanied by, usually paired with, "
        "usually "
        "combined with, usually accompanied by, frequently paired with, frequently combined with, "
        "one associates, we associate, people associate, is characteristic of, are characteristic of, is "
        "symptomatic of, is diagnostic of, is a hallmark of, is the hallmark of, in other pictures, in "
        "other photographs, in other images, in "
        "other frames, in another picture, in another photograph, in another image, in another frame, in "
        "the next "
        "moment, the next moment, a moment later, in a moment, in the previous picture, in the previous "
        "frame, in "
        "the picture before, in an earlier picture, on another day, on other days, "
        "ordinarily, every mouth, every face, every brow, any face, any mouth, all faces, all mouths"
    )
)
"""The clause speaks of faces in general."""

NEUTRAL: Final = phrases(
    "as well, if only, looks hard, look hard, looking hard, stares hard, stare hard, staring hard, at any "
    "point, at any one point, at this point, at that point, at some point, settles nothing, "
    "settle nothing, "
    "outward display, outward expression, outward sign, outward signs, outward show, outward appearance, "
    "outwardly, well rounded, half hearted, half heartedly, the movements, these movements, at least, at "
    "best, at most, closely, "
    "facial tension, muscle tension, facial movement, facial movements, muscle movement, muscle movements, "
    "facial activity, facial muscles, other features, other signs, such as, might explain, may explain, "
    "could explain, would explain, might account for, may account for, could account for, would account "
    "for, could be read, could be seen, can be seen, can be read, the rest of, rest of, taken together, "
    "would be two good explanations, may be seen, might be seen, would be a good explanation, all "
    "together, altogether, put together, might be due to, could be due to, the rest, as a rule of, at the "
    "same time, in the same way, in a way, i would say, one might say, i should say, one would say, would "
    "call, might call, could call, be described as, could be described as, might be described as, what "
    "could be described as, meet the eyes, meet the eye, crowding the eyes, crowd the eyes, crowds the "
    "eyes, toward the eyes, towards the eyes, to the eyes, over the eyes, above the eyes, from the eyes, "
    "over the eye, above the eye, pushing eyes, squeezes the eyes from below, narrows the space, narrow "
    "the space, as a whole, in line with, in part, on the whole, in turn, turn out, turns out, in keeping, "
    "line with, right now, all right, right away, so close, close to, closely, in close, at hand, up "
    "close, in the way, all over, in fact, taken as a whole, for the most part, look up, looks up, looking "
    "up, look down, looks down, looking down, looking downward, looking upward, looks downward, looks "
    "upward, in front of the camera, lower half, upper half, lower third, "
    "upper third, mid face, lower part, upper part, head up, head down, head is turn, not "
    "only, in order, out of the picture, make out, makes out, making out, made out, kept apart, open "
    "question, above all, after all, over time, in general terms, in the open, draws attention, drawing "
    "attention, draw attention, draws the eye, draw the eye, catches the eye, eye catching, fighting back, "
    "fight back, hold back, holding back, held back, letting out, let out, wide range, sharp contrast, "
    "contrast, close look, close inspection, on closer inspection, closer inspection, closer look, line "
    "between, at first sight, at rest with, points away, pointing away, eye contact, flat affect, blunt "
    "affect, high confidence, low mood, high arousal, low confidence, low arousal, low energy, "
    "low spirits, high spirits, if you like, if you will, if you please, if anything, as it were, so to "
    "speak, ends up, ended up, end up, ending up, winds up, wound up, easy to, of the scale, on the scale, "
    "on a scale, to scale, leave the choice open, leaves the choice open, leave it open, leaves it open, "
    "leaves open, leave open, leaves the question open, "
    "fullness, hard to say, hard to tell, white light, take note, light up, lights up, lit up, in line, one "
    "can see, one can detect, one can observe, one can notice, one can make out, one can discern, one can "
    "find, one can note, one can recognise, one can recognize, one can clearly see, one can just see, one "
    "can just make out, one sees, can be observed, can be noticed, one might add, one could add, one may "
    "add, one might note, one may note, one could note, one might notice, one may notice, it might be "
    "added, it may be added, one should add, one should note, it should be noted, much as, much like, in "
    "much the same way, not equal, not symmetrical, not "
    "symmetric, not symmetrically, not the same, not alike, not equal on, on "
    "top of that, on the contrary, uneven, unevenly, stand out, stands out, soft tissue, soft tissues, soft "
    "light, soft "
    "lighting, could follow"
)
"""Phrases that mean none of what their words would."""

INTERPRETING: Final = phrases(
    "deepens the sense, deepens the impression, deepens the interpretation, deepens the emotion, deepens the "
    "emotional, deepening the sense, deepening the impression, deepening the emotional, linked to, "
    "heightens, heightening, be linked, leaves room, leave room, leaving room, leaves some "
    "room, leave some room, impression, overall impression, emotion, emotions, emotional, possibly, "
    "perhaps, maybe, consistent with, compatible with, sign of, signs of, stand for, stands for, speak "
    "for, speaks for, speaks against, mark of, hallmark of, in keeping with, in line with, air of, "
    "evidence from, amount to, amounts to, point, points, pointing, lead to, leads to, leading to, align, "
    "aligns, aligned, aligning, leans, lean towards, captures, capturing, present a, presents a, centers "
    "around, reads as, read as, in which one reads, evidence for, fits, fit with, would fit, matches, "
    "match for, pattern of, goes with, evocative of, lending, lends, imparting, gives, giving, making, "
    "makes for, as part of, expression of, look of, impression of, sense of, mixed with, which makes, "
    "contributing to, tone of, note of, an air to, hallmark, reading of, bespeaks, betrays, betray, speaks "
    "of, speak of, attests, testifies, tells of, telling of, associated with, tied to, go well with, goes "
    "well with, fit well with, sit well with, sits well with, go along with"
)
"""After one of these a clause says what the face may mean."""

BREAK_WORDS: Final = (
    frozenset(
        "alongside accompanied combined coupled paired but while whereas yet though although whilst "
        "because since so which who whom whose that where when until till once unless then however as for "
        "with if after before what whom plus until against".split()
    )
    | {"except", "except for", "save for", "apart from", "aside from", "other than", "but for", "excepting"}
    | {"in which", "by which", "on which", "during which"}
    | {"despite", "in spite of", "notwithstanding", "in addition to", "besides"}
)
"""Words at which a new clause may begin."""
