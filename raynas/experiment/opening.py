"""Opening: how a start of a run comes into its store: a new run, one that goes on, or one that is searched already."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from raynas import serializer
from raynas.engine import artifacts
from raynas.errors import Notice, RaynasError, RunMismatchError, SearchError
from raynas.experiment.attach import watch_another
from raynas.experiment.conduct import raise_failure
from raynas.experiment.follow import OnProgress
from raynas.experiment.luggage import put_away
from raynas.experiment.place import Place, texts_path
from raynas.experiment.start import Start, going_on
from raynas.pytorch import module_texts
from raynas.search import EndKind, RunDefinition, changes
from raynas.search.definition import CHANGEABLE, OF_THIS_START
from raynas.serializer import Bytes
from raynas.store import Store
from raynas.trial import TrialState


class Opening:
    """One start of a run.

    Args:
        place: where the run is.
        definition: what is to be searched.
        pickles: what belongs to that, and has no form in JSON.
        units: the user's modules that stand whole in the space.
        in_ray: whether it is to be searched in Ray.
        check: raises where there is no room for a trial; asked before a run that was there is changed.
        verbose: whether Ray may print.

    Attributes:
        watching: whether a search by another process is being watched.
    """

    def __init__(
        self,
        place: Place,
        definition: RunDefinition,
        pickles: Mapping[str, Bytes],
        units: Iterable[str],
        in_ray: bool,
        check: Callable[[], None],
        verbose: bool,
    ) -> None:
        self.place = place
        self.definition = definition
        self.watching = False
        self._pickles = pickles
        self._units = tuple(units)
        self._in_ray = in_ray
        self._check_room = check
        self._verbose = verbose
        self._before: tuple[str | None, dict[str, str]] = (None, {})

    def begin(self, show: OnProgress | None) -> bool:
        """Have the store know this start; False where there is nothing left to do.

        Args:
            show: is shown a search of this run that goes on elsewhere, to its end; None: that is an error.
        """
        definition, name = self.definition, self.place.name
        if not self.place.exists:
            self.place.make()
            attached = put_away(self._pickles, self.place.artifacts)
            with Store.create(self.place.store, definition.to_store(), name, attached) as store:
                store.new_epoch(Start.mine(self.place.file, self._in_ray).to_text())
            self._keep()
            return True
        if self._changes() is None:
            return False
        self._check_alone()
        if self._in_ray and self._watched(show):
            return False
        changed = self._changes()  # what was watched may have gone on for long
        if changed is None:
            return False
        self._check_room()
        with self.place.open() as store:
            known = store.definition()
            self._before = store.ended(), {key: known[key] for key in changed if key in known}
            epoch = store.new_epoch(Start.mine(self.place.file, self._in_ray).to_text())
            for key, data in put_away(self._pickles, self.place.artifacts).items():
                store.attach(key, data)
            if changed.keys() <= {*CHANGEABLE, *OF_THIS_START}:
                if "code" in changed and not _blank(store):
                    text = (
                        f"run '{name}' has results of other code than there is now (the evaluator's, or a module's): "
                        "they stay, and what is trained from now on runs the new code; another name begins anew"
                    )
                    warnings.warn(text, Notice, stacklevel=4)
                store.update_definition(epoch, changed)
            else:
                if not _blank(store):  # its last start was still at it
                    changes(RunDefinition.from_store(known), definition, name)
                text = f"run '{name}' had not finished a single trial: it begins anew, as it is asked now"
                warnings.warn(text, Notice, stacklevel=4)
                store.begin_anew(epoch, changed)
        self._keep()
        return True

    @contextmanager
    def giving_up(self) -> Iterator[None]:
        """Have the store know where this start fails before it has begun, so that nobody waits for it.

        A run that had ended is then left as it was.
        """
        try:
            yield
        except BaseException as error:
            with suppress(RaynasError), self.place.open() as store:
                epoch = store.current_epoch()
                if epoch is not None and epoch.owner == Start.mine(self.place.file, self._in_ray).to_text():
                    ended, definition = self._before
                    store.update_definition(epoch.number, definition)
                    failed = f"{EndKind.FAILED}: {' '.join(str(error).split()) or 'interrupted'}"
                    store.finish(epoch.number, ended or failed)
            raise

    def _changes(self) -> dict[str, str] | None:
        """What of the run's definition changes with this start; None where the run has ended.

        That is all of it where something changes that must not, but nothing would be lost by it.
        """
        with self.place.open(readonly=True) as store:
            before = RunDefinition.from_store(store.definition())
            try:
                changed = changes(before, self.definition, self.place.name)
            except RunMismatchError:
                start = going_on(store)
                if (start is not None and start.may_live) or not _blank(store):
                    raise
                return self.definition.to_store()
            return None if self._has_ended(store) else changed

    def _check_alone(self) -> None:
        """Raise `SearchError` where another process of this machine searches the run, and cannot be watched."""
        with self.place.open(readonly=True) as store:
            start = going_on(store)
        if start is None or not start.lives_beside or (self._in_ray and start.in_ray):
            return
        ends = f"`raynas stop {self.place.name}` ends it" if start.in_ray else "end that process first"
        raise SearchError(f"run '{self.place.name}' is searched already, by {start.describe()}: {ends}")

    def _watched(self, show: OnProgress | None) -> bool:
        """Watch another process's search of this run, if there is one; whether it has come to an end."""

        def found(start: Start) -> None:
            name = self.place.name
            other = [key for key in self._changes() or () if key in CHANGEABLE]
            run = f"run '{name}' is searched already, by {start.describe()}"
            if other:
                what = f"that one with another {' and '.join(other)}"
                raise SearchError(f"{run}, {what}: leave these as they are to watch it, or `raynas stop {name}`")
            if show is None:
                raise SearchError(f"{run}: `raynas attach {name}` watches it, `raynas stop {name}` ends it")
            self.watching = True
            text = f"{run}: this only watches it; `raynas stop {name}` ends it, Ctrl-C just the watching"
            warnings.warn(text, Notice, stacklevel=2)

        ending = watch_another(self.place, show or _nobody, found, self._verbose)
        self.watching = False
        if ending is None:
            return False
        raise_failure(ending)
        return True

    def _keep(self) -> None:
        """Keep the space, and the user's modules as they are now, so that an export writes what was trained."""
        artifacts.write(self.place.folder, "space.json", self.definition.space.encode())
        evaluator = self.definition.evaluator
        own = [*serializer.trusted_modules(evaluator), *serializer.pickled_names(evaluator)]
        texts = module_texts([*self._units, *own])
        artifacts.write(self.place.artifacts, texts_path(self.definition.code), json.dumps(texts).encode())

    def _has_ended(self, store: Store) -> bool:
        kind = (store.ended() or "").partition(":")[0]
        if kind == "exhausted":
            return True
        if kind != "enough":
            return False
        trained = (TrialState.FINISHED, TrialState.STOPPED, TrialState.FAILED)
        done = sum(trial.state in trained and trial.twin is None for trial in store.trials(brief=True))
        return self.definition.max_trials is not None and done >= self.definition.max_trials


def _blank(store: Store) -> bool:
    """Whether a run has no result at all."""
    states = store.count_by_state()
    return not states[TrialState.FINISHED] and not states[TrialState.STOPPED]


def _nobody(_: object) -> None:
    """Nobody looks."""
