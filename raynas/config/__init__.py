"""Configuration files: YAML in, an `Experiment` out (`raynas.config.making`, which needs torch).

A file gives `Experiment`'s arguments by name. Objects stand in it as a class (or function) and its arguments, as in
LightningCLI; a choice is such an object, too::

    evaluator:
      class_path: raynas.evaluator.lightning.Classification
      init_args:
        learning_rate:
          class_path: raynas.ValueChoice
          init_args: {candidates: [0.001, 0.01], label: learning_rate}
"""

from raynas.config.build import build
from raynas.config.overrides import Override, split
from raynas.config.settings import KEYS, OBJECTS, Settings, dump, one_line, read, settings

__all__ = ["KEYS", "OBJECTS", "Override", "Settings", "build", "dump", "one_line", "read", "settings", "split"]
