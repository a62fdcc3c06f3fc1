"""Tables: of a run's trials, as text in rows; how they look is decided elsewhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from raynas.search_space import SearchSpace
from raynas.search_space.domain import exact
from raynas.trial import History, Trial, TrialState


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        title: what it shows.
        columns: their heads.
        rows: as many cells as there are columns in each.
        note: a sentence that belongs to it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def ranking(history: History, k: int) -> Table:
    """The k best trained trials, best first."""
    metrics = tuple(history.objectives)
    rows = tuple(
        (str(rank), str(trial.number), *_values(trial, metrics), f"{trial.seconds:.1f}", described(trial))
        for rank, trial in enumerate(history.top(k), 1)
    )
    answered = sum(trial.twin is not None for trial in history.ended)
    proposals = "1 proposal" if answered == 1 else f"{answered} proposals"
    note = f"{proposals} shared the result of an equal one and cost no training." if answered else ""
    return Table(f"The best {len(rows)}", ("rank", "trial", *metrics, "seconds", "choices"), rows, note)


def states(trials: Sequence[Trial]) -> Table:
    """How many trials are in which state; those that share another's result apart."""
    counts = Counter("shares another's result" if trial.twin is not None else str(trial.state) for trial in trials)
    order = [*map(str, TrialState), "shares another's result"]
    return Table("Trials", ("state", "trials"), tuple((s, str(counts[s])) for s in order if counts[s]))


def records(history: History) -> Table:
    """Each trial that was better than all that had ended before it."""
    metrics = tuple(history.objectives)
    best: float | None = None
    rows = []
    for place, trial in enumerate((t for t in history.completed if t.trained), 1):
        score = history.score(trial)
        if best is None or score > best:
            best = score
            rows.append((str(place), str(trial.number), *_values(trial, metrics)))
    return Table("How the best came about", ("trained so far", "trial", *metrics), tuple(rows))


def failures(trials: Sequence[Trial]) -> Table:
    """The kinds of failure, most frequent first, each with the first trial that it met."""
    met: dict[tuple[str, str], list[int]] = defaultdict(list)
    for trial in trials:
        if trial.state in (TrialState.FAILED, TrialState.INFEASIBLE):
            met[str(trial.cause or trial.state), trial.message].append(trial.number)
    found = sorted(met.items(), key=lambda item: (-len(item[1]), item[1]))
    rows = tuple((str(len(numbers)), str(numbers[0]), cause, message) for (cause, message), numbers in found)
    return Table("Failures", ("trials", "first", "cause", "message"), rows)


def effects(space: SearchSpace, history: History) -> Table:
    """For each value of each choice, the trained trials that had it.

    The means are of what the strategy chose to try, so they describe the search and prove no cause.
    """
    (metric, direction), *_ = history.objectives.items()
    trained = [trial for trial in history.completed if trial.trained]
    rows = []
    for domain in space:
        met: dict[str, list[float]] = defaultdict(list)
        for trial in trained:
            if domain.label in trial.sample:
                met[exact(trial.sample[domain.label])].append(trial.metrics[metric])
        for value in sorted(met, key=lambda value: mean(met[value]), reverse=direction == "max"):
            numbers = met[value]
            best = max(numbers) if direction == "max" else min(numbers)
            rows.append((domain.label, value, str(len(numbers)), f"{mean(numbers):.4g}", f"{best:.4g}"))
    columns = ("choice", "value", "trials", f"mean {metric}", f"best {metric}")
    note = "The strategy chose what was tried, so a mean describes this search and proves no cause."
    return Table("Choices", columns, tuple(rows), note)


def described(trial: Trial) -> str:
    """A trial's choices in a line."""
    return " ".join(f"{label}={value}" for label, value in trial.sample.items())


def _values(trial: Trial, metrics: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{trial.metrics[name]:.4f}" for name in metrics)
