"""Where in the user's code something was made, for the messages that are about it."""

from __future__ import annotations

import os
import sys

TORCH = os.path.join("", "site-packages", "torch", "")
OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def users_line() -> str:
    """File and line of the innermost caller outside raynas and torch; empty where there is none."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith((OWN, "<")) or TORCH in frame.f_code.co_filename:
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
