"""Buffers: numbers as plain bytes, which travel once, beside the document, and are read where they lie.

A large array is not text: its bytes stand among the attachments, under a name made of their digest, so that equal ones
are one and a changed one is another document. Whoever reads them may have mapped them from a file or from the object
store; arrays and tensors made of them share that memory and must not be written to.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import io
import sys
import warnings
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import cloudpickle

Bytes = bytes | memoryview

INLINE = 1 << 16
"""Up to so many bytes stand in the document itself."""

VIEWED = (
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
)
"""torch's dtypes that numpy has, too."""


def put(attachments: MutableMapping[str, Bytes], data: Any) -> str:
    """Keep the bytes of `data`, which stays in use; the name under which they are kept."""
    view = memoryview(data).cast("B")
    name = f"data-{hashlib.blake2b(view, digest_size=16).hexdigest()}"
    attachments.setdefault(name, view)
    return name


def array_from(data: Bytes, dtype: str, shape: Sequence[int]) -> Any:
    """The array in these bytes; it shares their memory and is read-only."""
    import numpy

    kind = numpy.dtype(dtype)
    if 0 in shape or not kind.itemsize:
        return numpy.zeros(shape, kind)
    array = numpy.frombuffer(data, dtype=kind).reshape(shape)
    array.flags.writeable = False
    return array


def is_plain_array(value: Any) -> bool:
    """Whether it is a numpy array or scalar that its dtype's text and its bytes describe."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not (type(value) is numpy.ndarray or isinstance(value, numpy.generic)):
        return False
    dtype = value.dtype
    return not dtype.hasobject and dtype.names is None and dtype.subdtype is None and dtype.str[1] != "V"


def is_plain_dtype(value: Any) -> bool:
    """Whether it is a dtype of numpy that its text describes."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.dtype) and value.names is None and value.subdtype is None


def is_plain_tensor(value: Any) -> bool:
    """Whether it is a tensor that its dtype, its shape and its bytes describe."""
    torch = sys.modules.get("torch")
    if torch is None or type(value) not in (torch.Tensor, torch.nn.Parameter):
        return False
    plain = value.layout is torch.strided and value.device.type not in ("meta",) and not value.is_quantized
    return plain and value.is_leaf and not getattr(value, "__dict__", None)


def array_of(tensor: Any) -> tuple[Any, str]:
    """A tensor's numbers as an array on the CPU, and its dtype where numpy lacks that (the array then holds bytes)."""
    import torch

    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    name = str(plain.dtype).removeprefix("torch.")
    if name in VIEWED:
        return plain.numpy(), ""
    return plain.contiguous().reshape(-1).view(torch.uint8).numpy(), name


def tensor_of(array: Any, dtype: str = "", shape: Sequence[int] = (), own: bool = False) -> Any:
    """What `array_of` was given, without gradients; with memory of its own if `own`."""
    torch: Any = importlib.import_module("torch")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensor = torch.from_numpy(array.copy() if own else array)
    if not dtype:
        return tensor
    kind = getattr(torch, dtype)
    return tensor.view(kind).reshape(shape) if array.size else torch.zeros(shape, dtype=kind)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it comes without types
    def reducer_override(self, obj: Any) -> Any:
        # cloudpickle takes a function with a cache for one that can be imported, also where it is of `__main__`.
        if isinstance(obj, functools._lru_cache_wrapper) and _by_value(obj.__module__):
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        if is_plain_tensor(obj) and not obj.requires_grad and obj.nbytes > INLINE and type(obj).__name__ == "Tensor":
            array, dtype = array_of(obj)
            return tensor_of, (array, dtype, tuple(obj.shape))
        return super().reducer_override(obj)


def _by_value(module: str) -> bool:
    return module == "__main__" or module in cloudpickle.list_registry_pickle_by_value()


def _cached(function: Any, parameters: Mapping[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def carried(value: Any) -> bytes:
    """A pickle of `value`, its classes and functions by value where they are of `__main__`."""
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


def pickled(value: Any, attachments: MutableMapping[str, Bytes]) -> tuple[bytes, list[str]]:
    """A pickle of `value`, and the names of the buffers that belong to it: the arrays in it are not copied."""
    import pickle

    names: list[str] = []

    def aside(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes <= INLINE:
            return True
        names.append(put(attachments, view))
        return False

    file = io.BytesIO()
    _Pickler(file, protocol=5, buffer_callback=aside).dump(value)
    return file.getvalue(), names


def unpickled(data: Bytes, attachments: Mapping[str, Bytes], buffers: Sequence[str]) -> Any:
    """What `pickled` was given. It runs code."""
    import pickle

    return pickle.loads(data, buffers=[attachments[name] for name in buffers])
