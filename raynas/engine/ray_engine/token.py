"""Ray's token: what shows it to clusters that ask for one."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

AUTH_MODE = "RAY_AUTH_MODE"
AUTH_TOKEN = "RAY_AUTH_TOKEN"


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


def provide_token() -> None:
    """Make a token for the Ray that this process is about to start, where Ray itself could not keep one.

    It keeps a new one in the user's home, which many a container does not have; this one lives in the environment, and
    only this process and its children can talk to that Ray.
    """
    if os.environ.get(AUTH_MODE, "token").lower() != "token":
        return
    with suppress(ImportError, AttributeError):
        from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]  # it has no types

        if not AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True) and not _home_takes_files():
            os.environ[AUTH_TOKEN] = secrets.token_hex(32)
            AuthenticationTokenLoader.instance().reset_cache()


def _home_takes_files() -> bool:
    try:
        folder = Path.home() / ".ray"
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except (OSError, RuntimeError):  # the latter: nobody knows where it is
        return False
    return writable


def asks_for_token() -> bool:
    """Whether the Ray of this process does."""
    return os.environ.get(AUTH_MODE, "").lower() == "token"
