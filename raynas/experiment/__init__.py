"""Experiments: what a user configures and runs, and what comes out of it."""

from raynas.experiment.experiment import Experiment
from raynas.experiment.result import Result, TrialResult

__all__ = ["Experiment", "Result", "TrialResult"]
