"""Engines: what carries candidates to workers. `LocalEngine` runs them here, `RayEngine` wherever Ray has room."""

from raynas.engine.engine import Calls, Deliver, ExecutionEngine, Job, Keep, Workplace
from raynas.engine.resources import Resources

__all__ = ["Calls", "Deliver", "ExecutionEngine", "Job", "Keep", "Resources", "Workplace"]
