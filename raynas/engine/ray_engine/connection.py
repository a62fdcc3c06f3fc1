"""Connection: which Ray this process is connected to.

Where it is connected to none, most of Ray's functions start one. So what outlives a call asks here first: a callback or
another thread may have called `ray.shutdown()`, and even `ray.init()` after it.
"""

from __future__ import annotations

import ray

SHUT_DOWN = (
    "Ray was shut down in this process while the search was going on, and the search ended with it: leave "
    "ray.shutdown() until it is over, and start it again to go on"
)


def connection() -> str:
    """Names the Ray that this process is connected to and its stay there; empty: there is none."""
    if not ray.is_initialized():
        return ""
    try:
        context = ray.get_runtime_context()
        return f"{context.get_node_id()}:{context.get_job_id()}"
    except Exception:  # another thread has shut it down at this very moment
        return ""
