"""Ray's token: what shows it to clusters that ask for one."""

from __future__ import annotations

import os
from contextlib import suppress

AUTH_MODE = "RAY_AUTH_MODE"


def use_token() -> None:
    """Show this user's token to clusters, where there is one and `RAY_AUTH_MODE` does not say otherwise.

    Ray does so by itself where it starts a cluster, and not where it joins one.
    """
    if AUTH_MODE in os.environ:
        return
    with suppress(ImportError, AttributeError):
        from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # they have no types

        if AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True):
            os.environ[AUTH_MODE] = "token"
            Config.initialize("")  # what it has read from the environment is older


def asks_for_token() -> bool:
    """Whether the Ray of this process does."""
    return os.environ.get(AUTH_MODE, "").lower() == "token"
