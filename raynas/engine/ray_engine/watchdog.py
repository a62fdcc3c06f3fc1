"""Watchdog: a process that outlives this one for a moment, to end what Ray leaves of a Ray of its own.

After a `kill -9` all of Ray's processes end by themselves within seconds, but for the two agents of its node: these try
for a minute to tell the driver, which is gone, that their raylet is gone, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GRACE = 5.0
"""Seconds in which they may end by themselves."""

SCRIPT = """
import os, sys, time

def start(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""

sys.stdin.read()  # until nobody is left who could write
left = dict(item.split(":") for item in sys.argv[2:])
until = time.monotonic() + float(sys.argv[1])
while left and time.monotonic() < until:
    time.sleep(0.1)
    left = {process: at for process, at in left.items() if start(process) == at}
for process in left:
    try:
        os.kill(int(process), 9)
    except OSError:
        pass
"""


class Watchdog:
    """Watches over this process; to be made when its Ray has started."""

    def __init__(self) -> None:
        agents = [f"{process}:{started}" for process, started in _agents()]
        command = [sys.executable, "-I", "-S", "-c", SCRIPT, str(GRACE), *agents]
        # In a session of its own: Ctrl-C, or the end of the terminal, is none of its business.
        nowhere = subprocess.DEVNULL
        self._process = (
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, cwd="/", start_new_session=True
            )
            if agents
            else None
        )

    def dismiss(self) -> None:
        """End it: everything has ended in order."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def _agents() -> Iterator[tuple[int, str]]:
    """The agents of the raylet that this process has started, and when each was started; none but on Linux."""
    parents: dict[int, tuple[int, str]] = {}
    with suppress(OSError):
        for path in Path("/proc").iterdir():
            with suppress(OSError, ValueError, IndexError):
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                parents[int(path.name)] = int(fields[1]), fields[19]
    for process, (parent, started) in parents.items():
        if parents.get(parent, (0, ""))[0] == os.getpid() and b"agent" in _command(process).lower():
            yield process, started


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
