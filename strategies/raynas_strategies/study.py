"""Study: a history as Optuna sees it, asked for one more trial."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

from raynas import Categorical, ConfigError, Domain, History, IntUniform, Proposal, Sample, SearchSpace, Trial, Uniform
from raynas_strategies.random import RandomSearch

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

TRIES = 8
"""How often the sampler is asked for something new before a neighbour of its last answer is taken."""
STEPS = 8
"""How many steps from there may be taken until a random sample is."""

Samplers = Callable[[int], "BaseSampler"]
"""Makes a sampler of a seed."""


class Study:
    """Asks an Optuna sampler, whose only memory is the history.

    For every question a study is made that holds the history's trials, by number: those with a result as completed,
    open ones as running, failed and infeasible ones as failed. Then a trial is asked for, and each choice that counts
    under the ones before it is *suggested*, in the order of the space. So a conditional space reaches the sampler as
    Optuna's define-by-run does it: a choice that does not count is no parameter of the trial.

    A list of ascending numbers is a range to Optuna (of places in the list), any other list categories; so are all
    lists where `ordered` is False. What the sampler wants to remember of its own trial, such as its generation, stands
    in the note.

    Args:
        who: the strategy, for errors.
        sampler: makes the sampler.
        remembered: the beginnings of the names of the sampler's own attributes to keep.
        several: whether the sampler takes more than one objective; else the first one counts.
        ordered: whether ascending numbers are ranges.
    """

    def __init__(
        self, who: str, sampler: Samplers, remembered: tuple[str, ...] = (), several: bool = True, ordered: bool = True
    ) -> None:
        needed(who, "optuna")
        self._sampler = sampler
        self._remembered = remembered
        self._several = several
        self._ordered = ordered
        self._known: dict[int, tuple[Trial, FrozenTrial]] = {}

    def ask(
        self, space: SearchSpace, history: History, rng: Random, trials: Iterable[Trial] | None = None
    ) -> Proposal | None:
        """The sampler's proposal; None where the space is exhausted.

        Args:
            space: the choices.
            history: all trials, of which none is proposed again.
            rng: seeds the sampler.
            trials: those the sampler may see, by number; None: all of them.
        """
        import optuna

        size = space.size()
        if size is not None and history.distinct >= size:
            return None
        axes = {domain.label: Axis(domain, self._ordered) for domain in space if domain.size() != 1}
        directions: list[Any] = ["maximize"] * (len(history.objectives) if self._several else 1)
        sample = space.default()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental features of samplers; nothing a user could act on
            level = optuna.logging.get_verbosity()
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            try:
                study = optuna.create_study(sampler=self._sampler(rng.getrandbits(31)), directions=directions)
                study.add_trials([self._frozen(t, history, axes) for t in (history if trials is None else trials)])
                for _ in range(TRIES):
                    trial = study.ask()
                    sample = self._suggested(space, axes, trial)
                    if not history.proposed(sample):
                        break
                attributes = study.get_trials(deepcopy=False)[-1].system_attrs
            finally:
                optuna.logging.set_verbosity(level)
        kept = {key: value for key, value in attributes.items() if key.startswith(self._remembered or ("\0",))}
        sample = _near(sample, space, history, rng)
        return Proposal(sample, note={"sampler": kept} if kept else {})

    def _suggested(self, space: SearchSpace, axes: Mapping[str, Axis], trial: Any) -> Sample:
        chosen: dict[str, Any] = {}
        for domain in space:
            if domain.active(chosen):
                axis = axes.get(domain.label)
                chosen[domain.label] = domain.default if axis is None else axis.suggest(trial)
        return Sample(chosen)

    def _frozen(self, trial: Trial, history: History, axes: Mapping[str, Axis]) -> FrozenTrial:
        from optuna.trial import TrialState, create_trial

        known = self._known.get(trial.number)
        if known is not None and known[0] is trial:
            return known[1]
        values = None
        if trial.has_result:
            state = TrialState.COMPLETE
            values = list(history.scores(trial))[: None if self._several else 1]
        else:
            state = TrialState.FAIL if trial.state.ended else TrialState.RUNNING
        labels = [label for label in trial.sample if label in axes]
        frozen = create_trial(
            state=state,
            values=values,
            params={label: axes[label].inner(trial.sample[label]) for label in labels},
            distributions={label: axes[label].distribution for label in labels},
            system_attrs=dict(trial.note.get("sampler", {})),
        )
        self._known[trial.number] = trial, frozen
        return frozen


class Axis:
    """One choice as a parameter of Optuna's."""

    def __init__(self, domain: Domain, ordered: bool) -> None:
        from optuna import distributions as kinds

        self.label = domain.label
        self.distribution: BaseDistribution
        self._domain = domain
        self._is_range = False
        self._values: list[Any] = []
        self._places: dict[str, int] = {}
        if isinstance(domain, Uniform):
            self.distribution = kinds.FloatDistribution(domain.low, domain.high, log=domain.log)
        elif isinstance(domain, IntUniform):
            self.distribution = kinds.IntDistribution(domain.low, domain.high, log=domain.log)
        else:
            if domain.size() is None:
                raise ConfigError(f"Optuna's samplers do not know what kind of choice '{domain.label}' is: list values")
            self._values = list(domain.values())
            self._places = {repr(value): place for place, value in enumerate(self._values)}
            self._is_range = ordered and isinstance(domain, Categorical) and ascending(self._values)
            if self._is_range:
                self.distribution = kinds.IntDistribution(0, len(self._values) - 1)
            else:
                self.distribution = kinds.CategoricalDistribution(list(range(len(self._values))))

    def suggest(self, trial: Any) -> Any:
        value: Any
        if isinstance(self._domain, Uniform):
            value = trial.suggest_float(self.label, self._domain.low, self._domain.high, log=self._domain.log)
        elif isinstance(self._domain, IntUniform):
            value = trial.suggest_int(self.label, self._domain.low, self._domain.high, log=self._domain.log)
        elif self._is_range:
            value = trial.suggest_int(self.label, 0, len(self._values) - 1)
        else:
            value = trial.suggest_categorical(self.label, list(range(len(self._values))))
        return self._values[value] if self._values else value

    def inner(self, value: Any) -> Any:
        return self._places[repr(value)] if self._values else value


def ascending(values: list[Any]) -> bool:
    """Whether these are at least three numbers, each larger than the one before."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return numbers and len(values) > 2 and all(a < b for a, b in pairwise(values))


def needed(who: str, module: str) -> None:
    """Refuse to begin without a package that this strategy needs."""
    try:
        import_module(module)
    except ImportError as error:
        raise ConfigError(f"strategy {who} needs {module} ({error}): pip install 'raynas[optuna]'") from None


def _near(sample: Sample, space: SearchSpace, history: History, rng: Random) -> Sample:
    """The sample, or a new one a few mutations away, or any new one."""
    for _ in range(STEPS):
        if not history.proposed(sample):
            return sample
        sample = space.mutate(sample, rng) or sample
    return RandomSearch().ask(space, history, rng) or sample
