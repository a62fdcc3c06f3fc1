"""Evaluators: what trains a candidate and says how good it is."""

from raynas.evaluator.evaluator import Checkpoint, Context, Evaluator

__all__ = ["Checkpoint", "Context", "Evaluator"]
