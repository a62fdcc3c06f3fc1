"""Submitting: the same command, as a job of a cluster that is reached through its dashboard."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from raynas.cli.console import say


def submit(address: str, words: Sequence[str], folder: str | None) -> int:
    """Have a cluster run `raynas WORDS`, show what it prints, and return its exit status; 130 after Ctrl-C.

    Args:
        address: of the cluster's dashboard.
        words: the command line.
        folder: the project's, which is copied; None: the command needs none.
    """
    from raynas.engine.ray_engine.jobs import Jobs

    jobs = Jobs(address)
    job = jobs.submit(shlex.join(["raynas", *words]), folder)
    if folder is not None:
        say(f"job {job} of {address}; Ctrl-C ends the watching, `ray job stop --address {address} {job}` the search")
    try:
        return jobs.follow(job, _print)
    except KeyboardInterrupt:
        say(f"not watching any more; the job goes on: ray job logs --follow --address {address} {job}")
        return 130


def without(words: Sequence[str], option: str) -> list[str]:
    """The words, without an option and its value."""
    rest: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == option:
            del waiting[:1]
        elif not word.startswith(f"{option}="):
            rest.append(word)
    return rest


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
