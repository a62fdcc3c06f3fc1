"""BANANAS: Bayesian optimisation with an ensemble of neural predictors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from math import log
from random import Random
from typing import Any

from raynas import Domain, History, IntUniform, Proposal, Sample, SearchSpace, Strategy, Trial, Uniform
from raynas_strategies import arguments
from raynas_strategies.random import RandomSearch
from raynas_strategies.study import needed

PARENTS = 10
"""Candidates are mutations of so many of the best models, …"""
NEW = 100
"""… and there are so many of them."""


class Bananas(Strategy):
    """Proposes the mutation of a good model of which an ensemble of networks, asked at random, promises most.

    White, Neiswanger and Savani, «BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
    Search», AAAI 2021, Algorithm 1. In the paper's words: t₀ architectures are drawn uniformly at random; then, in each
    iteration, an *ensemble* of M meta neural networks is trained on the *path encodings* of all that were evaluated, a
    set of candidates is made by mutating the best ones, the acquisition function φ(x) is computed for each, and the
    best k are evaluated. φ is *independent Thompson sampling* (section 4): a draw from N(f̂(x), σ̂²(x)), the
    ensemble's mean and variance. The networks are fully connected.

    A strategy sees choices, not the graph, so a path here is one through the choices: a feature is «this choice counts
    and has this value», and a choice inside a branch has features only on the paths that reach it. The networks are
    scikit-learn's `MLPRegressor`, trained on standardised values.

    Args:
        startup_trials: t₀.
        ensemble: M.
        refit: k, after how many new results the ensemble is trained anew.
        hidden: the widths of a network's hidden layers.
        epochs: for how many epochs a network is trained at most.
    """

    def __init__(
        self,
        startup_trials: int | None = None,
        ensemble: int = 5,
        refit: int = 10,
        hidden: Sequence[int] = (20, 20, 20),
        epochs: int = 200,
    ) -> None:
        self._startup = (
            10 if startup_trials is None else arguments.whole("bananas", "startup_trials", startup_trials, 2)
        )
        self.startup_trials = startup_trials
        self.ensemble = arguments.whole("bananas", "ensemble", ensemble, 2)
        self.refit = arguments.whole("bananas", "refit", refit)
        self.hidden = [arguments.whole("bananas", "hidden", width) for width in hidden]
        self.epochs = arguments.whole("bananas", "epochs", epochs)
        needed("bananas", "sklearn")
        self._random = RandomSearch()
        self._fitted: tuple[Trial, Predictor] | None = None

    def check(self, space: SearchSpace, objectives: Mapping[str, str], max_trials: int | None) -> None:
        if self.startup_trials is not None:
            arguments.fits("bananas", "startup_trials", self.startup_trials, max_trials)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        seen = len(history.completed) // self.refit * self.refit
        if seen < self._startup:
            return self._random.ask(space, history, rng)
        candidates = _candidates(space, history, rng)
        if not candidates:
            return self._random.ask(space, history, rng)
        predictor = self._predictor(space, history, seen)
        means, deviations = predictor.judge(candidates)
        promises = [rng.gauss(mean, deviation) for mean, deviation in zip(means, deviations, strict=True)]
        best = max(range(len(candidates)), key=promises.__getitem__)
        return Proposal(candidates[best], note={"predicted": means[best]})

    def _predictor(self, space: SearchSpace, history: History, seen: int) -> Predictor:
        last = history.completed[seen - 1]
        if self._fitted is None or self._fitted[0] is not last:
            trials = history.completed[:seen]
            scores = [history.score(trial) for trial in trials]
            samples = [trial.sample for trial in trials]
            self._fitted = last, Predictor(space, samples, scores, self.ensemble, self.hidden, self.epochs)
        return self._fitted[1]


class Predictor:
    """The ensemble, trained."""

    def __init__(
        self,
        space: SearchSpace,
        samples: Sequence[Sample],
        scores: Sequence[float],
        ensemble: int,
        hidden: Sequence[int],
        epochs: int,
    ) -> None:
        import numpy as np
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        self._encoders = [encoder(domain) for domain in space if domain.size() != 1]
        self._mean = float(np.mean(scores))
        self._spread = float(np.std(scores)) or 1.0
        inputs = self._encoded(samples)
        targets = (np.array(scores) - self._mean) / self._spread
        self._networks = []
        for seed in range(ensemble):
            network = MLPRegressor(
                hidden_layer_sizes=tuple(hidden), max_iter=epochs, learning_rate_init=0.01, random_state=seed
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                self._networks.append(network.fit(inputs, targets))

    def judge(self, samples: Sequence[Sample]) -> tuple[list[float], list[float]]:
        """The ensemble's mean and deviation for each sample."""
        import numpy as np

        inputs = self._encoded(samples)
        values = np.array([network.predict(inputs) for network in self._networks]) * self._spread + self._mean
        return values.mean(axis=0).tolist(), values.std(axis=0, ddof=1).tolist()

    def _encoded(self, samples: Sequence[Sample]) -> Any:
        import numpy as np

        return np.array([[at for encode in self._encoders for at in encode(sample)] or [0.0] for sample in samples])


def encoder(domain: Domain) -> Any:
    """What turns a sample into the features of one choice; all of them 0 where it does not count."""
    label = domain.label
    if isinstance(domain, Uniform | IntUniform):
        low, high = domain.low, domain.high

        def number(sample: Sample) -> list[float]:
            if label not in sample:
                return [0.0, 0.0]
            value: Any = sample[label]
            at = log(value / low) / log(high / low) if domain.log else (value - low) / (high - low)
            return [1.0, at]

        return number
    places = {repr(value): place for place, value in enumerate(domain.values())}

    def category(sample: Sample) -> list[float]:
        features = [0.0] * len(places)
        if label in sample:
            features[places[repr(sample[label])]] = 1.0
        return features

    return category


def _candidates(space: SearchSpace, history: History, rng: Random) -> list[Sample]:
    """New mutations of the best models."""
    best = history.top(PARENTS)
    found: dict[Sample, None] = {}
    for _ in range(NEW):
        sample = space.mutate(best[rng.randrange(len(best))].sample, rng)
        if sample is not None and not history.proposed(sample):
            found[sample] = None
    return list(found)
