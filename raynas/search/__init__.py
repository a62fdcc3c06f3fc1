"""The search: events in, decisions out (`state`), and the loop that acts on them. Knows neither torch nor ray."""

from raynas.search.decisions import Ending, EndKind
from raynas.search.definition import RunDefinition, changes
from raynas.search.examining import Designs, Examiner, digest
from raynas.search.loop import Loop
from raynas.search.planner import Planner, keeps_parents, training_seed
from raynas.search.progress import Progress
from raynas.search.rules import Rules
from raynas.search.state import SearchState

__all__ = [
    "Designs",
    "EndKind",
    "Ending",
    "Examiner",
    "Loop",
    "Planner",
    "Progress",
    "Rules",
    "RunDefinition",
    "SearchState",
    "changes",
    "digest",
    "keeps_parents",
    "training_seed",
]
