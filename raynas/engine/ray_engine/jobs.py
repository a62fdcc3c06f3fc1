"""Jobs: a command that runs in a cluster, submitted from anywhere that reaches its dashboard."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from raynas.engine.ray_engine.token import use_token
from raynas.errors import ResourceError

EXCLUDED = [".git", ".venv", "__pycache__", "/runs/*/artifacts", "/runs/*/search.db*"]
"""What of a project's folder no job needs, in the words of .gitignore, which is heeded as well."""

AGENT = 60.0
"""Seconds in which a cluster that has just started takes jobs."""

OVERRIDES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")

LOUD = ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk", "ray._private.runtime_env.packaging")
"""Ray's loggers that tell each step of a submission."""

PREAMBLE = re.compile(r"\d{4}-\d\d-\d\d [\d:,]+\tINFO job_manager\.py.*\n|Running entrypoint for job .*\n")
"""What Ray writes at the beginning of a job's log."""


class Jobs:
    """The jobs of a cluster.

    Args:
        address: of its dashboard, "http://HOST:8265".
    """

    def __init__(self, address: str) -> None:
        self._address = address
        use_token()
        for name in LOUD:
            logging.getLogger(name).setLevel(logging.WARNING)
        with self._explained(), _plainly():
            self._client = JobSubmissionClient(address)

    def submit(self, command: str, folder: str | None = None) -> str:
        """Run a shell command in the cluster.

        Args:
            command: what to run.
            folder: is copied, and is where it runs; None: nothing is.

        Returns:
            The job's id.
        """
        environment = {} if folder is None else {"working_dir": folder, "excludes": EXCLUDED}
        until = time.monotonic() + AGENT
        with self._explained():
            while True:
                try:
                    return str(self._client.submit_job(entrypoint=command, runtime_env=environment))
                except RuntimeError as error:
                    if "No available agent" not in str(error) or time.monotonic() > until:
                        raise
                    time.sleep(1)

    def follow(self, job: str, write: Callable[[str], object]) -> int:
        """Pass on what a job prints, until it has ended.

        Returns:
            Its exit status, as a shell would tell it.
        """
        with self._explained():
            asyncio.run(self._tail(job, write))
            while not (info := self._client.get_job_info(job)).status.is_terminal():
                time.sleep(0.2)
        if info.status == JobStatus.SUCCEEDED:
            return 0
        if info.driver_exit_code:
            return info.driver_exit_code if info.driver_exit_code > 0 else 128 - info.driver_exit_code
        if info.status == JobStatus.STOPPED:
            return 128 + signal.SIGTERM
        write(f"{info.message}\n")
        return 1

    async def _tail(self, job: str, write: Callable[[str], object]) -> None:
        begun = False
        with suppress(RuntimeError):  # the connection is gone, and how the job ends is asked on another one
            async for text in self._client.tail_job_logs(job):
                rest = text if begun else PREAMBLE.sub("", text)
                begun = begun or bool(rest.strip())
                write(rest if begun else "")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the client's errors into a line."""
        try:
            yield
        except AuthenticationError:
            raise ResourceError(
                f"the cluster at {self._address} asks for a token, and this is not its: "
                "put it into RAY_AUTH_TOKEN, or its file into RAY_AUTH_TOKEN_PATH, and set RAY_AUTH_MODE=token"
            ) from None
        except (ConnectionError, RuntimeError, ValueError) as error:
            said = " ".join(str(error).split())[:300]
            raise ResourceError(f"no job can be submitted to {self._address}: {said}") from error


@contextmanager
def _plainly() -> Iterator[None]:
    """Within it, the environment names no other cluster: Ray would take that one."""
    held = {name: os.environ.pop(name) for name in OVERRIDES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)
