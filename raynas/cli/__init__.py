"""The command line: `raynas COMMAND …`; `raynas --help` lists the commands."""

from raynas.cli.main import main

__all__ = ["main"]
