"""The doors between torch and the IR: trace in, source and modules out."""

from raynas.pytorch.codegen import to_source
from raynas.pytorch.export import module_texts, script, self_contained, standalone
from raynas.pytorch.load import load_module
from raynas.pytorch.profiling import Profile, profile
from raynas.pytorch.trace import trace

__all__ = [
    "Profile",
    "load_module",
    "module_texts",
    "profile",
    "script",
    "self_contained",
    "standalone",
    "to_source",
    "trace",
]
