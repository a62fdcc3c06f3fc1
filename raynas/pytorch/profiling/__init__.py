"""Profiling: shapes, parameters and FLOPs of a candidate, without training it."""

from raynas.pytorch.profiling.profile import profile
from raynas.pytorch.profiling.report import Layer, Profile, TensorSpec

__all__ = ["Layer", "Profile", "TensorSpec", "profile"]
