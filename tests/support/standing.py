"""A Ray cluster that stays, as `ray start --head` makes it: with a dashboard, and asking for a token."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ports import free_ports


@dataclass(frozen=True)
class Standing:
    """A cluster of one node.

    Attributes:
        address: for drivers on its machine.
        dashboard: where jobs are submitted.
        token: the file that holds its token.
        session: the id of the session of its processes.
    """

    address: str
    dashboard: str
    token: str
    session: int

    def environment(self, **more: str) -> dict[str, str]:
        """What a process has to have to be let in; nothing tells it where the cluster is."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"  # where `raynas` is, for jobs
        return {**kept, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": self.token, **more}

    def commands(self) -> list[str]:
        """The command of each of its processes."""
        return [command for pid, command in processes() if session_of(pid) == self.session]


@contextmanager
def standing(
    cpus: int = 2, *options: str | Callable[[int], str], python: str = sys.executable, **environment: str
) -> Iterator[Standing]:
    """A cluster of one node, on free ports, ended with all its processes and without touching any other.

    Args:
        cpus: of its node.
        options: further ones of `ray start`, or functions that make one of the cluster's port.
        python: the interpreter in which it runs.
        environment: variables that it gets beside those of its users.
    """
    folder = tempfile.mkdtemp(prefix="rs")  # short: the paths of Ray's sockets have little room
    token = Path(folder, "token")
    token.write_text("a" * 64)
    port, dashboard, agent, metrics = free_ports(4)
    command = [
        *(python, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--port={port}", f"--dashboard-port={dashboard}"),
        *(f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}"),
        *("--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={folder}", f"--num-cpus={cpus}"),
        *(option if isinstance(option, str) else option(port) for option in options),
    ]
    made = Standing("", f"http://127.0.0.1:{dashboard}", str(token), 0)
    log = Path(folder, "start.log")
    with log.open("w") as file:
        head = subprocess.Popen(
            command,
            env=made.environment(**environment),
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        address = _started(f"{made.dashboard}/api/version", token.read_text(), head, log, port)
        yield Standing(address, made.dashboard, made.token, head.pid)
    finally:
        head.terminate()
        with suppress(subprocess.TimeoutExpired):
            head.wait(10)
        for pid, _ in list(processes()):
            if session_of(pid) == head.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)


def processes() -> Iterator[tuple[int, str]]:
    """Every process, with its command."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                yield int(path.name), (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue


def session_of(pid: int) -> int:
    """The id of a process's session; -1 where it has gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _started(url: str, token: str, head: subprocess.Popen[bytes], log: Path, port: int) -> str:
    """The address that the cluster tells, once its dashboard answers, too."""
    until = time.monotonic() + 120
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    while True:
        said = log.read_text()
        assert head.poll() is None and time.monotonic() < until, said
        told = re.search(rf"([0-9.]+):{port}", said)
        with suppress(OSError):
            urllib.request.urlopen(request, timeout=5).close()
            if told is not None:
                return told[0]
        time.sleep(0.3)
