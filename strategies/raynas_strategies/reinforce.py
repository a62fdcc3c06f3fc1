"""REINFORCE: a policy over choices, moved by what its samples earn."""

from __future__ import annotations

from random import Random

from raynas import History, Proposal, Sample, SearchSpace, Strategy, Trial
from raynas_strategies import arguments
from raynas_strategies.folded import Folded
from raynas_strategies.policy import Policy
from raynas_strategies.random import RandomSearch

STEPS = 8
"""How many mutations lead away from a sample that was tried before, until a random one is taken."""


class Learner:
    """The policy, and the baseline it is measured by.

    Attributes:
        policy: π.
        mean: b, the moving average of the rewards.
        spread: the moving average of their squared distances from it.
        seen: how many rewards there were.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.policy = Policy(space)
        self.mean = self.spread = 0.0
        self.seen = 0

    def advantage(self, reward: float, decay: float) -> float:
        """How much better a reward is than the baseline, in units of the usual distance; the baseline moves."""
        if not self.seen:
            self.mean = reward
        above = reward - self.mean
        self.seen += 1
        keep = min(decay, 1 - 1 / self.seen)
        self.mean += (1 - keep) * above
        self.spread = keep * self.spread + (1 - keep) * above * above
        return above / self.spread**0.5 if self.spread > 0 else 0.0


class Reinforce(Strategy):
    """Draws samples from a policy, which each result moves along the gradient of its reward.

    Zoph and Le, «Neural Architecture Search with Reinforcement Learning», ICLR 2017, by the rule of Williams,
    «Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning», 1992: to maximise
    J(θ) = E[R], the parameters move by Σ ∇ log P(a; θ)·(R − b) (the unbiased estimate with baseline in section 3.2),
    where R is the objective and the *baseline* b the exponential moving average of the earlier rewards. Here R − b is
    divided by its usual size, so that the learning rate does not depend on the metric's scale, and an entropy bonus
    keeps the policy from closing too early. Instead of the paper's recurrent controller, the policy holds one softmax
    for each choice, which a few hundred trials can teach.

    Args:
        learning_rate: the length of a step.
        baseline_decay: how much of the baseline stays at each reward.
        entropy: the weight of the entropy bonus.
    """

    def __init__(self, learning_rate: float = 0.3, baseline_decay: float = 0.9, entropy: float = 0.01) -> None:
        self.learning_rate = arguments.number("reinforce", "learning_rate", learning_rate, above=True)
        self.baseline_decay = arguments.number("reinforce", "baseline_decay", baseline_decay, 0, 1)
        self.entropy = arguments.number("reinforce", "entropy", entropy)
        self._random = RandomSearch()
        self._learners: tuple[SearchSpace, Folded[Learner]] | None = None

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        if self._learners is None or self._learners[0] is not space:
            self._learners = space, Folded(lambda: Learner(space), self._end)
        return drawn(self._learners[1].of(history).policy, self._random, space, history, rng)

    def _end(self, learner: Learner, trial: Trial, history: History) -> None:
        if trial.has_result:
            weight = self.learning_rate * learner.advantage(history.score(trial), self.baseline_decay)
            learner.policy.ascend(trial.sample, weight, self.learning_rate * self.entropy)


def drawn(policy: Policy, chance: RandomSearch, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
    """The policy's sample, or something new near it, with the logarithm of its probability."""
    size = space.size()
    if size is not None and history.distinct >= size:
        return None
    sample, log_probability = policy.draw(rng)
    if not history.proposed(sample):
        return Proposal(sample, note={"log_probability": log_probability})
    near: Sample | None = sample
    for _ in range(STEPS):
        near = space.mutate(near, rng) if near is not None else None
        if near is None or not history.proposed(near):
            break
    else:
        near = chance.ask(space, history, rng)
    return None if near is None else Proposal(near, note={"log_probability": policy.log_probability(near)})
