"""Evaluators: what trains a candidate and says how good it is.

Those that train with Lightning are in `raynas.evaluator.lightning`, which is imported on its own.
"""

from raynas.evaluator.evaluator import Checkpoint, Context, Evaluator
from raynas.evaluator.functional import FunctionalEvaluator
from raynas.evaluator.metrics import checked, whole_step

__all__ = ["Checkpoint", "Context", "Evaluator", "FunctionalEvaluator", "checked", "whole_step"]
