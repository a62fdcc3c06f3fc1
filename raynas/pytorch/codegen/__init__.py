"""Code generation: a graph as the PyTorch source that a person might have written."""

from raynas.pytorch.codegen.source import to_source

__all__ = ["to_source"]
