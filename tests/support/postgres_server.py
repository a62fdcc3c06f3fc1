"""A PostgreSQL server of the tests' own, which can be restarted."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from glob import glob
from pathlib import Path
from typing import Any

from ports import free_ports

USER, PASSWORD = "ann", "not secret"
MISSING = "there is no PostgreSQL server on this machine: install Debian's postgresql to run this test"


def program(name: str) -> str | None:
    """The path of one of the server's programs, which Debian keeps off the path; None: it is not installed."""
    return shutil.which(name) or max(glob(f"/usr/lib/postgresql/*/bin/{name}"), default=None)


class PostgresServer:
    """A server on a port of this machine, with a password, its files in a folder of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="raynas-postgres-"))
        # The server refuses to be root's.
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        (self.port,) = free_ports(1)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        method = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}", "--encoding=UTF8", "--no-sync"]
        self._run("initdb", "--pgdata", str(self.folder / "data"), "--locale=C", *method)
        self.start()

    def _run(self, name: str, *arguments: str) -> None:
        found = program(name)
        assert found is not None, MISSING
        done = subprocess.run(
            [found, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, **self._as
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, and wait until it answers; nothing where it runs."""
        if self.process() is not None:
            return
        listen = f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories={self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "-w", "-D", str(self.folder / "data"), "-l", log, "-o", listen)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: "fast" ends all connections in order, "immediate" as a crash would."""
        self._run("pg_ctl", "stop", "-w", "-D", str(self.folder / "data"), "-m", mode)

    def process(self) -> int | None:
        """The number of its first process, while it runs."""
        try:
            number = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(number, 0)
        except (OSError, IndexError):
            return None
        return number

    def url(self, database: str, password: str = PASSWORD) -> str:
        """The URL of one of its databases."""
        return f"postgresql://{USER}:{password.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make a database; its URL."""
        import psycopg

        address = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD}
        with psycopg.connect(dbname="postgres", autocommit=True, **address) as connection:
            connection.execute(f'CREATE DATABASE "{database}" STRATEGY file_copy')
        return self.url(database)

    def remove(self) -> None:
        """Stop it, and remove its files."""
        if self.process() is not None:
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
