"""Display: a search's progress for people."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from raynas.cli import display
from raynas.cli.display import Display, duration, line
from raynas.search import Progress
from raynas.search_space import Sample
from raynas.trial import Trial, TrialKey, TrialState

BEST = Trial(4, Sample({}), TrialKey("f"), TrialState.FINISHED, metrics={"score": 0.98765})
NEW = Progress(0, 40, 2, 0, 0, 0, None, "score", 1.0, 0.0, None, 2)
OLD = replace(NEW, done=12, failed=1, best=BEST, elapsed=30.0, per_minute=24.4, time_left=71.2)


def test_a_line_tells_what_is_known() -> None:
    assert line(NEW) == "2 running, 0 failed"
    assert line(OLD) == "2 running, 1 failed, best 0.9877, 24/min, 1:11 left"
    assert line(replace(OLD, answered=3, rejected=2)).startswith("2 running, 1 failed, 2 infeasible, 3 known, best")
    assert "left" not in line(replace(OLD, ended="all of its 40 trials have ended"))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3600, "1:00:00"), (90061, "25:01:01")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_without_a_terminal_there_are_few_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    with Display() as shown:
        for step in range(3600):
            now = float(step)
            shown.show(replace(OLD, done=step // 3, elapsed=now))
        shown.show(replace(OLD, done=1200, ended="enough", elapsed=now))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("0/40 done, 2 running")
    assert lines[-1].startswith("1200/40 done")
    assert 60 < len(lines) < 150  # in an hour
    assert not any("\x1b" in line or "\r" in line for line in lines)


def test_nothing_is_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as shown:
        for _ in range(5):
            shown.show(NEW)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stderr", terminal)
    with Display(40) as shown:
        shown.show(OLD)
        shown.tell("by the way")
    text = terminal.getvalue()
    assert "starting" in text and "?" not in re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text)
    assert "12/40" in text.replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert "best 0.9877" in text
    assert "by the way\n" in text
    assert "━" in text
