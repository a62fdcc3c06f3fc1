"""Everything raynas raises on purpose.

::

    RaynasError
    ├── SpaceError            a choice, label or domain that does not hold together
    │   └── SampleError       a sample with a missing, unknown or out-of-domain label
    ├── TraceError            a model that cannot be turned into a graph
    ├── GraphError            a graph, or a graph document, that breaks the rules of the IR
    ├── SourceError           generated source that cannot be loaded
    ├── CandidateError        a candidate that cannot run, such as one whose layers do not fit each other
    ├── SerializationError    a value that cannot be written down, or a document that must not be read
    ├── ConfigError           a configuration with an unknown key, class, strategy or objective
    │   └── PluginError       a plug-in that is not there, does not import or breaks its contract
    ├── ResourceError         resources that no node can give
    ├── StoreError            a run that cannot be opened or written
    │   ├── RunMismatchError  a run that was begun with another definition
    │   ├── StaleEpochError   a writer that has been replaced by a newer one
    │   └── UnwritableError   a run's files cannot be written, so that it cannot go on
    ├── EvaluationError       an evaluator that returned no usable metrics
    │   └── NonFiniteError    a metric that is nan or infinite: the training diverged
    ├── TransitionError       an event that a trial's state does not allow
    └── SearchError           a search that cannot go on

Every message is one line that names the object, the cause and the cure.

`TrialStopped` is no error: `Context.report` raises it to end a trial early. A `Notice` is none either: it tells what a
user would want to know of, and all goes on.
"""

import sys
import warnings
from types import FrameType


class RaynasError(Exception):
    """The root of the tree above: what a caller catches to catch them all."""

    def __str__(self) -> str:
        """The message, on one line also where a name that a user gave is not."""
        text = super().__str__()
        return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class SpaceError(RaynasError):
    """A choice, label or domain does not hold together."""


class SampleError(SpaceError):
    """A sample has a missing, unknown or out-of-domain label."""


class TraceError(RaynasError):
    """A model cannot be turned into a graph."""


class GraphError(RaynasError):
    """A graph or a graph document breaks the rules of the IR."""


class SourceError(RaynasError):
    """Generated source cannot be loaded."""


class CandidateError(RaynasError):
    """A candidate cannot run."""


class SerializationError(RaynasError):
    """A value cannot be written down, or a document must not be read."""


class ConfigError(RaynasError):
    """A configuration holds an unknown key, class, strategy or objective."""


class PluginError(ConfigError):
    """A plug-in is not there, does not import or breaks its contract."""


class ResourceError(RaynasError):
    """Resources were asked for that no node can give."""


class StoreError(RaynasError):
    """A run cannot be opened or written."""


class RunMismatchError(StoreError):
    """A run of this name was begun with another definition."""


class StaleEpochError(StoreError):
    """A newer writer has taken over this run; this one must stop."""


class UnwritableError(StoreError):
    """A run's files cannot be written, as on a disk that is full; no trial is to blame, and the run cannot go on."""


class EvaluationError(RaynasError):
    """An evaluator returned no usable metrics."""


class NonFiniteError(EvaluationError):
    """A metric is nan or infinite."""


class TransitionError(RaynasError):
    """A trial's state does not allow this event."""


class SearchError(RaynasError):
    """A search cannot go on."""


class TrialStopped(Exception):
    """Raised by `Context.report` in a trial that should end now; not an error."""


class Notice(UserWarning):
    """Something that a user would want to know of; not an error."""


def notice(text: str) -> None:
    """Warn with a `Notice` that points to the line of the user's code behind it, not to one of raynas's."""
    package = __name__.partition(".")[0]
    frame: FrameType | None = sys._getframe()
    level = 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, Notice, stacklevel=level + 1)
