"""Clauses in any wording to statements: which part moves, how, how much, on which side, or not at all."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding.chunks import Chunk, names_place
from expllm.grounding.claims import DegreeWord
from expllm.grounding.movements import MOVES, NEGATIVE, TABLES, affirmed_kinds, denied_kinds
from expllm.grounding.presence import DENYING, denies_being, is_unknown, tells_being
from expllm.grounding.signs import Sign

_VAGUE: Final = frozenset("still calm relaxed slack generic level".split())
_PARTICLES: Final = frozenset(
    "together in out up down low high back each other one another level flat straight".split()
)
_SAME: Final = frozenset(
    ("as well", *"after too also likewise follow following alike well same so either with".split())
)
_BINDS: Final = frozenset("of the a both his her its their in at each one".split())
_TAKES_UP: Final = frozenset("one they it these both each".split())
_RESTRICTS: Final = frozenset(("that", "which", "who"))
_RELATES: Final = frozenset(("which", "whose"))
_ONLOOKERS: Final = frozenset("i we you".split())
_WHATEVER: Final = frozenset("whatever whoever whichever".split())
_DETERMINERS: Final = frozenset("the a an his her my our their".split())
_SOMEONE: Final = frozenset("he she person man woman subject patient face i we gaze".split())
_OTHERS: Final = frozenset(
    "head gaze neck shoulders shoulder body posture hair camera mood light lighting beard glance tongue hand "
    "hands viewer background".split()
)
"""What does not move without saying so of a part of the face."""
_MOODS: Final = frozenset("tension tensions strain pressure stress composure openness".split())
_BESIDE: Final = frozenset("with combined coupled paired juxtaposed alongside accompanied beside".split())
_EFFORTS: Final = frozenset(
    "contraction activity activation action recruitment tone effort work contracted contracts contracting "
    "active activated".split()
)
_MARKS: Final = frozenset("wrinkle dimple".split())
_WIDELY: Final = frozenset("wide wider widely further unusually abnormally excessively".split())
_EXCEPT: Final = frozenset(
    ("except", "except for", "save for", "apart from", "aside from", "other than", "but for", "excepting")
)
_NOUNS: Final = frozenset("pull generic shift curve".split())
_RESTS: Final = frozenset("still calm relaxed level slack".split())
_FAINT: Final = frozenset("pull generic shift curve show still calm relaxed level slack".split())
_PARTS_DENIED: Final = frozenset(
    ("without", "without any", "without a", "no", "sans", "rather than", "instead of")
)
"""What stands before one of these takes place, what follows does not."""

_TENSE: Final = frozenset("tense tight strained stiff rigid hard firm".split())
"""What a face or a person may be as a whole."""
_WATCHES: Final = re.compile(r"(?:wait|watch|look|sle|doz|silen|mute|peace|bid|abid)")
_BRIEF: Final = frozenset("not never cannot".split())
_BACK: Final = 3
"""Chunks that the part of a movement may lie behind it."""


_BEFORE_ABSENCE: Final = frozenset(
    "is are was were does do did has have had remains remain stays stay".split()
)
_LISTING: Final = frozenset("and or nor but yet while whereas though although".split())


@dataclass(slots=True)
class Statement:
    """A claim while it is being read; indices count signs of the sentence.

    Attributes:
        chunk: Index of the chunk of its movement.
        signs: Indices of the signs that tell it.
        actions: What the words may mean, ``outside:`` before what no unit measures.
    """

    chunk: int
    signs: set[int]
    part: str
    kind: str
    actions: tuple[str, ...]
    negated: bool
    side: Side | None = None
    both: bool = False
    only: bool = False
    even: bool | None = None
    degree: DegreeWord | None = None

    @property
    def vague(self) -> bool:
        return self.kind in _VAGUE


@dataclass
class Reader:
    """Reads a sentence whose signs and chunks are known."""

    signs: list[Sign]
    chunks: list[Chunk]
    found: list[Statement] = field(default_factory=list)

    def read(self) -> list[Statement]:
        """What the chunks state, in their order."""
        for c, chunk in enumerate(self.chunks):
            links = self._links(c)
            chunk.linked = bool(links)
            for part, moves in links.items():
                self.found += self._of_part(c, part, moves)
            told = {move for moves in links.values() for move in moves}
            for act in chunk.acts:
                if act not in told and not self._suppressed(chunk, act, act=True):
                    self._add_act(c, act)
            if not links and not chunk.acts:
                self._ellipsis(c)
            only = any(self.signs[i].has("only") for i in range(chunk.first, chunk.last))
            if only and not chunk.parts and not any(one.chunk == c for one in self.found):
                chunk.linked = False  # "and *the movement* does not extend to the right"
        return self.found

    def _add_act(self, c: int, act: int) -> None:
        idle = any(self.signs[m].kinds & {"still", "calm"} for m in self.chunks[c].moves)
        if c + 1 < len(self.chunks) and self.signs[self.chunks[c + 1].first - 1].word == ":":
            after = self.chunks[c + 1]  # "Corrugator: silent"
            rests = any(self.signs[m].kinds & {"still", "calm", "relaxed", "slack"} for m in after.moves)
            idle = idle or (not after.parts and not after.acts and (rests or bool(after.noes)))
        denied = self._denied(c, act) or idle
        self.chunks[c].linked = True
        self.found.append(Statement(c, {act}, "act", "act", self.signs[act].acts, denied))

    def _suppressed(self, chunk: Chunk, i: int, *, act: bool = False) -> bool:
        if chunk.supposed_from is not None and i >= chunk.supposed_from:
            return True
        return act and any(self.signs[k].has("means") for k in range(chunk.first, i))

    def _links(self, c: int) -> dict[int, list[int]]:
        """The movements of a chunk by the part that makes them."""
        links: dict[int, list[int]] = {}
        for move in self.chunks[c].moves:
            if self.signs[move].word in _MOODS | _EFFORTS and move - 1 in self.chunks[c].acts:
                continue  # "mentalis *strain*" is the muscle's
            if not self._suppressed(self.chunks[c], move) and not self._told_next(c, move):
                for part in self._parts_of(c, move):
                    links.setdefault(part, []).append(move)
        return links

    def _told_next(self, c: int, move: int) -> bool:
        """ "the *pull* that draws the corners down": what the movement is, the next chunk tells."""
        if move != self.chunks[c].last - 1 or c + 1 >= len(self.chunks) or self.chunks[c].parts:
            return False
        relative = self.signs[self.chunks[c + 1].first].word in ("that", "which")
        return relative and bool(self.chunks[c + 1].moves) and self.signs[move].kinds <= _NOUNS

    def _fits(self, part: int, move: int) -> bool:
        kinds = self.signs[move].kinds & TABLES[str(self.signs[part].part)].keys()
        return bool(kinds - NEGATIVE if names_place(self.signs, part) and move != part - 1 else kinds)

    def _named_before(self, c: int, move: int) -> list[int]:
        """The part right before a relative clause, "over lids that have *tensed*", or the topic."""
        chunk = self.chunks[c]
        name = self.signs[chunk.first - 1].part if chunk.first else None
        restricts = name and self.signs[chunk.first].word in _RESTRICTS
        if restricts and not self.signs[move].kinds.isdisjoint(TABLES[str(name)]):
            return [chunk.first - 1]
        return self._topic(c, move)

    def _parts_of(self, c: int, move: int) -> list[int]:
        own = [p for p in self.chunks[c].parts if self._fits(p, move)]
        if subjects := [p for p in own if not names_place(self.signs, p)]:
            best = min(subjects, key=lambda p: self._distance(p, move))
            return [best, *self._listed(c, best, move)]
        if own and self.signs[move].has("no"):
            return own[:1]  # "*nothing happens* to the lids"
        marks = bool(self.signs[move].kinds & _MARKS)  # "creases across the forehead"
        if marks or any(self._subject(p) for p in self.chunks[c].parts):
            return own[:1] or (self._named_before(c, move) or self._ahead(c, move) if marks else [])
        return self._named_before(c, move) or own[:1] or self._ahead(c, move)

    def _distance(self, part: int, move: int) -> float:
        """How far a part is from its movement; "pull of the corners" and "brow elevation" belong together."""
        first, last = sorted((part, move))
        between = [self.signs[i] for i in range(first + 1, last)]
        bound = all(s.word in _BINDS or s.side or s.degree or s.kinds for s in between)
        return (last - first) * (0.3 if bound and len(between) < 5 else 1.0) + (0.2 if part > move else 0.0)

    def _subject(self, part: int) -> bool:
        name = str(self.signs[part].part)
        if "teeth" in name:  # "*the teeth* still touching", but "caught by the teeth"
            return self.signs[part - 1].has("comma", "and") or self.signs[part - 2].has("comma", "and")
        return not names_place(self.signs, part) and "face" not in name

    def _topic(self, c: int, move: int) -> list[int]:
        """A part that was named before: "the cheeks, which *lift*"."""
        chunk = self.chunks[c]
        tiny = bool(chunk.noes) or chunk.last - chunk.first <= 3
        tiny = tiny or any(self.signs[m].word not in _PARTICLES for m in chunk.moves)
        taken_up = self._taken_up(chunk, move)
        if self.signs[move].word in _MOODS and not chunk.noes:
            return []  # "a likely companion of *strain*"
        if (self.signs[move].side and not chunk.noes) or (
            self.signs[move].word in _PARTICLES and not tiny and not taken_up
        ):
            return []
        mood = self.signs[move].kinds <= _RESTS or self.signs[move].word in _TENSE
        if mood and not taken_up and self._someone(chunk, move):
            return []
        seen = self.signs[chunk.first].word in _ONLOOKERS and not taken_up
        of_others = bool(chunk.noes) and any(s.word in _OTHERS for s in self.signs[chunk.first : move])
        of_act = any(act < move for act in chunk.acts) and not taken_up  # "*a grin* splits the face"
        if seen or of_others or of_act or self.signs[chunk.first].word in _WHATEVER:
            return []  # "while *the head* does not turn"
        nearest = range(c - 1, max(-1, c - 1 - _BACK), -1)
        # "the corners, above a chin that is raised, *turn down*": of the corners
        for earlier in sorted(nearest, key=self._only_places):
            fitting = [p for p in self.chunks[earlier].parts if self._fits(p, move)]
            if self.chunks[earlier].general and not taken_up:
                continue
            if fitting:
                related = any(
                    self.signs[self.chunks[k].first].word in _RELATES for k in range(earlier + 1, c + 1)
                )
                best = next((p for p in fitting if self._subject(p)), fitting[0])
                best = fitting[-1] if related else best  # "pushed up by the chin, *which* is dimpled"
                return [best, *self._listed(earlier, best, move)]
        return []

    def _only_places(self, c: int) -> bool:
        parts = self.chunks[c].parts
        return bool(parts) and not any(self._subject(p) for p in parts)

    def _taken_up(self, chunk: Chunk, move: int) -> bool:
        """ "the right *one* has gone up", "now *they* come down": of the part that was named before."""
        return any(self.signs[i].word in _TAKES_UP for i in range(chunk.first, move)) or (
            self._paired_chunk(chunk) and not self.signs[move].side
        )

    def _someone(self, chunk: Chunk, move: int) -> bool:
        """ "*he* watches", "*the chairman* waits", "*the face* is calm": not of a part."""
        words = self.signs[chunk.first : move]
        named = any(s.word in _DETERMINERS and is_unknown(t) for s, t in pairwise(words))
        waits = _WATCHES.match(self.signs[move].word) and not chunk.noes
        return bool(waits) or named or any(sign.word in _SOMEONE for sign in words)

    def _ahead(self, c: int, move: int) -> list[int]:
        """A part that is named after: "*drawn* tight as drums, the lower lids"."""
        if any(act != move for act in self.chunks[c].acts):
            return []  # "no leaning of *lip upon lip*", "*a grin* splits the face"
        fronted = c == 0 and move == self.chunks[0].first and self.signs[move].kinds & {"up", "down", "slide"}
        if (self.signs[move].word in _PARTICLES and not fronted) or self.signs[move].kinds <= {
            "show",
            "generic",
            "still",
            "calm",
        }:
            return []
        for later in range(c + 1, min(c + (4 if fronted else 3), len(self.chunks))):
            fitting = [p for p in self.chunks[later].parts if self._fits(p, move)]
            if fitting and (not self.chunks[later].moves or self.chunks[c].noes or later == c + 1):
                return [fitting[0], *self._listed(later, fitting[0], move)]
        return []

    def _listed(self, c: int, part: int, move: int) -> Iterator[int]:
        """Other parts of the same list: "*brows* and *lids* rise", "lift of the lids or of the *brows*"."""
        forward = list(range(c + 1, len(self.chunks)))
        if move > part:
            for k in range(c - 1, -1, -1):
                if not self._goes_on(k + 1) or not self._bare(k):
                    break
                yield from (p for p in self.chunks[k].parts[:1] if self._fits(p, move))
            forward = [k for k in forward[:1] if self._follows(k)]
        for k in forward:
            if not self._goes_on(k) or not self._bare(k):
                break
            yield from (p for p in self.chunks[k].parts[:1] if self._fits(p, move))

    def _goes_on(self, k: int) -> bool:
        """Whether a list may go on with a chunk; a semicolon ends it."""
        chunk = self.chunks[k]
        joined = self.signs[chunk.first].word in _BESIDE or self.signs[chunk.first - 1].word in _BESIDE
        return (
            chunk.opened in ("and", "or", "comma") and self.signs[chunk.first - 1].word != ";" and not joined
        )

    def _follows(self, k: int) -> bool:
        """ "and both brows *after them*", "*together with* the left corner"."""
        chunk = self.chunks[k]
        linked = self.signs[chunk.first - 1].word in ("together with", "along with", "as well as")
        return linked or any(self.signs[i].word in _SAME for i in range(chunk.first, chunk.last))

    def _bare(self, k: int) -> bool:
        chunk = self.chunks[k]
        if chunk.parts and names_place(self.signs, chunk.parts[0]):
            return False  # "ploughed, the forehead, *by brows* on their way up", "above the right eye"
        neither = self.signs[chunk.first].word == "neither"  # "*neither the upper* nor the lower lip ..."
        denied = bool(chunk.noes) and not neither
        return bool(chunk.parts) and not chunk.moves and not chunk.acts and not denied

    def _of_part(self, c: int, part: int, moves: list[int]) -> Iterator[Statement]:
        """What the movements of a part state; "opens *without sliding*" affirms one and denies the other."""
        turn = next((n for n in self.chunks[c].noes if self.signs[n].word in _PARTS_DENIED), None)
        before = [m for m in moves if turn is not None and part < turn and m < turn]
        if before and any(self.signs[m].kinds - _FAINT for m in before) and len(before) < len(moves):
            yield from self._told(c, part, before)
            moves = moves[len(before) :]
        yield from self._told(c, part, moves)

    def _told(self, c: int, part: int, moves: list[int]) -> Iterator[Statement]:
        name = str(self.signs[part].part)
        negated = self._denied(c, moves[-1]) and not self._excepted(part)
        meant = [self._kinds(name, m, negated=negated) for m in moves]
        kinds = (denied_kinds if negated else affirmed_kinds)(meant, name)
        if name in ("lips", "mouth") and {self.signs[m].word for m in moves} == {"together"}:
            kinds = frozenset({"close"})  # "the lips stay together"
        if name == "jaw" and not negated and kinds == {"generic"} and self._sided(c):
            kinds = frozenset({"slide"})
        seen: set[tuple[str, ...]] = set()
        for kind, actions in MOVES[name]:
            idle = kind in NEGATIVE
            if (
                kind not in kinds
                or actions in seen
                or (kind == "generic" and not negated)
                or (idle and negated)
            ):
                continue
            seen.add(actions)
            opposite = actions[0].startswith("not ")
            bare = tuple(action.removeprefix("not ") for action in actions)
            told = {part, *({m for m in moves if kind in self.signs[m].kinds} or moves)}
            for each in bare[0].split(" + ") if " + " in bare[0] else [""]:
                denies = True if idle else negated is not opposite
                yield Statement(c, set(told), name, kind, (each,) if each else bare, denies)
            if not negated:
                return

    def _kinds(self, name: str, move: int, *, negated: bool) -> frozenset[str]:
        """What a word may say that a part does.

        A jaw that is *not clenched* need not drop, and eyes that are *not open wide* may be open.
        """
        sign = self.signs[move]
        if name == "jaw" and sign.word.startswith("clench"):
            return sign.kinds - {"close"}
        after = [one.word for one in self.signs[move + 1 : move + 3]]
        if negated and name in ("eyes", "lids") and not _WIDELY.isdisjoint(after):
            return sign.kinds - {"open"}
        return sign.kinds

    def _excepted(self, part: int) -> bool:
        """ "nothing lifts *except the brows*"."""
        home = next(chunk for chunk in self.chunks if chunk.first <= part < chunk.last)
        return self.signs[home.first].word in _EXCEPT

    def _paired(self, c: int) -> bool:
        """Whether a chunk speaks of a side or of the other one."""
        return self._paired_chunk(self.chunks[c])

    def _paired_chunk(self, chunk: Chunk) -> bool:
        return any(self.signs[i].side or self.signs[i].has("other") for i in range(chunk.first, chunk.last))

    def _sided(self, c: int) -> bool:
        near = self.chunks[max(c - 1, 0) : c + 1]
        return any(self.signs[i].side for chunk in near for i in range(chunk.first, chunk.last))

    def _denied(self, c: int, move: int) -> bool:
        """Whether a denial reaches a movement: in its chunk, or through a list that goes on."""
        chunk = self.chunks[c]
        if any(n <= move for n in chunk.noes):
            return True
        fronted = self.signs[chunk.first].word in ("of", "to")  # "of puckering the lips show no trace"
        after = [
            n
            for n in chunk.noes
            if fronted or (self.signs[n].has("after") and denies_being(self.signs, chunk, n))
        ]
        if chunk.noes:
            return bool(after) and not any(m > after[0] for m in (*chunk.moves, *chunk.acts))
        if c + 1 < len(self.chunks) and (self._cleft(c) or self._parted(c)):
            return True
        return c > 0 and (self._announced(c) or self._carried_denial(c))

    def _cleft(self, c: int) -> bool:
        """ "a frown is *what this forehead refuses*"."""
        chunk, after = self.chunks[c], self.chunks[c + 1]
        copula = self.signs[chunk.last - 1].word in ("is", "are", "was", "were")
        return copula and self.signs[after.first].word == "what" and bool(after.noes) and not after.moves

    def _parted(self, c: int) -> bool:
        """ "frowning, common in anger, *is absent*"; the insertion may be of two chunks: "for | once"."""
        inserted = self.chunks[c + 1]
        after = self.chunks[c + 2 : c + 4]
        predicate = next((chunk for chunk in after if chunk.opened == "comma"), None)
        if predicate is None or inserted.opened not in ("comma", "break"):
            return False
        if self.signs[inserted.first].word in _LISTING or not predicate.noes:
            return False
        no = predicate.noes[0]
        behind = self.signs[no + 1 : predicate.last]
        there = self.signs[no].word not in DENYING or any(tells_being(one) for one in behind)
        denies = self.signs[no].has("after") and there
        first = self.signs[predicate.first].word
        begins = first in _BEFORE_ABSENCE or no == predicate.first == predicate.last - 1
        return denies and begins and not (predicate.parts or predicate.moves or predicate.acts)

    def _announced(self, c: int) -> bool:
        """ "*missing* from the mouth: a smile, a downturn and *any tightening*"."""
        for k in range(c - 1, -1, -1):
            chunk, mark = self.chunks[k], self.signs[self.chunks[k + 1].first - 1].word
            if chunk.noes and mark in (":", "—", "–"):
                word = self.signs[chunk.noes[-1]]
                return word.has("after") and word.word not in _BRIEF and not chunk.moves and not chunk.acts
            if self.chunks[k + 1].opened not in ("comma", "and", "or") or chunk.noes:
                return False
        return False

    def _carried_denial(self, c: int) -> bool:
        """ "no lift of the lids *or of the brows*", "absent: a smile, a frown"."""
        chunk, before = self.chunks[c], self.chunks[c - 1]
        claimed = bool(before.noes) and self.signs[before.noes[-1]].word.endswith(" that")
        if claimed and chunk.opened == "and" and not chunk.parts:
            return True  # "no evidence that the lips are rounded *and thrust outward*"
        aim = self.signs[chunk.first].word == "for" and self.signs[chunk.first + 1].word in ("a", "an")
        if aim and not chunk.parts and before.moves:
            return self._denied(c - 1, before.moves[-1])  # "not pushed forward *for a kiss*"
        nominal = chunk.opened == "and" and self.signs[chunk.first].word in ("of", "any", "in", "at", "from")
        listed = chunk.opened == "comma" and (
            self._listed_to_or(c) or self.signs[chunk.first].word in _INCLUDING
        )
        if before.noes and not before.moves and not before.acts and not self._sided(c):
            last_no = self.signs[before.noes[-1]]
            brief = last_no.word.split()[0] in _BRIEF  # "tongue *not visible*"
            announced = self._goes_on(c) and last_no.has("after") and not brief
            if announced and not before.parts and chunk.opened == "comma":
                return True
        if chunk.opened != "or" and not nominal and not listed:
            return False
        last = (before.moves or before.acts or [before.last])[-1]
        return self._denied(c - 1, last)

    def _listed_to_or(self, c: int) -> bool:
        """ "no upturn, *downturn*, stretching *or* parting": a member of a list that ends with "or"."""
        for chunk in self.chunks[c + 1 :]:
            if chunk.opened == "or":
                return True
            if chunk.opened != "comma" or chunk.noes or chunk.last - chunk.first > _MEMBER:
                return False
        return False

    def _gone(self, chunk: Chunk) -> bool:
        """ "it does not *come*", "checked for*, not there*": what was told before is not there."""
        words = [self.signs[i].word for i in range(chunk.first, chunk.last)]
        return not _COMES.isdisjoint(words) or any(word.startswith((", not", "; not")) for word in words)

    def _ellipsis(self, c: int) -> None:
        """ "the lower not either", "it does not come": the statement before, of another part, or undone."""
        chunk = self.chunks[c]
        words = {self.signs[i].word for i in range(chunk.first, chunk.last)}
        before = [s for s in self.found if s.chunk < c]
        if not before or chunk.supposed_from is not None:
            return
        last = before[-1]
        if chunk.noes and len(words) <= 2 and self.signs[chunk.first - 1].word == "?":
            last.negated = True  # "Smile? None."
            return
        if self.signs[chunk.first].word == "with":
            words -= {"with"}  # "combined *with* the eyes": beside them
        if chunk.parts and (chunk.noes or words & _SAME):
            part = str(self.signs[chunk.parts[0]].part)
            actions = TABLES[part].get(last.kind)
            if actions and last.part not in (part, "act") and not actions[0].startswith("not "):
                denied = bool(chunk.noes) or last.negated
                actions = tuple(actions[0].split(" + ")) if " + " in actions[0] else actions
                self.found.append(Statement(c, {chunk.parts[0]}, part, last.kind, actions, denied))
        elif chunk.noes and not chunk.parts and words & _FOUND and not self._paired(c):
            last.negated = True  # "looked for ... and found none"
        elif "seen" in words and last.kind in ("suck", "inward"):
            return  # "swallowed, so that it cannot be seen"
        elif (
            chunk.noes
            and not chunk.parts
            and self._gone(chunk)
            and last.chunk >= c - 2
            and not self._paired(c)
        ):
            last.negated = True
            last.signs |= set(chunk.noes)


_MEMBER: Final = 3
_INCLUDING: Final = frozenset(("such as", "like", "including", "especially", "such"))
_FOUND: Final = frozenset("found finds find finding saw sees see got gets met meets".split())
_COMES: Final = frozenset(
    "come comes exist exists appear appears arrive arrives happen happens there materialise "
    "materialize follow follows occur occurs seen".split()
)
