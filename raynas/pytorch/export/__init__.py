"""Export: a candidate as a file that needs neither raynas nor the user's project."""

from raynas.pytorch.export.standalone import module_texts, script, self_contained, standalone

__all__ = ["module_texts", "script", "self_contained", "standalone"]
