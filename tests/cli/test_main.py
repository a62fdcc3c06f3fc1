"""The command line as a whole: help, errors, status."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import TINY, Raynas

from raynas.cli import main
from raynas.cli.main import COMMANDS
from raynas.store import Store


def test_help_lists_the_commands(raynas: Raynas, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        text = capsys.readouterr().out
        for name, command in COMMANDS.items():
            assert f" {name} " in text
            assert command.help.split(",")[0] in " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert "--verbose" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("raynas 0.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serch"], "there is no command 'serch': did you mean 'search'?"),
        (["xyz"], "there is no command 'xyz': there is try, search"),
        (["search"], "required: config; raynas search --help"),
        (["top"], "required: run; raynas top --help"),
        (["search", "tiny.yaml", "--max_trails", "3"], "unrecognized arguments: --max_trails 3: did you mean --max_t"),
        (["search", "tiny.yaml", "--max-trials", "3"], "--max-trials 3: did you mean --max_trials?; raynas search"),
        (["search", "tiny.yaml", "--anything"], "unrecognized arguments: --anything; raynas search"),
        (["search", "tiny.yaml", "--max_trials", "x"], "max_trials is x: give a whole number"),
        (["top", "run", "-k", "x"], "k is x: give a whole number"),
        (["top", "run", "--evaluator.x", "3"], "raynas top reads no configuration: leave out --evaluator.x"),
        (["export", "run"], "required: output"),
    ],
)
def test_a_wrong_command_line_is_one_line(raynas: Raynas, arguments: list[str], words: str) -> None:
    assert words in raynas(*arguments).error


def test_an_error_has_its_traceback_where_it_is_asked_for(raynas: Raynas) -> None:
    said = raynas("search", "tiny.yaml", "--strategy", "none", "--verbose")
    assert said.status == 2
    assert "error: there is no strategy 'none'" in said.err
    assert "Traceback" in said.err


def test_a_wrong_command_line_costs_no_import_of_torch(tmp_path: Path) -> None:
    code = "import sys; from raynas.cli import main; main(['search', 'x', '--y', '3']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_closed_pipe_is_left_quietly(finished: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from raynas.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "top", str(finished)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""


def test_notices_are_lines_and_other_warnings_are_left_out(raynas: Raynas, tmp_path: Path) -> None:
    (tmp_path / "warns.py").write_text(
        "import warnings\nfrom raynas.errors import Notice\nfrom tiny import Tiny\n"
        "class Loud(Tiny):\n    def __init__(self):\n        super().__init__()\n"
        "        warnings.warn('by the way', Notice)\n        warnings.warn('old', FutureWarning)\n"
    )
    said = raynas("space", "tiny.yaml", "--space", "warns.Loud")
    assert said.status == 0
    assert said.err == "note: by the way\n"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of a shell, in which `raynas` is this one."""
    raynas = f"{shlex.quote(sys.executable)} -m raynas"
    words = ["sh", "-c", line.replace("raynas", raynas)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_streams_that_are_closed_or_full_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert shell("raynas search tiny.yaml --name one <&- >&- 2>&-", tmp_path).returncode == 0
    done = shell("raynas search tiny.yaml --name two 2>/dev/full", tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("6 trials")
    done = shell("raynas top one >/dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "error: stdout cannot be written: No space left on device; direct it elsewhere\n",
    )


def test_a_search_goes_on_when_nobody_reads_any_more(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    done = shell("raynas search tiny.yaml --name one 2>&1 | head -n 1", tmp_path)
    assert done.stdout.count("\n") == 1 and not done.stderr
    with Store.open(tmp_path / "runs" / "one" / "search.db", readonly=True) as store:
        assert store.ended() == "enough: all of its 6 trials have ended"
