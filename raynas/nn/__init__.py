"""The words a space is written in: choices, and what keeps how a model was constructed."""

from raynas.nn.basic_unit import basic_unit, is_basic_unit
from raynas.nn.cell import Cell
from raynas.nn.input_choice import InputChoice
from raynas.nn.layer_choice import LayerChoice
from raynas.nn.model_space import ModelSpace
from raynas.nn.nas_bench_101 import NasBench101Cell
from raynas.nn.nas_bench_201 import NasBench201Cell
from raynas.nn.placeholder import Placeholder
from raynas.nn.recording import recording
from raynas.nn.repeat import Repeat
from raynas.nn.tape import Construction, Tape
from raynas.nn.value_choice import ValueChoice
from raynas.nn.zero import Zero

__all__ = [
    "Cell",
    "Construction",
    "InputChoice",
    "LayerChoice",
    "ModelSpace",
    "NasBench101Cell",
    "NasBench201Cell",
    "Placeholder",
    "Repeat",
    "Tape",
    "ValueChoice",
    "Zero",
    "basic_unit",
    "is_basic_unit",
    "recording",
]
