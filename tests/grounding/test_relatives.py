"""What a relative clause says is of the part that it stands behind."""

import pytest
from told_faces import alarms


@pytest.mark.parametrize(("text", "moves", "otherwise"), [
    ("The brows come down over lower lids that have tensed.", "brow lower, lid tightener", "brow lower"),
    ("The brows are raised above lids that have closed.", "brow raise, eye close", "brow raise"),
    ("The brows are drawn together above upper lids that have risen.",
     "brow lower, lid raise", "brow lower"),
    ("The corners of the mouth rise beneath cheeks that have lifted.",
     "lip corner pull, cheek raiser", "lip corner pull"),
    ("The mouth corners rise beneath cheeks that have not lifted.",
     "lip corner pull", "lip corner pull, cheek raiser"),
    ("The lips are pressed together above a chin that is relaxed.", "lip pressor", "lip pressor, chin raise"),
    ("The upper lip lifts under a nose that is wrinkled.", "upper lip raise, nose wrinkle", "nose wrinkle"),
    ("The cheeks lift below lower lids that are tightened.", "cheek raiser, lid tightener", "cheek raiser"),
    ("The nose wrinkles above a mouth whose corners are turned down.",
     "nose wrinkle, lip corner depressor", "nose wrinkle"),
    ("The brows are lowered over eyes with tightened lower lids.", "brow lower, lid tightener", "brow lower"),
])  # fmt: skip
def test_a_part_that_only_says_where_moves_by_itself(text: str, moves: str, otherwise: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, otherwise)


@pytest.mark.parametrize(("text", "moves", "otherwise"), [
    ("The lips that have parted are stretched.", "lips part, lip corner stretch", "lips part"),
    ("The eyes that look out from under lowered brows are wide open.", "brow lower, lid raise", "brow lower"),
    ("The corners of the mouth, above a chin that is raised, turn down.",
     "lip corner depressor, chin raise", "chin raise"),
    ("The brows, which have come down over the eyes, are tense.", "brow lower", ""),
])  # fmt: skip
def test_behind_a_relative_clause_the_main_one_goes_on(text: str, moves: str, otherwise: str) -> None:
    assert alarms(text, moves) == []
    assert alarms(text, otherwise)
