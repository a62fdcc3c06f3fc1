"""The words a space is written in: choices, and what keeps how a model was constructed."""

from raynas.nn.basic_unit import basic_unit, is_basic_unit
from raynas.nn.input_choice import InputChoice
from raynas.nn.layer_choice import LayerChoice
from raynas.nn.model_space import ModelSpace
from raynas.nn.recording import Construction, Tape, recording
from raynas.nn.repeat import Repeat
from raynas.nn.value_choice import ValueChoice
from raynas.nn.zero import Zero

__all__ = [
    "Construction",
    "InputChoice",
    "LayerChoice",
    "ModelSpace",
    "Repeat",
    "Tape",
    "ValueChoice",
    "Zero",
    "basic_unit",
    "is_basic_unit",
    "recording",
]
