"""Where in the user's code something was made, for the messages that are about it."""

from __future__ import annotations

import os
import sys

TORCH = os.path.join("", "site-packages", "torch", "")
LAYERS = os.path.join(TORCH, "nn", "modules", "")
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")
OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def users_line() -> str:
    """File and line of the innermost caller outside raynas and torch; empty where there is none."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith((OWN, "<")) or TORCH in frame.f_code.co_filename:
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def layer_made() -> type | None:
    """The class of the layer whose constructor the user's code has called, and which is running; None: no layer's."""
    frame, found = sys._getframe(1), None
    while frame.f_code.co_filename.startswith((OWN, "<")) or TORCH in frame.f_code.co_filename:
        if LAYERS in frame.f_code.co_filename and frame.f_code.co_name == "__init__":
            found = type(frame.f_locals.get("self"))
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None if found is None or found.__name__ in CONTAINERS else found
