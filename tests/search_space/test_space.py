"""The laws of a search space, on generated spaces whose conditions nest three deep and share parents."""

import itertools
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.errors import SampleError, SpaceError
from raynas.search_space import Categorical, Condition, Domain, Sample, SearchSpace, Value

VALUES: tuple[Value, ...] = (0, 1, 1.0, True, None, "conv", (3, 3))
CONV = Condition("op", ("conv",))


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Up to seven choices on up to four floors; a choice's conditions look at those on lower floors."""
    domains: list[Categorical] = []
    floors: list[int] = []
    for i in range(draw(st.integers(0, 7))):
        candidates = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3, unique_by=repr))
        floor = draw(st.integers(0, 3))
        below = [domain for domain, other in zip(domains, floors, strict=True) if other < floor]
        when: list[tuple[Condition, ...]] = []
        if below:
            for _ in range(draw(st.integers(1, 3))):
                parents = draw(st.lists(st.sampled_from(below), max_size=2))
                # A value that is no candidate makes a condition that never holds; no parent, one that always does.
                when.append(
                    tuple(
                        Condition(p.label, tuple(draw(st.lists(st.sampled_from((*p.candidates, "other")), max_size=2))))
                        for p in parents
                    )
                )
        domains.append(Categorical(f"choice{i}", tuple(when), candidates=tuple(candidates)))
        floors.append(floor)
    return SearchSpace(domains)


def brute_force(space: SearchSpace) -> list[Sample]:
    """All samples in order, by trying every combination of all values and leaving out what does not count."""
    found: dict[Sample, None] = {}
    for values in itertools.product(*(list(domain.values()) for domain in space)):
        chosen: dict[str, Value] = {}
        for domain, value in zip(space, values, strict=True):
            if counts(domain, chosen):
                chosen[domain.label] = value
        found[Sample(chosen)] = None
    return list(found)


def counts(domain: Domain, chosen: Mapping[str, Value]) -> bool:
    if not domain.when:
        return True
    return any(
        all(any(repr(chosen.get(c.label, ...)) == repr(value) for value in c.values) for c in clause)
        for clause in domain.when
    )


@given(spaces())
def test_size_and_grid_are_those_of_brute_force(space: SearchSpace) -> None:
    samples = brute_force(space)
    assert list(space.grid()) == samples
    assert space.size() == len(samples)


@given(spaces(), st.data())
def test_grid_begins_anywhere(space: SearchSpace, data: st.DataObject) -> None:
    samples = list(space.grid())
    place = data.draw(st.integers(0, len(samples) - 1))
    assert list(space.grid(samples[place])) == samples[place + 1 :]


@given(spaces(), st.integers())
def test_every_sample_it_makes_lies_in_it(space: SearchSpace, seed: int) -> None:
    rng = Random(seed)
    known = set(brute_force(space))
    for sample in (space.default(), space.random(rng)):
        assert sample in known
        assert space.contains(sample)


@given(spaces(), st.integers())
def test_mutate_gives_another_sample_unless_there_is_one_only(space: SearchSpace, seed: int) -> None:
    rng = Random(seed)
    sample = space.random(rng)
    for _ in range(10):
        mutated = space.mutate(sample, rng)
        if space.size() == 1:
            assert mutated is None
            return
        assert mutated is not None
        assert mutated != sample
        assert space.contains(mutated)
        changed = [
            label for label in sample if label in mutated and Sample({0: mutated[label]}) != Sample({0: sample[label]})
        ]
        assert len(changed) == 1, "one choice changes; others only begin or cease to count"
        sample = mutated


@given(spaces(), st.integers())
def test_complete_keeps_what_counts_and_draws_the_rest(space: SearchSpace, seed: int) -> None:
    rng = Random(seed)
    wish = {label: value for label, value in space.random(rng).items() if rng.random() < 0.5}
    completed = space.complete({**wish, "stranger": 1}, rng)
    assert space.contains(completed)
    assert space.complete(completed, rng) == completed
    for domain in space:
        if not domain.when and domain.label in wish:
            assert Sample({"": completed[domain.label]}) == Sample({"": wish[domain.label]})


def test_complete_draws_anew_what_lies_outside() -> None:
    space = SearchSpace([Categorical("width", candidates=(8, 16))])
    assert space.complete({"width": 8.0}, Random(0))["width"] in (8, 16)
    assert type(space.complete({"width": 8.0}, Random(0))["width"]) is int


@given(spaces())
def test_round_trip_through_json(space: SearchSpace) -> None:
    again = SearchSpace.from_json(space.to_json())
    assert again == space
    assert hash(again) == hash(space)
    assert list(again.grid()) == list(space.grid())
    assert again.domains == space.domains


@given(spaces(), st.data())
def test_contains_nothing_else(space: SearchSpace, data: st.DataObject) -> None:
    """A sample with one value changed, left out or added is contained only if brute force finds it."""
    known = set(brute_force(space))
    values = dict(data.draw(st.sampled_from(sorted(known, key=Sample.to_json))))
    label = data.draw(st.sampled_from([domain.label for domain in space] or ["choice0"]))
    if data.draw(st.booleans()):
        values[label] = data.draw(st.sampled_from(VALUES))
    else:
        values.pop(label, None)
    assert space.contains(values) == (Sample(values) in known)


def test_random_reaches_everything() -> None:
    space = SearchSpace(
        [Categorical("op", candidates=("conv", "pool")), Categorical("kernel", ((CONV,),), candidates=(3, 5))]
    )
    rng = Random(0)
    assert {space.random(rng) for _ in range(100)} == set(space.grid())


def test_size_of_a_space_that_nobody_could_enumerate() -> None:
    blocks = [
        domain
        for i in range(100)
        for domain in (
            Categorical(f"op{i}", ((Condition("depth", tuple(range(i + 1, 101))),),), candidates=("conv", "pool")),
            Categorical(f"kernel{i}", ((Condition(f"op{i}", ("conv",)),),), candidates=(3, 5, 7)),
        )
    ]
    space = SearchSpace([Categorical("depth", candidates=tuple(range(1, 101))), *blocks])
    assert space.size() == sum(4**depth for depth in range(1, 101))


def test_grid_of_many_choices_is_lazy() -> None:
    space = SearchSpace([Categorical(f"choice{i}", candidates=(0, 1)) for i in range(3000)])
    first = list(itertools.islice(space.grid(), 3))
    assert [sample["choice2999"] for sample in first] == [0, 1, 0]
    assert first[2]["choice2998"] == 1


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"op": "conv"}, "the sample leaves out 'kernel': give it one of 3, 5"),
        ({"op": "convolution"}, "the sample sets 'op' to 'convolution': give it one of 'conv', 'pool'"),
        ({"op": "conv", "kernel": 3.0}, "the sample sets 'kernel' to 3.0: give it one of 3, 5"),
        (
            {"op": "pool", "kernel": 3},
            "the sample sets 'kernel', which does not count under its other values: leave it out",
        ),
        ({"op": "pool", "width": 3}, "there is no choice 'width': the space has 'op', 'kernel'"),
        ({"op": ["pool"]}, "the sample sets 'op' to ['pool']: give it one of 'conv', 'pool'"),
        ({"op": object}, "the sample sets 'op' to <class 'object'>: give it one of 'conv', 'pool'"),
    ],
)
def test_validate_names_label_and_cure(sample: dict[str, Value], message: str) -> None:
    space = SearchSpace(
        [Categorical("op", candidates=("conv", "pool")), Categorical("kernel", ((CONV,),), candidates=(3, 5))]
    )
    with pytest.raises(SampleError) as caught:
        space.validate(sample)
    assert str(caught.value) == message
    assert not space.contains(sample)


def test_a_label_stands_for_one_choice() -> None:
    with pytest.raises(SpaceError, match="label 'width' stands for two choices"):
        SearchSpace([Categorical("width", candidates=(8,)), Categorical("width", candidates=(8,))])


def test_conditions_look_back() -> None:
    kernel = Categorical("kernel", ((CONV,),), candidates=(3, 5))
    with pytest.raises(SpaceError, match="'kernel' depends on 'op', which does not come before it"):
        SearchSpace([kernel, Categorical("op", candidates=("conv", "pool"))])


def test_a_list_of_values_is_cut_short_in_messages() -> None:
    space = SearchSpace([Categorical("width", candidates=tuple(range(100)))])
    with pytest.raises(SampleError, match=r"10, 11, … \(100 values\)$"):
        space.validate({})


class TestMerged:
    width = Categorical("width", candidates=(8, 16))
    op = Categorical("op", candidates=("conv", "pool"))

    def test_joins_the_choices_in_order(self) -> None:
        rate = Categorical("rate", candidates=(0.1, 0.01))
        assert SearchSpace([self.width]).merged(SearchSpace([rate, self.width])) == SearchSpace([self.width, rate])

    def test_refuses_two_domains_under_one_label(self) -> None:
        with pytest.raises(SpaceError, match="label 'width' stands for one of 8, 16 and for one of 8, 32"):
            SearchSpace([self.width]).merged(SearchSpace([Categorical("width", candidates=(8, 32))]))

    def test_a_choice_that_always_counts_in_one_always_counts(self) -> None:
        conditional = SearchSpace([self.op, Categorical("width", ((CONV,),), candidates=(8, 16))])
        assert conditional.size() == 3
        for merged in (conditional.merged(SearchSpace([self.width])), SearchSpace([self.width]).merged(conditional)):
            assert merged.size() == 4
            assert merged["width"].when == ()

    def test_a_choice_counts_where_it_does_in_either(self) -> None:
        mine = SearchSpace([self.op, Categorical("width", ((CONV,),), candidates=(8, 16))])
        mode = Categorical("mode", candidates=("a", "b", "c"))
        other = SearchSpace([mode, Categorical("width", ((Condition("mode", ("a",)),),), candidates=(8, 16))])
        merged = mine.merged(other)
        assert [domain.label for domain in merged] == ["op", "mode", "width"]
        assert merged.size() == 3 * 2 + 1 * 2 + 2
        assert merged.merged(mine) == merged
