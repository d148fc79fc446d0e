"""What is known of each data set: how to obtain it, under what terms, and how much of it there is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from expllm.core.vocabulary import Expression

CAPTIONS: Final = "cc3m"
"""What the captions of stage 1 are called beside the kinds of data sets."""


@dataclass(frozen=True)
class About:
    """A data set as its publishers describe it.

    Attributes:
        title: Its name.
        obtain: How to obtain it, with the address.
        terms: Its licence, in a sentence.
        classes: Split -> label -> faces; a data set that has fewer is not whole.
        totals: Split -> rows, those that become no sample included; several where several editions go round.
            The split "" is the whole.
        source: Where these numbers come from.
    """

    title: str
    obtain: str
    terms: str
    classes: Mapping[str, Mapping[Expression, int]] = field(default_factory=dict)
    totals: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    source: str = ""

    @property
    def published(self) -> int | None:
        """Rows or faces over all splits, of the largest edition; None where no number is known."""
        if self.totals:
            return sum(max(counts) for counts in self.totals.values())
        return sum(sum(faces.values()) for faces in self.classes.values()) or None


def _counts(**counts: int) -> Mapping[Expression, int]:
    return MappingProxyType({Expression(name): count for name, count in counts.items()})


_AFFECTNET: Final = "ask with the signed form of mohammadmahoor.com/pages/databases/affectnet"
_SIGNED: Final = "Research only, under the signed licence; no redistribution."
_WEB_PHOTOS: Final = "The photographs come from the web and have no clear licence: research only."
_PAPER: Final = "the ExpLLM paper, section IV"

OWN: Final = About(
    "a data set of your own",
    "lay your pictures out as docs/data.md says",
    "Yours to say: whoever is in the pictures must have agreed.",
)

ABOUT: Final[Mapping[str, About]] = MappingProxyType(
    {
        "rafdb": About(
            "RAF-DB, basic expressions",
            "write to its authors from a university's address: www.whdeng.cn/RAF/model1.html",
            "Non-commercial research only; no redistribution.",
            classes={
                "train": _counts(
                    surprise=1290,
                    fear=281,
                    disgust=717,
                    happiness=4772,
                    sadness=1982,
                    anger=705,
                    neutral=2524,
                ),
                "test": _counts(
                    surprise=329, fear=74, disgust=160, happiness=1185, sadness=478, anger=162, neutral=680
                ),
            },
            source="its authors' list of labels",
        ),
        "affectnet8": About(
            "AffectNet, eight expressions",
            _AFFECTNET,
            _SIGNED,
            totals={"train": (287_568, 37_553), "valid": (4_000,)},
            source=f"{_PAPER} (37,553: the copy on Kaggle)",
        ),
        "affectnet7": About(
            "AffectNet, seven expressions", _AFFECTNET, _SIGNED, totals={"valid": (3_500,)}, source=_PAPER
        ),
        "ferplus": About(
            "FER+",
            "take the votes from github.com/microsoft/FERPlus, the pictures from FER-2013's Kaggle challenge",
            f"The votes are under the MIT licence. {_WEB_PHOTOS}",
            totals={"train": (28_561, 28_709), "valid": (3_579, 3_589), "test": (3_574, 3_589)},
            source="the Parquet files, which leave out what FER+ says is no face; or FER-2013's own rows",
        ),
        "fer2013": About(
            "FER-2013",
            "take it from its Kaggle challenge: kaggle.com/c/"
            "challenges-in-representation-learning-facial-expression-recognition-challenge",
            _WEB_PHOTOS,
            totals={"train": (28_709,), "valid": (3_589,), "test": (3_589,)},
            source="its Kaggle challenge",
        ),
        "ckplus": About(
            "CK+, the extended Cohn-Kanade set",
            "ask with the signed agreement of www.jeffcohn.net/Resources",
            "Research only, under the signed agreement; only the people that it names may be shown in print.",
            classes={
                "": _counts(anger=45, contempt=18, disgust=59, fear=25, happiness=69, sadness=28, surprise=83)
            },
            source="Lucey et al., 2010: 327 labelled sequences of 593",
        ),
        "jaffe": About(
            "JAFFE, Japanese female facial expressions",
            "ask for access at zenodo.org/records/3451524",
            "Non-commercial research only; no redistribution.",
            classes={
                "": _counts(neutral=30, happiness=31, sadness=31, surprise=30, fear=32, disgust=29, anger=30)
            },
            source="its authors: 213 pictures of ten women",
        ),
        "kdef": About(
            "KDEF, Karolinska directed emotional faces",
            "register at www.kdef.se",
            "Non-commercial research only; a few of the pictures may be shown in print.",
            totals={"": (4_900,)},
            source="its authors: 70 people, seven expressions, five angles, two sessions",
        ),
        "expw": About(
            "ExpW, Expression in-the-Wild",
            "ask its authors: mmlab.ie.cuhk.edu.hk/projects/socialrelation",
            "Non-commercial research only; no redistribution. The photographs come from the web.",
            totals={"": (91_793,)},
            source=_PAPER,
        ),
        CAPTIONS: About(
            "Captions of CC3M for stage 1",
            "take chat.json and images.zip of huggingface.co/datasets/liuhaotian/LLaVA-CC3M-Pretrain-595K, "
            "or the shards of huggingface.co/datasets/pixparse/cc3m-wds",
            "Captions under the terms of Conceptual Captions; the pictures belong to others: research only.",
            totals={"": (595_375,)},
            source="LLaVA's chat.json; shards of all of CC3M hold up to 3.3 million",
        ),
    }
)
"""Kind -> what is known of it. Other kinds are layouts, of data of anybody's own."""


def about(kind: str) -> About:
    return ABOUT.get(kind, OWN)
