"""Policy: a distribution over samples that can be moved towards the better ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, log
from random import Random
from typing import Any

from raynas import Domain, IntUniform, Sample, SearchSpace, Uniform

LISTED = 32
"""A number with more values than this, or endlessly many, …"""
BINS = 16
"""… is cut into so many intervals; within one, the draw is even."""


class Policy:
    """π(a; θ): a softmax over the values of each choice, given that it counts; choices are drawn in the space's order.

    The probability of a sample is the product over the choices that count in it, so choices of a branch learn from the
    trials that took this branch. θ holds a logit for each value, all 0 in the beginning.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._actions = {domain.label: Actions(domain) for domain in space if domain.size() != 1}
        self.logits = {label: [0.0] * len(actions) for label, actions in self._actions.items()}

    def draw(self, rng: Random) -> tuple[Sample, float]:
        """A sample, and the logarithm of its probability."""
        values: dict[str, Any] = {}
        total = 0.0
        for domain in self.space:
            if not domain.active(values):
                continue
            if domain.label not in self._actions:
                values[domain.label] = domain.default
                continue
            chances = self.chances(domain.label)
            action = rng.choices(range(len(chances)), chances)[0]
            values[domain.label] = self._actions[domain.label].value(action, rng)
            total += log(chances[action])
        return Sample(values), total

    def log_probability(self, sample: Mapping[str, Any]) -> float:
        """log π(sample; θ), up to where within its interval a number lies."""
        return sum(log(self.chances(label)[action]) for label, action in self.taken(sample))

    def chances(self, label: str) -> list[float]:
        """The probabilities of a choice's values."""
        logits = self.logits[label]
        top = max(logits)
        weights = [exp(logit - top) for logit in logits]
        total = sum(weights)
        # No value's probability vanishes, so that each logarithm is finite.
        return [max(weight / total, 1e-12) for weight in weights]

    def ascend(self, sample: Mapping[str, Any], weight: float, entropy: float = 0.0) -> None:
        """θ ← θ + weight·∇log π(sample; θ) + entropy·∇H(π), over the choices that count in the sample."""
        for label, action in self.taken(sample):
            chances = self.chances(label)
            h = -sum(p * log(p) for p in chances)
            for other, p in enumerate(chances):
                step = weight * ((other == action) - p) - entropy * p * (log(p) + h)
                self.logits[label][other] += step

    def taken(self, sample: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
        """The actions that make up a sample, in the space's order."""
        for label, actions in self._actions.items():
            if label in sample:
                yield label, actions.action(sample[label])


class Actions:
    """What may be done about one choice: its values, or the intervals of a number."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        size = domain.size()
        self._cut = isinstance(domain, Uniform | IntUniform) and (size is None or size > LISTED)
        self._values = [] if self._cut else list(domain.values())
        self._places = {repr(value): place for place, value in enumerate(self._values)}

    def __len__(self) -> int:
        return BINS if self._cut else len(self._values)

    def value(self, action: int, rng: Random) -> Any:
        if not self._cut:
            return self._values[action]
        domain = self._domain
        assert isinstance(domain, Uniform | IntUniform)
        at = (action + rng.random()) / BINS
        low, high = domain.low, domain.high
        value = exp(log(low) + (log(high) - log(low)) * at) if domain.log else low + (high - low) * at
        return min(max(round(value) if isinstance(domain, IntUniform) else value, low), high)

    def action(self, value: Any) -> int:
        if not self._cut:
            return self._places[repr(value)]
        domain = self._domain
        assert isinstance(domain, Uniform | IntUniform)
        low, high = domain.low, domain.high
        at = log(value / low) / log(high / low) if domain.log else (value - low) / (high - low)
        return min(max(int(at * BINS), 0), BINS - 1)
