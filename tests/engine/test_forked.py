"""SIGTERM ends forked processes, at whichever moment it comes."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

FORKS = """
import os, signal, sys

def raised(number, frame):
    raise SystemExit(1)

def kill():
    os.kill(os.getpid(), signal.SIGTERM)

{early}
from raynas.engine.forked import not_for_the_forked
signal.signal(signal.SIGTERM, raised)
not_for_the_forked(raised)
{late}
child = os.fork()
if not child:
    {then}
    os._exit(7)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), signal.getsignal(signal.SIGTERM) is raised, signal.pthread_sigmask(0, ()))
kill()
"""

AT_FORK = "os.register_at_fork(after_in_child=kill)"


@pytest.mark.parametrize("when", ["early", "late", "then"])
def test_it_ends_a_forked_process_and_means_to_this_one_what_it_meant(when: str) -> None:
    moments = {"early": "", "late": "", "then": "pass"}
    script = FORKS.format(**moments | {when: "kill()" if when == "then" else AT_FORK})
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == (f"{-signal.SIGTERM} True set()\n", "", 1)


def test_handlers_of_others_are_theirs() -> None:
    script = FORKS.format(early="", late="signal.signal(signal.SIGTERM, lambda *_: os._exit(5))", then="kill()")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.split()[:2] == ["5", "False"] and done.returncode == 5
