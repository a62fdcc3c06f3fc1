"""What happens to a proposal: its record, its events, the table of legal transitions, and the history of them all."""

from raynas.trial.events import (
    Answered,
    Event,
    Failed,
    Finished,
    Proposed,
    Rejected,
    Reported,
    Requeued,
    Started,
    Stopped,
    Waits,
)
from raynas.trial.history import History, Ledger
from raynas.trial.transitions import advance, begin
from raynas.trial.trial import Cause, Report, Trial, TrialKey, TrialState

__all__ = [
    "Answered",
    "Cause",
    "Event",
    "Failed",
    "Finished",
    "History",
    "Ledger",
    "Proposed",
    "Rejected",
    "Report",
    "Reported",
    "Requeued",
    "Started",
    "Stopped",
    "Trial",
    "TrialKey",
    "TrialState",
    "Waits",
    "advance",
    "begin",
]
