"""REINFORCE and PPO: a policy over choices that moves towards what earns more."""

from math import exp, log
from random import Random
from typing import Any

import pytest
from raynas_strategies.policy import Policy
from raynas_strategies.ppo import Ppo
from raynas_strategies.reinforce import Reinforce

from raynas import ConfigError, History, Sample, SearchSpace, Strategy
from raynas.search_space import Categorical
from raynas.testing import simulate, spaces
from raynas.testing.strategy_contract import landscape


@pytest.mark.parametrize("name", ["flat", "conditional", "whole numbers"])
def test_probabilities_of_all_samples_sum_to_one(name: str) -> None:
    policy = Policy(spaces()[name])
    for seed in range(20):
        policy.ascend(policy.draw(Random(seed))[0], 0.5)
    assert sum(exp(policy.log_probability(sample)) for sample in spaces()[name].grid()) == pytest.approx(1)


@pytest.mark.parametrize("name", sorted(spaces()))
def test_what_is_drawn_lies_in_the_space_and_has_that_probability(name: str) -> None:
    space = spaces()[name]
    policy = Policy(space)
    for seed in range(30):
        sample, log_probability = policy.draw(Random(seed))
        space.validate(sample)
        assert policy.log_probability(Sample.from_json(sample.to_json())) == log_probability
        policy.ascend(sample, 1.0)


def test_ascend_follows_the_gradient() -> None:
    """Against finite differences, for the log-probability and for the entropy."""
    space = SearchSpace([Categorical("x", candidates=(0, 1, 2))])

    def at(logits: list[float], weight: float, entropy: float) -> float:
        policy = Policy(space)
        policy.logits["x"] = logits
        chances = policy.chances("x")
        return weight * log(chances[1]) - entropy * sum(p * log(p) for p in chances)

    start = [0.3, -0.2, 0.5]
    for weight, entropy in ((1.0, 0.0), (0.0, 1.0), (-0.7, 0.4)):
        policy = Policy(space)
        policy.logits["x"] = list(start)
        policy.ascend({"x": 1}, weight, entropy)
        for i in range(3):
            nudged = [value + 1e-6 * (i == j) for j, value in enumerate(start)]
            slope = (at(nudged, weight, entropy) - at(start, weight, entropy)) / 1e-6
            assert policy.logits["x"][i] - start[i] == pytest.approx(slope, abs=1e-4)


@pytest.mark.parametrize("strategy", [Reinforce(), Ppo()])
def test_what_is_proposed_gets_better(strategy: Strategy) -> None:
    history = simulate(strategy, spaces()["large"], landscape, trials=400)
    scores = [history.score(trial) for trial in history.completed]
    assert sum(scores[-50:]) / 50 > sum(scores[:50]) / 50 + 2


@pytest.mark.parametrize("strategy", [Reinforce(), Ppo()])
def test_the_metric_s_scale_does_not_matter(strategy: Strategy) -> None:
    space = spaces()["large"]
    small = simulate(strategy, space, landscape, trials=60)
    large = simulate(strategy, space, lambda trial: 1024 * landscape(trial) - 512, trials=60)
    same = sum(a.sample == b.sample for a, b in zip(small, large, strict=True))
    assert same > 40, "but for rounding"


def test_ppo_steps_are_clipped() -> None:
    """A sample whose probability has grown past 1 + ε earns no more."""
    space = SearchSpace([Categorical("x", candidates=(0, 1))])
    one, zero = Sample({"x": 1}), Sample({"x": 0})
    ratios = []
    for epochs in (1, 100):
        policy = Policy(space)
        strategy = Ppo(batch_size=2, epochs=epochs, clip=0.2, learning_rate=0.05, entropy=0.0)
        before = log(0.5)
        strategy._learn(policy, [(one, before, 1.0), (zero, before, 0.0)])
        ratios.append(exp(policy.log_probability(one) - before))
    assert 1 < ratios[0] < 1.2
    assert 1.2 < ratios[1] < 1.25


def test_a_flat_landscape_teaches_nothing() -> None:
    for strategy in (Reinforce(entropy=0.0), Ppo(entropy=0.0)):
        history = simulate(strategy, spaces()["large"], lambda trial: 3.0, trials=40)
        expected = -12 * log(9)
        assert all(trial.note["log_probability"] == pytest.approx(expected) for trial in history)


@pytest.mark.parametrize(
    ("cls", "given", "words"),
    [
        (Reinforce, {"learning_rate": 0}, "learning_rate=0: give it a number above 0"),
        (Reinforce, {"baseline_decay": 2}, "baseline_decay=2: give it a number from 0 to 1"),
        (Ppo, {"batch_size": 1}, "batch_size=1: give it a whole number from 2"),
        (Ppo, {"clip": 0}, "clip=0"),
    ],
)
def test_bad_arguments(cls: Any, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        cls(**given)


def test_it_begins_evenly() -> None:
    counts = [0] * 9
    for seed in range(900):
        proposal = Reinforce().ask(spaces()["large"], History.of([], {"score": "max"}), Random(seed))
        assert proposal is not None
        counts[int(str(proposal.sample["block0.width"])) // 8 - 1] += 1
    assert min(counts) > 60
