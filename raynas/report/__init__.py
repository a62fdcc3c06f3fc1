"""Reports: what a run has found, as tables."""

from raynas.report.page import page
from raynas.report.tables import Table, described, effects, failures, ranking, records, states

__all__ = ["Table", "described", "effects", "failures", "page", "ranking", "records", "states"]
