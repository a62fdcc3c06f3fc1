"""What a graph document may name: it becomes source, and source is run."""

from __future__ import annotations

from collections.abc import Iterable

from raynas.serializer.call import RECORDED

PACKAGES = ("torch.nn", "torch.ao.nn", "torch.special", "torch.linalg", "torch.fft", "torch.functional", "torch.Tensor")
"""Packages of torch in which any public name may be named."""

SINGLE = frozenset(
    {
        *("torch._assert", "torch.utils.checkpoint.checkpoint", "torch.utils.checkpoint.checkpoint_sequential"),
        *("torch.Size", "torch.return_types", "copy.deepcopy", "collections.OrderedDict"),
        *("types.SimpleNamespace", "argparse.Namespace", "numpy.array"),
    }
)

BUILTINS = frozenset(
    {
        *("getattr", "len", "max", "min", "sum", "abs", "round", "pow", "divmod", "float", "int", "bool", "str"),
        *("tuple", "list", "dict", "set", "frozenset", "slice", "range", "complex", "bytes", "zip", "enumerate"),
    }
)

STEPS = frozenset(f"einops.{name}" for name in ("einsum", "pack", "rearrange", "reduce", "repeat", "unpack"))
"""Functions of other libraries that give tensors of tensors, and do nothing else."""

LAYERS = frozenset(f"einops.layers.torch.{name}" for name in ("EinMix", "Rearrange", "Reduce"))
"""Layers of other libraries that are built of numbers and names."""

REFUSED = frozenset(
    {
        *("load", "save", "compile", "hub", "jit", "package", "serialization", "ops", "classes", "library", "onnx"),
        *("export", "distributed", "multiprocessing", "utils", "os", "sys", "cuda", "fx", "overrides", "from_file"),
        *("typename", "manual_seed", "seed", "get_file_path", "import_ir_module", "import_ir_module_from_buffer"),
    }
)
"""Public names of `torch` that reach files, code or the process."""

REFUSED_METHODS = frozenset(
    {
        *("tofile", "dump", "dumps", "save", "register_hook", "register_post_accumulate_grad_hook", "apply_", "map_"),
        *("map2_", "module_load", "share_memory_", "data_ptr", "untyped_storage", "storage", "from_file"),
    }
)
"""Methods that write files, call code or reach memory."""


def is_allowed(name: str, trust: Iterable[str] = ()) -> bool:
    """Whether a document may name this class or function."""
    parts = name.split(".")
    if name in RECORDED or any(name == item or name.startswith(f"{item}.") for item in trust):
        return not any(part.startswith("__") for part in parts if part != "__main__")
    if name in SINGLE or name in STEPS or name in LAYERS:
        return True
    if any(part.startswith("_") for part in parts):
        return False
    head, last = parts[0], parts[-1]
    if head in ("operator", "math"):
        return len(parts) == 2 and last not in ("attrgetter", "methodcaller", "itemgetter", "call")
    if head == "builtins":
        return len(parts) == 2 and last in BUILTINS
    if name.startswith("raynas.nn."):
        return True
    if head != "torch":
        return False
    if len(parts) == 2:
        return last not in REFUSED and not last.startswith(("set_", "use_", "import_"))
    package = next((item for item in PACKAGES if name.startswith(f"{item}.")), None)
    if package is None:
        return False
    inner = name[len(package) + 1 :].split(".")
    home = inner[:-1]
    return not home or home in (["init"], ["functional"]) or (home[0] in ("modules", "utils") and len(home) <= 2)


def is_mark(name: str, value: object) -> bool:
    """Whether a document may set this attribute though its name is private: to literals, as in `_no_decay = True`."""
    return name.startswith("_") and not name.startswith("__") and _is_literal(value)


def _is_literal(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _is_literal(item) for key, item in value.items())
    if type(value) in (tuple, list):
        return all(map(_is_literal, value))  # type: ignore[call-overload]  # one of these
    return type(value) in (bool, int, float, str)


def is_method(name: str) -> bool:
    """Whether a document may call this method, or read this attribute."""
    return not name.startswith("_") and name not in REFUSED_METHODS
