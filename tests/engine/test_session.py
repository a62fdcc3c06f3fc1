"""Sessions: Ray as it is started here, in processes of their own, for this one may have a Ray."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

SHARED = """
import ray
from raynas.engine.ray_engine import RaySession

first, second = RaySession(), RaySession()
with second:
    with first:
        pass
    print(ray.is_initialized())
    with first:
        print(ray.get(ray.put(3)))
print(ray.is_initialized())
"""

STARTED = """
from raynas.engine.ray_engine import RaySession
from raynas.errors import ResourceError

try:
    with RaySession():
        print("started")
except ResourceError as error:
    print(error)
"""

SHUT_DOWN = """
import logging
import ray
from raynas.engine.ray_engine import RaySession
from raynas.errors import SearchError

def init():
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

def tried(host):
    try:
        host.call("do", "slots")
    except SearchError as error:
        print(error)
    print(ray.is_initialized())

with RaySession() as session:
    host = session.host("hosted_engine:HostedEngine", {})
    ray.shutdown()
    tried(host)
    init()
    tried(host)
    host.end()
    session.withdraw("nobody")
    with RaySession() as other:
        other.host("hosted_engine:HostedEngine", {}).end()
print(ray.is_initialized())
"""

CLIENT = """
import ray
from ray.util.client.ray_client_helpers import ray_start_client_server
from raynas.engine.ray_engine import RaySession
from raynas.errors import ConfigError

with ray_start_client_server():
    try:
        with RaySession():
            print("entered", flush=True)
    except ConfigError as error:
        print(error, flush=True)
"""

FORKED = """
import os
from raynas.engine.ray_engine import RaySession
from raynas.errors import SearchError

with RaySession():
    pass
if not os.fork():
    try:
        with RaySession():
            print("entered", flush=True)
    except SearchError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""

MUTE = """
import sys
from raynas.engine.ray_engine import RaySession
from raynas.errors import ResourceError

sys.stderr = None
try:
    with RaySession():
        print("started")
except ResourceError as error:
    print(error)
"""

TOKEN = """
import os
from raynas.engine.ray_engine.token import provide_token
from ray._raylet import AuthenticationTokenLoader

provide_token()
print(len(os.environ.get("RAY_AUTH_TOKEN", "")), AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True))
"""


def said(script: str, **variables: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", script], env={**kept, **variables}, capture_output=True, text=True, timeout=120
    )
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_a_process_without_standard_streams_is_told_so() -> None:
    (line,) = said(MUTE)
    assert line.startswith("Ray could not be started: ") and line.endswith("give it 2>/dev/null")


def test_a_process_that_was_forked_after_a_search_is_told_to_be_spawned() -> None:
    (line,) = said(FORKED)
    assert "forked from one that has used Ray" in line and "'spawn'" in line


def test_searches_in_several_threads_share_one_ray_which_the_last_one_ends() -> None:
    assert said(SHARED) == ["True", "3", "False"]


def test_ray_that_somebody_shuts_down_meanwhile_is_told_and_the_next_one_is_left_to_them() -> None:
    first, there, second, theirs, after = said(SHUT_DOWN)
    assert first == second and first.startswith("Ray was shut down in this process while the search was going on")
    assert (there, theirs, after) == ("False", "True", "True")


@pytest.mark.slow
def test_a_process_that_uses_rays_client_is_told_so() -> None:
    line = said(CLIENT, RAY_ADDRESS="local")[-1]
    assert line.startswith("this process uses Ray through its client (ray://)") and "call ray.shutdown() first" in line


def test_where_ray_cannot_keep_its_files_is_said_with_the_cure(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    (line,) = said(STARTED, RAY_TMPDIR=str(folder))
    assert line.startswith("Ray could not be started: ") and f"its files go to {folder}: set RAY_TMPDIR to" in line


def test_without_a_home_ray_has_a_token_all_the_same(tmp_path: Path) -> None:
    assert said(TOKEN, HOME="/proc/nobody") == ["64 True"]
    assert said(TOKEN, HOME=str(tmp_path)) == ["0 False"], "Ray will keep one there"
