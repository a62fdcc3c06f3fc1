"""PPO: a policy over choices that learns several times from each batch of results, in clipped steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, sqrt
from random import Random

from raynas import History, Proposal, Sample, SearchSpace, Strategy, Trial
from raynas_strategies import arguments
from raynas_strategies.folded import Folded
from raynas_strategies.policy import Policy
from raynas_strategies.random import RandomSearch
from raynas_strategies.reinforce import drawn

BATCH = 10
"""The batch, where nothing is said of it."""


@dataclass
class Learner:
    """The policy, and the results that it has still to learn from: sample, log-probability when drawn, reward."""

    policy: Policy
    batch: list[tuple[Sample, float, float]] = field(default_factory=list)


class Ppo(Strategy):
    """Draws samples from a policy, which learns from batches by the clipped surrogate objective.

    Schulman, Wolski, Dhariwal, Radford and Klimov, «Proximal Policy Optimization Algorithms», 2017; for architectures
    first used by Zoph, Vasudevan, Shlens and Le, CVPR 2018. For each batch, some *epochs* of gradient ascent on
    L = E[min(r(θ)·A, clip(r(θ), 1−ε, 1+ε)·A)] (eq. 7) plus an entropy bonus (eq. 9), where r(θ) is the ratio of the
    sample's probabilities under the policy now and under the one that drew it (eq. 6). A is the reward less the batch's
    mean, in units of its deviation. The probability under which a sample was drawn stands in its note, so trials that
    many workers finish late are weighed as they should be. The policy holds one softmax for each choice.

    Args:
        batch_size: how many results make a batch; None: 10.
        epochs: how often a batch is gone through.
        clip: ε.
        learning_rate: the length of a step.
        entropy: the weight of the entropy bonus.
    """

    def __init__(
        self,
        batch_size: int | None = None,
        epochs: int = 4,
        clip: float = 0.2,
        learning_rate: float = 0.3,
        entropy: float = 0.01,
    ) -> None:
        self._batch_size = BATCH if batch_size is None else arguments.whole("ppo", "batch_size", batch_size, 2)
        self.batch_size = batch_size
        self.epochs = arguments.whole("ppo", "epochs", epochs)
        self.clip = arguments.number("ppo", "clip", clip, 0, 1, above=True)
        self.learning_rate = arguments.number("ppo", "learning_rate", learning_rate, above=True)
        self.entropy = arguments.number("ppo", "entropy", entropy)
        self._random = RandomSearch()
        self._learners: tuple[SearchSpace, Folded[Learner]] | None = None

    def check(self, space: SearchSpace, objectives: Mapping[str, str], max_trials: int | None) -> None:
        if self.batch_size is not None:
            arguments.fits("ppo", "batch_size", self.batch_size, max_trials)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        if self._learners is None or self._learners[0] is not space:
            self._learners = space, Folded(lambda: Learner(Policy(space)), self._end)
        return drawn(self._learners[1].of(history).policy, self._random, space, history, rng)

    def _end(self, learner: Learner, trial: Trial, history: History) -> None:
        if not trial.has_result or "log_probability" not in trial.note:
            return
        learner.batch.append((trial.sample, trial.note["log_probability"], history.score(trial)))
        if len(learner.batch) == self._batch_size:
            self._learn(learner.policy, learner.batch)
            learner.batch = []

    def _learn(self, policy: Policy, batch: list[tuple[Sample, float, float]]) -> None:
        rewards = [reward for _, _, reward in batch]
        mean = sum(rewards) / len(rewards)
        deviation = sqrt(sum((reward - mean) ** 2 for reward in rewards) / len(rewards))
        if deviation == 0:
            return
        for _ in range(self.epochs):
            for sample, before, reward in batch:
                advantage = (reward - mean) / deviation
                ratio = exp(min(policy.log_probability(sample) - before, 20.0))
                clipped = ratio > 1 + self.clip if advantage > 0 else ratio < 1 - self.clip
                weight = 0.0 if clipped else self.learning_rate * ratio * advantage
                policy.ascend(sample, weight, self.learning_rate * self.entropy)
