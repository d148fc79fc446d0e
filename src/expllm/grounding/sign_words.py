"""Everyday, literary and clinical words for parts of the face and what they do, beyond those of `lexicon`.

Verbs stand here in their base form (`inflected` adds the others); a phrase is written with spaces.
"""

from collections.abc import Iterable
from typing import Final

from expllm.grounding.inflections import inflected, phrases, with_verb


def _by_phrase(groups: dict[str, str]) -> dict[str, str]:
    return {phrase: value for value, text in groups.items() for phrase in phrases(text)}


PART_NAMES: Final = _by_phrase(
    {
        "upper lids": "upper lid, upper lids, upper eyelid, upper eyelids, top lid, top lids, top eyelid, "
        "lid above, lids above, eyelid above, up eyelid, up eyelids, up lids, upper lashes, upper lash line, "
        "levator, above lid, up lid, "
        "lid on top, lid of above",
        "lower lids": "lower lid, lower lids, lower eyelid, lower eyelids, low lid, low lids, bottom lid, "
        "bottom lids, bottom eyelid, lid below, lids below, lid underneath, lid beneath, lid from below, "
        "under lid, under lids, lower rim of the eye, down eyelid, down eyelids, down lids, lower lash line, "
        "infraorbital skin, low eyelid, "
        "eyelid below, eyelid underneath, eyelid of under part, lid under the eye, lid of under, lower "
        "lashes, lower rims, lower rim, below lid, down lid, downer lid, lid of below",
        "lids": "lid, lids, eyelid, eyelids, lash, lashes, eyelash, eyelashes, eye lid, eye lids, shutters",
        "eyes": "eye, eyes, eyed, od, os, ou, palpebral fissure, palpebral fissures, palpebral aperture, "
        "fissures, palpebral apertures, lid aperture, lid apertures, eye aperture, eye apertures, eye "
        "opening, eye openings, ocular aperture, ocular apertures",
        "upper face": "upper face, upper facial third, upper facial half, upper third, upper half, upper "
        "half of the face, upper third of the face",
        "lower face": "lower face, lower facial third, lower facial half, lower half of the face, lower "
        "third of the face, lower part of the face, "
        "lower half of his face, lower half of her face",
        "under eyes": "under the eye, under the eyes, beneath the eye, beneath the eyes, below the eye, "
        "below the eyes, under his eyes, under her eyes",
        "whites": "sclera, scleral, sclerae, scleras, white of the eye, white of the eyes, whites of the "
        "eyes, whites, white above the iris, white over iris, white over the iris, white in eye, white in "
        "the eye, white in the eyes, white above the irises, white above iris, more white, rim of white, "
        "white rim, ring of white, band of white, strip of white, white part of eye, white part of the "
        "eye, superior sclera, white showing, white, more of the white, white around the iris, white of "
        "eye, more of the eyeball, eyeball, eyeballs, white all round the iris, white above, white all "
        "around the iris, white below the iris, whole iris, full circle of the iris, more iris",
        "brows": "brow, brows, eyebrow, eyebrows, eye brow, eye brows, browline, brow line, browed, "
        "superciliary, supercilium, supercilia, brow ridge, inner brows, outer brows, brow heads, "
        "brow head, inner ends of the brows",
        "glabella": "glabella, glabellar, between the brows, between the eyebrows, between brows, between "
        "eyebrows, between his brows, between her brows, between his eyebrows, between her eyebrows, in "
        "middle of brows, between them, between the two brows, middle of brows, interbrow, middle of the "
        "brows, middle of the eyebrows, between the two eyebrows, between their brows, space between the "
        "brows, skin between the brows, space between the eyebrows, above the nose, mid brow, midbrow, "
        "middle of the forehead, centre of the forehead, center of the forehead, bridge between the "
        "brows, root of the brow, place between the brows, gap between the brows, in the middle of the "
        "brows, between the eyes, between his eyes, between her eyes, between their eyes",
        "forehead": "forehead, foreheads, front of the head",
        "jaw": "jaw, jaws, lower jaw, mandible, mandibular, underjaw, jawbone, jaw bone, jaw line, "
        "jawline, low jaw, under jaw, jaw of below, lower mandible, bottom jaw, chops, jowl, jowls, maw",
        "mouth": "mouth, mouths, mouthed, oral aperture, oral fissure",
        "corners": "corner, corners, mouth corner, mouth corners, lip corner, lip corners, commissure, "
        "commissures, commissural, oral commissure, oral commissures, mouth angle, mouth angles, oral "
        "angle, oral angles, labial commissures, labial commissure, angle of the mouth, angles of the "
        "mouth, ends of the mouth, end of the mouth, ends of the lips, edges of the mouth, edge of the "
        "mouth, sides of the mouth, side of the mouth, mouth ends, mouth end, mouth's ends, mouth's "
        "corners, corner of the mouth, corners of the mouth, corner of the lips, corners of the lips, "
        "lips' corners, corners of his mouth, corners of her mouth, corner of his mouth, corner of her "
        "mouth, angles, angle, corners of mouth, corner of mouth, ends of mouth, modiolus, modioli, "
        "modiolar, its ends, its corners, its angles, lip ends, lip end, lip angle, lip angles, corners "
        "of their mouth, corner of their mouth, ends of his mouth, ends of her mouth, tips of the mouth, "
        "edges of the lips, extremities of the mouth, corner of lips, corners of lips, mouth side, mouth "
        "sides, mouth edges, mouth edge, sides of mouth, outer edges of the mouth, outer corners of the "
        "mouth, outer corners of the lips, oral corners, its end, oral corner, mouth tips, lip edges, end "
        "of the lips, whose ends, whose corners, either end of the mouth, both ends of the mouth, two "
        "ends of mouth, two ends of the mouth, ends of her lips, ends of his lips, ends of the lip, lip's "
        "ends, points of the mouth, wings of the mouth, edges of his mouth, edges of her mouth, edges of "
        "mouth, sides of his mouth, sides of her mouth, side of his mouth, side of her mouth, mouth's "
        "edges, extremities of the lips, tails of the mouth, outer lip, outer lips",
        "upper lip": "upper lip, upper lips, top lip, over lip, lip above, lip of above, superior lip, "
        "lip on top, upper vermilion, philtrum, vermilion of the upper lip, upper labial, up lip, above "
        "lip, lip on the top, lip of up",
        "lower lip": "lower lip, lower lips, bottom lip, under lip, underlip, lip below, lip underneath, "
        "lip beneath, low lip, inferior lip, lip of below, lower vermilion, vermilion of the lower lip, "
        "nether lip, below lip, down lip, beneath lip, lip of down, lip on the bottom, downer lip, lip of "
        "under",
        "lips": "lip, lips, lipped, labial, vermilion, vermilion border, vermilions, perioral, both lips, "
        "upper and lower lips, upper and lower lip, upper or lower lip, lower and upper lips, red margin, "
        "red margins, red of the lips, red lip, bilabial",
        "chin": "chin, chins, chin boss, chin pad, boss of the chin, chin skin, skin of the chin, mental "
        "skin, mental region, chin pads, chin's skin, point of the chin, ball of the chin, knob of the "
        "chin, mentum, skin over the chin, mental crease, chin muscle",
        "cheeks": "cheek, cheeks, cheeked, malar, malar pad, malar pads, cheekbone, cheekbones, buccal, "
        "infraorbital triangle, infraorbital triangles, apples of the cheeks, malar mound, malar mounds, "
        "midface, mid face, cheek flesh, flesh of the cheeks, flesh of the cheek, cheek pads, cheek pad, "
        "cheek muscles, apples",
        "nose": "nose, noses, nasal, nasal bridge, bridge of the nose, nose bridge, bridge of nose, nasal "
        "root, root of the nose, nasal dorsum, dorsum of the nose, sides of the nose, side of the nose, "
        "bridge of his nose, bridge of her nose, wings of the nose, nasal sidewalls, nasal sidewall, its "
        "root, its bridge, skin of the nose, skin on the nose, paranasal, skin over the nose, skin of the "
        "nasal bridge, nasal skin, top of the nose, top of nose, upper nose, length of the nose, nose's "
        "bridge, snout, nosebridge, base of the nose, ridge of the nose",
        "nostrils": "nostril, nostrils, alae, nares",
        "eye corners": "corner of the eye, corners of the eye, corners of the eyes, eye corner, eye "
        "corners, outer canthi, lateral canthi, canthus, canthi, canthal, lateral canthus, outer corners "
        "of the eyes, corners of his eyes, corners of her eyes, outer corner of the eye, temples, beside "
        "the eyes, at the outer corners, from the outer corners, corner of eyes, corners of eyes, corner "
        "of eye, outside the eyes, beside eyes, outer canthus, edge of the eye, edges of the eye, outer "
        "edges of the eyes, outer edge of the "
        "eye, edges of the eyes, corners by the temples, outer eye corners, outer eye corner, eyes' "
        "corners, eyes' outer corners, tails of the eyes, tail of the eye, outer rims of the eyes",
        "nasolabial folds": "nasolabial fold, nasolabial folds, nasolabial furrow, nasolabial furrows, "
        "nasolabial crease, nasolabial creases, nasolabial line, nasolabial lines, nasolabial sulcus, "
        "nasolabial sulci, folds beside the nose, folds from the nose to the mouth, lines from the nose to "
        "the mouth",
        "lip gap": "interlabial gap, interlabial distance, interlabial space",
        "upper teeth": "upper teeth, top teeth, upper row of teeth, upper incisors, maxillary incisors, "
        "maxillary teeth, upper tooth, teeth of up, upper gums, gum line, upper teeths, "
        "upper gum, top row, upper row, teeth above",
        "lower teeth": "lower teeth, bottom teeth, lower row of teeth, lower incisors, mandibular "
        "incisors, mandibular teeth, bottom row of teeth, bottom row, lower row, teeth of down, lower "
        "teeths, teeth below, lower dentition",
        "teeth": "gum, gums, gingiva, teeth, tooth, teeths, incisors, dentition",
    }
)  # fmt: skip
"""What a part of the face is called."""

_UP = (
    "up the cheek, up the cheeks, up his cheek, up her cheek, high into the cheeks, up the face, "
    "take flight, take wing, took flight, took wing, takes flight, takes wing, taken flight, north, "
    "northward, northwards, arise, ascend, vault, catapult, bob up, wing, swarm up, clamber, "
    "scramble, shimmy, hop, bounce, spring, spring up, sprang up, sprung up, buoy, buoyed, upraised, "
    "upheld, skyrocket, tent, tented, tenting, poke up, jerk up, ride, ride up, rides up, rode up, ridden "
    "up, raise, lift, elevate, elevation, hoist, heightened, climb, ascend, ascent, soar, hike, jack, "
    "cock, boost, mount, leap, jump, shoot, rocket, perk, quirk, levitate, hitch, uplift, upturn, rise, "
    "rised, raisen, risen, high, higher, highest, aloft, skyward, skywards, upward, upwards, up, "
    "upwardly, hairline, toward the hair, towards the hair, into the hair, toward her hair, "
    "towards her hair, into her hair, toward his hair, towards his hair, into his hair, upswept, "
    "upraise, superiorly, steeple, peel, peel back, peel away, peak, float, "
    "top of their excursion, "
    "surge, rear, superior displacement, above the normal height, over the normal height, upper position, "
    "upstairs, skywards, heavenward, uptick, upcurve, upcurl, winch, fly, taller, height, into the "
    "hairline, reach the hairline, reaches the hairline, vault, tiptoe, up and back, upheaval, scale, "
    "heave, raisingly, aloft, lifting, cranially, cephalad, superolaterally, superolateral, "
    "superomedially, heap, pile up, piled up, bunch up, bunched up, plump up, mound, hump"
)
_DOWN = (
    "south, southward, southwards, tumble down, flop, flag, wilt, bow down, bear down, bears down, bore "
    "down, borne down, weigh down, beetle, loom, nosedive, sagging, decline, recline, drift down, "
    "descend, deflate, descending, drop away, founder, cave, lower, drop, fall, sink, sag, droop, droopy, "
    "slump, dip, descend, descent, depress, depression, hang, plunge, plummet, downward, downwards, "
    "downwardly, down, downturn, low, inferiorly, dangle, subside, slope, slouch, downcast, lowest, "
    "inferior displacement, ptosis, floorward, downstairs, collapse, dive, sunken, downslope, droopily, "
    "swoop, fallen, falled, downcurve, inferior, drooped, earthward, glower, lour, caudally, caudal, "
    "caudad, settle, ebb, slide down, slid down, subsiding, tumble, topple, crash, inferolaterally, "
    "inferolateral"
)
_HOMES = ("place", "position", "resting position", "resting place", "post", "station", "usual place", "spot")
_WORDS: Final = {
    "calm": "calm, neutral, quiet, steady, serene, silent, placid, untroubled, unperturbed, impassive, in "
    "neutral, neutral position, neutral line, frozen, fixed, peace, in peace",
    "loosed": "slack, loose, limp, loosen, slacken, unhinge, lax, loosed",
    "up": _UP,
    "down": _DOWN,
    "furrow": "toward the midline, towards the midline, to the midline, toward each other, towards each "
    "other, toward one another, towards one another, furrow, knit, gather, bunch, corrugate, together, each "
    "other, meet, converge, approximate, "
    "contract, contraction, squeeze, pleat, crumple, medially, medial, pinch, clench, beetle, nearer, "
    "closer, closer together, adduct, adduction, one another, huddle, corrugation, vertical lines, "
    "vertical line, vertical fold, vertical folds, vertical crease, vertical creases, vertical furrow, "
    "vertical wrinkle, inward, inwards, convergence, crowd, neighbours, vertical wrinkles, vertical "
    "furrows, knot, bridge over, lock, collide, cinch, neighbour, cluster, elevens, touch, trench, gully, "
    "rift, canyon, notch, groove, gash, seam, channel, gorge, ravine, cleft, ditch, crevice, number "
    "eleven, one vertical, two lines, two vertical lines, line in the middle, lines in the middle, kiss "
    "each other, near to each other, nearer to each other, nearer together, close together, close ranks, "
    "join, joined, draw together, wrinkled together, interlock, couple, telescope, rut, chasm, shadow "
    "line",
    "close": "close, closure, shut, blink, seal, squeeze, half mast, hooded, together, each other, meet, "
    "rest against each other, rest against one another, rest on each other, rest on one another, lie "
    "against each other, lie on each other, lie together, lie against one another, touch lightly, lightly "
    "against each other, loosely closed, loosely together, softly closed, gently closed, lightly closed, "
    "drowse, veil, half closed, half shut, occlude, occlusion, curtain, shutter, sealed, one another, "
    "clench, contact, touch, rest together, rest lightly together, lightly together, tape, zip, sew, drop "
    "shut, slide shut, slid shut, creep shut, crept shut, fall shut, fell shut, fallen shut, snap shut, "
    "clamp, clamp shut, clap, batten, drowsy, heavy lidded, heavy lid, wince, blinker, cloak, roof, "
    "firmly closed, tightly closed, tightly shut, clamped shut, pressed shut, squeezed shut, screw shut, "
    "tight shut, tight closed, nail shut, apposition, apposed, in apposition, competent, lightly "
    "touching, light contact, in contact, in light contact",
    "narrow": "narrow, squint, slits, screw, pinch, scrunch, crinkle, thinner, slit, slit like, peer, peep, "
    "smaller, more small",
    "open": "open, ajar, unclench, opening, aperture, openness, wide open, unlatch, oval opening",
    "apart": "from each other, from one another, apart, part, separate, separation, unseal, divide, cleave, "
    "sever, split, come apart, "
    "hole, small hole, little hole, unstuck, space, chink, gap, parting, space between, slot, opening "
    "between, sliver, disunite, let go of "
    "each other, "
    "lets go of each other, leave each other, left each other, away from each other, away from one "
    "another, away one from other, away one from the other, leave one another, no longer touch, come away "
    "from each other, unlock",
    "wide": "fly open, snap open, spring open, burst open, shoot open, widen, wide, wider, enlarge, "
    "enlargement, dilate, big, bigger, large, larger, saucer, "
    "saucers, goggle, round, rounder, bulge, stretch open, wide open, pop, retract, retraction, open "
    "bigger, increase, moon, moons, width, fling open, overexposure, start, sprung apart, spring apart, "
    "springs apart, wide apart, flung apart, fly apart, flies apart, flew apart, far apart, more than "
    "usual, wider than usual, wider than normal, more than normal, past their usual, past the usual, "
    "beyond the normal, beyond normal, enormous, enormously, huge, hugely, saucer like, owlish, "
    "unusually, start from, starting from, saucer sized, fly wide, flew wide, flown wide, flies wide, "
    "spring wide, sprang wide, more open, popped, pop out, standing out, on stalks, out on stalks, owl, "
    "owl like, bug, bugged, unblinking, gawp, gawk, amplify, more open than usual, more open than normal, "
    "stare, staring, round like, like plates, plates, like coins, lamps, stretched open, wide awake",
    "inverted": "inverted arc, inverted curve, inverted u, inverted, downward arc, upside down, down arc",
    "pull": "pull, draw, tug, drag, haul, tow, yank, hitch, reel, wrench, traction, tweak, winch, pluck, "
    "hoist, jerk, twitch",
    "curve": "curve, curl, bend, bow, turn, arc, twist, crook, tilt, crescent, curvature, quirk",
    "stretch": "stretch, stretched, broaden, broad, broader, widen, wide, wider, sideways, sideward, "
    "sidewards, laterally, lateral, outward, outwards, ear, ears, flat, flatten, horizontally, elongate, "
    "elongation, extend, spread, extension, straight out, toward the ears, to the ears, to the sides, to "
    "the side, lengthen, longer, flatter, lateralward, sideway, widening, outwardly, straight line, level "
    "line, apart, long, straight, straighten, horizontal, aside, abduct, temple, straight out, drawn out, "
    "draw out, draws out, dragged out, pulled out, pulling out, drawing out, dragging out, hauled out, "
    "tugged out, sidewise, crosswise, elastic, rubber band, to both ears, to left and right, widthwise, "
    "widthways, breadth, in breadth, in width, tightrope, taut wire, drawn wide, drawn aside, drawn "
    "sideways, pulled sideways, drawn apart, pulled apart, laterally displaced, lateral displacement, "
    "lateral excursion, slot like, letterbox, spread out, spread wide",
    "suck": "suck, tuck, fold, roll, swallow, bite, eat, vanish, disappear, inverted, inversion, invert, "
    "over the teeth, over teeth, over the incisors, behind the teeth, ingest, swallowed, into the mouth, "
    "in the mouth, inside the mouth, over the incisal edge, curl in, drawn in, draw in, pulled in, pull "
    "in, drawing in, drew in, drawn inside, turned in, over the upper teeth, over the lower teeth, over "
    "the top teeth, over the bottom teeth, over the upper incisors, over the lower incisors, inside, no "
    "vermilion, over teeths, over the teeths, chew, chewing, suction, nibble, gnaw, engulf, devour, into "
    "mouth, inwards, inward, rolled, behind teeth, indraw, indrawn, entrap, turn inward, taken in, take "
    "in, takes in, tucked, under cover, folded under, turn under, in over, caught between the teeth, "
    "caught over, caught behind, caught under, caught between, folded away, turns inward, under the "
    "teeth, hold between the teeth, between the teeth, between her teeth, between his teeth, in the "
    "teeth, beneath the teeth, beneath the upper teeth, beneath the upper incisors, beneath the lower "
    "teeth, behind the upper teeth, behind the lower teeth, behind the upper incisors, behind her teeth, "
    "behind his teeth, over her teeth, over his teeth, over their teeth, hold of, take hold of, taken "
    "hold of, grip, trap, pin, clasp, capture, go in, goes in, gone in, went in, go inside, goes inside, "
    "gone inside, curl under, curled under, curls under, curled over, curled inside, wrapped over, wrap "
    "over, wraps over, wrapped around the teeth, pulled inside, drawn inward, drawn inwards, retract "
    "behind, inturn, inturned, slip under, slips under, slipped under, slip behind, slipped behind, "
    "tucked away, withdraw, withdrawn, withdrew, imprison, mumble, rolled in, folded in, sucked in, "
    "rolled inwards, folded inwards",
    "inward": "toward the midline, towards the midline, to the midline, inward, inwards, inside, in, tuck, "
    "indrawn, pinch, tighten, tight, tight inside, tense, "
    "tauten, taut, tightness, dimple, dent, indent, hollow, pit, press, deepen, buccinator, medially, "
    "dig, compress, valley, small hole, crimp, nip, bracket, clench, screw, firm, "
    "stiffen, medial",
    "dimple": "dimple",
    "pucker": "pucker, purse, round, rounded, rounding, funnel, kiss, kissing, whistle, bud, rosette, o, "
    "shirr, drawstring, pout, pouting, pursing, rounder, tube, snout, beak, fishlike, trumpet, kissed, "
    "protrude, protrusion, forward, project, thrust, jut, protract, pushed, tubular, blossom, protrusive, "
    "spout, moue, evert, eversion, tightly gathered, poke out, stick out, push out, jutting, fish mouth, "
    "purse string, circular, circle, ring, ringed, spherical, cylindrical, like a rose, rosebud, button, "
    "oh, make kiss, kiss mouth, blow a kiss, blowing a kiss, cone, conical, nozzle, bugle, muzzle, "
    "forward projecting, come forward, comes forward, came forward, coming forward, stick forward, out in "
    "front, to a point, pointed, duck, ducklike, trunk, teat, stopper, cork, cherry, bunch, bunched",
    "press": "press, compress, compression, clamp, clench, squash, squeeze, jam, bear down, bears down, "
    "pressure, together, pressing, clampdown, crush, weld, flatten, against each other, lock, meet, glue, "
    "each other, one another, against one another, pursed shut, hard closed, iron, rivet, zip, hem, bite, "
    "one against the other, one on the other, one upon the other, one against other, one on other, one "
    "onto the other, against the other, against its fellow, apply, sandwich, grind, screw shut, clap "
    "together, bolted, bolt, fasten, fastened, fuse, fused, cement, tight shut, locked together, hard "
    "together, hard against, firmly closed, tightly closed, tightly shut, tight closed, squeezed shut, "
    "clamped shut, pressed shut, pinch together, stamped shut, nail shut, lockjaw",
    "tense": "tighten, tight, tightly, tense, tension, tensing, tauten, taut, stiffen, stiff, firm, "
    "harden, strain, rigid, tightness, tautness, brace, steel, thin, thinned, thinning, thinner, wire, "
    "pinch, contract, contraction, narrow, narrowed, narrowing, narrower, slim, hard, hardness, "
    "tighter, tightening, stretched thin, slender, firmness, like a line, thin line, thin like, rigidity, "
    "stiffness, tensely, firmer, wiry, gripped, pull tight, constrict, constriction, string, cord, ruled "
    "line, narrowness, knot, reduced to a line, reduced to a thread, to a line, to a thread, to a seam, a "
    "thin line, narrow line, tight line, fine line, taut line, thin seam, thin stripe, narrow band, thin "
    "band, pencil line, pencil thin, razor thin, reduced, wafer thin, blade, blade thin, knife, "
    "razor, bloodless, pare, pared, attenuate, attenuated, narrow down, shrink, shrunk, whittle, tight "
    "drawn, drawn tight, drawn thin, pulled thin, pulled tight, pulled taut, drawn taut, stretched tight, "
    "rigidly, hard line, hardened, wire thin, strung, tight lipped, tightlipped, thin lipped, like wire, "
    "strained, straining, small tight",
    "puff": "puff, inflate, inflation, balloon, bloat, blow, blow out, blow up, swell, distend, "
    "distension, distention, bulge, billow, fill, air, expand, plump, round, rounded, bag, full of air, "
    "full of wind, wind, inflated, bellows, fat, swollen, blown, insufflate, insufflation, puffy, big, "
    "bigger, globe, globes, sail, sails, hold air, distended, oral air hold, chipmunk, hamster, out, "
    "outward, outwards, breath, convex, ballooning, swollen with air, blow bubble, bubble, bladder, "
    "distensile, rotund, pneumatic, like balloons, like a balloon, full of breath, stuffed, cram, "
    "crammed, bulging out, turgid, bullfrog, trumpeter, tuba, blow like, pumped, pump, pump up, overfill, "
    "brim",
    "wrinkle": "wrinkle, crinkle, crease, scrunch, fold, line, furrow, ridge, corrugate, rumple, crumple, "
    "ruck, gather, bunch, bunched, shrivel, pleat, rhytid, rhytids, crimp, screw, concertina, ripple, "
    "shorten, dimple, pucker, pebble, pebbly, cobble, cobbled, pucker, orange peel, peau d'orange, "
    "corrugation, transverse lines, crumpled, knead, lined, plough, plow, plowed, ploughed, wrinkly, "
    "twitch, accordion, rugae, cockle, crinkly, cobblestone, horizontal lines, pit, roughen, rugose, "
    "pitted, stipple, contract, compress, scored, ploughed, stack, crosswise lines, crosshatch, "
    "squash, crunch, ruffle, tight, tighten, tense, valley, valleys, fan, fans, radiate, radiating, "
    "creasing, sunburst, spokes, crows, crump, pucker up, corduroy, washboard, crocodile, gathers, in "
    "folds, fold up, small folds, tiny folds, ridges, crisscross, cross hatch, crazed, crosslines, cross "
    "lines, screwed up, scrunchy, walnut, golf ball, prune, raisin, pebbling, cobbling, dimpled, "
    "pockmark, pockmarked, pimpled, goose flesh, gooseflesh, small holes, little holes, concertinaed, "
    "corrugated, rucks, knurl",
    "smooth": "smooth, smoother, clear of lines, unlined, blank, without line, free of lines, smoothly, "
    "plain, glassy, polished, like glass, as glass, as an egg, as a plate, as a pebble, as marble, as "
    "silk, without lines, without folds, without a line, without a crease, without creases, without "
    "wrinkles, line free, wrinkle free, free of creases, free of wrinkles, free of furrows, ironed out",
    "flare": "flare, dilate, dilation, widen",
    "slide": "left, right, slide, deviate, deviation, swing, sway, wander, drift, sidle, skew, to one "
    "side, sideways, sideway, laterally, lateral, side, askew, aslant, off centre, off center, "
    "lateralise, sideward, sidewards, side shift, crooked, off to the side, lateralization, lateralize, "
    "slew, veer, leftward, leftwards, rightward, rightwards, swerve, skid, crosswise, sidelong, off the "
    "midline, laterotrusion, offset, off the middle, crab, aside, jog, stray, straggle, lurch, cant, "
    "list, lean, tilt, out of true, out of line, off its axis, off axis, off line, sway over, slung, "
    "hitched over, cocked to, out of the midline, from the midline, deviates, sideslip, deflect, "
    "deflection, displaced, ruminate, like a cow, grind sideways, move to the side, moved to the side, "
    "shunt",
    "shift": "shift, displace, displacement, translate, translation, slip, off its line, walk, excursion",
    "small": "small, smaller, slit, slits",
    "arch": "arch, archly",
    "gape": "gape, agape, yawn, drops open, fall open, falls open, fell open, fallen open, hang open, "
    "hangs open, hung open, hanging open, falling open, drop open, dropped open, dropping open, slack "
    "jawed, swings open, swing open, swung open, slack and open, wide agape, hang",
    "thrust": "thrust, jut, protrude, protrusion, push, project, poke, stick, advance, forward, forwards, "
    "ahead, in front, to the front, anteriorly, anterior, prow, out, protract, shove, extend, outward, "
    "forth, protrusive, underbite, prognathic, advancement, protraction, step out, prognathism, "
    "protruding, undershot, bulldog, lunge, forward of, in front of the upper, before the upper, ahead of "
    "the upper, past the upper, beyond the upper, step forward, stepped forward, push forward, pushed "
    "forward, pushing forward, stuck out, sticking out, juts out, jutting out, jut out, drawer, bulldog "
    "like, prow like, lead with, anterior displacement, forward displacement, forward shift, anterior "
    "shift, slid forward, slides forward, slide forward, bowsprit, protracted, to forward, to front, come "
    "forward, stick forward, out in front, pushed out, push out, pushes out, pushing out",
    "show": "show, expose, exposure, bare, reveal, display, uncover, visible, visibly, in view, on show, "
    "appear, come into the light, into view, visible now, exposed, seen, unveil, peek, gleam, flash, "
    "into the light, into sight, showing, come out, glint, emerge",
    "back": "back, backward, backwards, backwardly, retract, retraction, rearward, posteriorly, retracted, "
    "retracts, retracting",
    "generic": "move, movement, motion, budge, stir, act, action, activity, active, activate, activation, "
    "engage, engagement, animate, animation, nothing happens, nothing happened, nothing whatever happens, "
    "change, work, change of position, respond, response, flicker, shift, participate, participation, "
    "contribute, take part, join in, leave their line, twitch, displacement, involve, involvement, "
    "nothing happens to, leaving their line, leaves its line, leave its line, " + ", ".join(
        f"leave {whose} {place}" for whose in ("its", "their") for place in _HOMES
    ) + ", stirred, stirring, stirs, "
    "react, reaction, recruit, recruitment, recruited, contract, contraction, mobility, fire, firing, "
    "play, in play, at play, at work, takes part, innervate, innervation, fasciculate, excursion, give an "
    "inch, gave an inch, gives an inch, given an inch, give way, budges, journey, make a move, event, "
    "happening, a part to play, effort, labour, toil",
    "still": "still, rest, at rest, idle, motionless, unmoved, static, in place, in its place, in their "
    "place, undisturbed, asleep, untouched, unchanged, inactive, immobile, stay put, stays put, staying "
    "put, stayed put, stay where it is, stays where it is, stay where they are, where it is, where they "
    "are, where they were, where it was, baseline, unaltered, uninvolved, resting, at ease, keeps its "
    "place, keep their place, left alone, at baseline, resting position, usual place, normal position, "
    "usual position, same place, own place, sleep, sleeping, unmoving, uncommitted, at the rest, resting "
    "posture, resting height, normal height, usual height, usual line, natural position, its line, their "
    "line, holds its line, hold their line, inert, stationary, unengaged, natural place, disengaged, home "
    "position, hold still, holds still, at home, dormant, unaffected, keeping still, hold position, "
    "stillness, same position, static position, normal place, unreactive, rests, as before, quiescent, "
    "unremarkable, within normal limits, keep its place, do nothing, does nothing, doing nothing, did "
    "nothing, where it belongs, where they belong, as it was, as they were, look on, looks on, looking "
    "on, wait, watch, watches, sit out, sits out, stand by, stands by, loaf, doze, keep out, hold its "
    "peace, holds its peace, mind its own business, takes no part, take no part, abide, stay home, stays "
    "home, stay behind, stays behind, stay back, stays back, lie still, lies still, on holiday, day off, "
    "on strike, holding its ground, holds its ground, hold their ground, not in use, off duty, without "
    "work, take a rest, remains so, leave it alone, leaves it alone, abed, stayed home, keep quiet, kept "
    "quiet, in repose, repose, mute, silent, not stirring, hold off, lie fallow, tone normal, normal "
    "tone, tone is normal, resting tone, basal tone, electrically silent, no recruitment, on its hinge, "
    "where nature put it, where nature put them, where it always is, where they always are, where it "
    "always was, where they always were, where they had always been, where it had always been, "
    "in the midline, in midline, centred, centered, central, in the centre, in the center, in the middle, "
    "stands fast, stand fast, held fast, hold fast, locked, bolted in place, tethered, moored, like "
    "stone, as stone, of stone, carved, set in stone, statue, as a statue, dead calm, null, in abeyance, "
    "keep its own counsel, keeps its own counsel, kept its own counsel, keep their own counsel, where they "
    "normally are, where it normally is, where they usually are, where it usually is, where they normally "
    "sit, where it normally sits, where they normally rest, where it normally rests, as they normally are, "
    "as it normally is, as usual, left in "
    "peace, left at peace, let alone, at peace, lay idle, lies idle, lie idle, stay out of it, stays out "
    "of it, stayed out of it, keep out of it, keeps out of it, kept out of it, made no move, makes no "
    "move, make no move, bide, neither here nor there, normal width, of normal width, usual "
    "aperture, resting aperture, usual opening, ordinary opening, everyday opening, of normal height, "
    "normal aperture, normal size, of normal size, normal length, usual width, of usual width, ordinary "
    "width, average width, average height, normal shape, normal opening, physiological, within the normal "
    "range",
    "slack": "slack, loose, limp, lax, loosen, slacken, unhinge, floppy, hang loose",
    "relaxed": "relaxed, relax, soft, softly, at its ease, easy, untense, looseness, softness",
    "kept_down": "stay down, stays down, stayed down, staying down, remain down, remains down, remained "
    "down, keep down, keeps down, kept down, staying low, stays low, stay low",
    "kept_up": "stay up, stays up, stayed up, staying up, remain up, remains up, remained up, stays high, "
    "stay high",
    "level": "level, horizontal, flat, even, straight, neutral line, horizontally, straight line, level "
    "line, like a pond, as a pond, ruled, as a ruler, as a line, dead level, dead straight, as a plank, "
    "plumb, spirit level",
}  # fmt: skip

WEAK: Final = frozenset(
    "pull show generic back more above extra additional out in over under straight flat long level".split()
)


_NO_VERBS: Final = frozenset("back up down out in forward high ear long".split())


def _kinds() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for kind, text in _WORDS.items():
        for phrase in phrases(text):
            verb = phrase.isalpha() and phrase not in _NO_VERBS
            for form in inflected(phrase) if verb else with_verb(phrase):
                found.setdefault(form, set()).add(kind)
    return {form: frozenset(kinds) for form, kinds in found.items()}


SIGN_KINDS: Final = _kinds()
"""A word or phrase -> the kinds of movement that it may mean; which one, the part decides."""


def by_first_words(phrases: Iterable[str]) -> dict[tuple[str, str], tuple[tuple[str, ...], ...]]:
    """First two words -> the phrases that begin with them, as words, the longest first."""
    found: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for phrase in phrases:
        split = tuple(phrase.replace("'s ", " ").split())
        found.setdefault((split[0], split[1]), []).append(split)
    return {first: tuple(sorted(some, key=len, reverse=True)) for first, some in found.items()}
