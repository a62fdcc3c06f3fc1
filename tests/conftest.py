"""What all tests share: one start of Ray for the whole session, and the modules that its workers import."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from postgres_server import PostgresServer

SUPPORT = str(Path(__file__).parent / "support")

# A cluster that someone has left running on this machine is none of the tests' business.
os.environ["RAY_ADDRESS"] = "local"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SUPPORT, os.environ.get("PYTHONPATH")]))
sys.path.insert(0, SUPPORT)

# A shell starts background commands with Ctrl-C ignored, and they hand that on; the tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is no matter of right or wrong: that hangs on what else the machine has to do.
settings.register_profile("raynas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("raynas")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Ray with two CPUs, however many there are; ended with the session."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; the test is skipped, and says so, where none is installed."""
    from postgres_server import MISSING, PostgresServer, program

    if program("initdb") is None or program("postgres") is None:
        pytest.skip(MISSING)
    server = PostgresServer()
    yield server
    server.remove()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the one Ray, or kills parts of one, runs in one process where the tests run in several."""
    for item in items:
        uses = "ray_session" in getattr(item, "fixturenames", ()) or item.get_closest_marker("ray") is not None
        if uses or item.get_closest_marker("chaos") is not None:
            item.add_marker(pytest.mark.xdist_group("ray"))


@pytest.fixture(autouse=True)
def _ray_where_marked(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("ray") is not None:
        request.getfixturevalue("ray_session")
