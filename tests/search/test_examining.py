from __future__ import annotations

import pickle

import pytest

from raynas import Sample, SearchSpace
from raynas.errors import ConfigError, GraphError
from raynas.search import Designs, Examiner
from raynas.search.examining import Examined, unexamined
from raynas.search_space import Categorical

SPACE = SearchSpace([Categorical("x", candidates=tuple(range(100)))])


class Network:
    made = 0

    def __init__(self, number: int) -> None:
        if number == 99:
            raise GraphError("99 cannot be")
        self.number = number % 10

    def fingerprint(self) -> str:
        return f"f{self.number}"

    def source(self) -> str:
        Network.made += 1
        return f"source {self.number}"


def reject(network: Network, sample: Sample) -> str | None:
    return "it is five" if network.number == 5 else None


EXAMINE = Examiner(Designs(SPACE, lambda s: Network(int(s["x"])), lambda s: "", reject=reject))  # type: ignore[call-overload]  # a number


def test_what_is_trained_has_a_text_and_what_is_rejected_a_reason() -> None:
    assert EXAMINE(Sample({"x": 13})) == Examined("f3", "source 3")
    assert EXAMINE(Sample({"x": 15})) == Examined("f5", rejected="it is five")


def test_no_text_is_made_of_what_is_not_trained_nor_twice_of_one_network() -> None:
    before = Network.made
    EXAMINE(Sample({"x": 25}))
    assert Network.made == before
    assert {EXAMINE(Sample({"x": 4 + 10 * tens})).source for tens in range(5)} == {"source 4"}
    assert Network.made == before + 1


def test_where_there_is_no_network_the_sample_itself_is_named() -> None:
    sample, other = Sample({"x": 99}), Sample({"x": 98})
    assert EXAMINE(sample) == Examined(unexamined(sample), rejected="99 cannot be")
    assert unexamined(sample) != unexamined(other)


@pytest.mark.parametrize("number", [1, 5, 99])
def test_what_was_found_out_travels(number: int) -> None:
    found = EXAMINE(pickle.loads(pickle.dumps(Sample({"x": number}))))
    assert pickle.loads(pickle.dumps(found)) == found == EXAMINE(Sample({"x": number}))


def test_a_mistake_in_the_settings_is_no_fault_of_the_sample() -> None:
    def reject(network: Network, sample: Sample) -> str | None:
        raise ConfigError("constraint 'small' failed")

    designs = Designs(SPACE, lambda s: Network(int(s["x"])), lambda s: "", reject=reject)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="'small' failed"):
        Examiner(designs)(Sample({"x": 1}))
