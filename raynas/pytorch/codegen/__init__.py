"""Code generation: a graph as the PyTorch source that a person might have written."""

from raynas.pytorch.codegen.source import settled_source, to_source

__all__ = ["settled_source", "to_source"]
