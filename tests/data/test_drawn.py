"""`--limit`: the same samples every time, in the order of the data set."""

from expllm.core.vocabulary import Expression
from expllm.data import Sample
from expllm.data.drawn import drawn_samples

SAMPLES = [
    Sample(id=f"{label}/{number}.jpg", expression=label)
    for label in (Expression.ANGER, Expression.FEAR)
    for number in range(50)
]


def ids(limit: int | None, seed: int | None = None) -> list[str]:
    return [sample.id for _, sample in drawn_samples(SAMPLES, limit, seed)]


def test_places_are_those_of_the_data_set() -> None:
    found = list(drawn_samples(SAMPLES, 20))
    assert len(found) == 20
    assert all(SAMPLES[place] is sample for place, sample in found)
    assert [place for place, _ in found] == sorted(place for place, _ in found)


def test_all_are_taken_without_a_limit_and_by_a_larger_one() -> None:
    assert ids(None) == ids(1000) == [sample.id for sample in SAMPLES]


def test_a_smaller_limit_takes_some_of_a_larger_one_and_of_each_class() -> None:
    assert set(ids(10)) < set(ids(30))
    assert {name.split("/")[0] for name in ids(30)} == {"anger", "fear"}


def test_another_seed_draws_others() -> None:
    assert ids(10, 1) == ids(10, 1) != ids(10, 2)
