"""A PostgreSQL server of Debian's for one run: in a temporary folder, on a unix socket alone, gone when its starter is gone."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from dev.bootstrap import Missing
from dev.environments import inherited
from dev.processes import Service, StartFailed, wait_until

PREFIX = "sluice-pg-"  # of temporary folders
_ROLE = "sluice"
# The suite's data is worth nothing, and waiting for a disk would be most of its time. `fsync` of the NAS side is not touched.
_CAREFREE = ("fsync=off", "full_page_writes=off", "autovacuum=off")
_PATIENCE = 30.0  # seconds


class Server:
    """`with Server() as server: server.url("web")`. Raises Missing where the package is not installed."""

    def __init__(self):
        self._programs = _programs()
        self._as = _as_somebody_else()

    def __enter__(self) -> "Server":
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        if self._as:
            shutil.chown(self.folder, *self._as)
        self._data = self.folder / "data"
        try:
            self._quietly("initdb", "--no-sync", "--auth=trust", f"--username={_ROLE}", "--encoding=UTF8", "--no-locale")
            options = [f"-c{one}" for one in (*_CAREFREE, "listen_addresses=", f"unix_socket_directories={self.folder}")]
            command = [self._programs / "postgres", "-D", self._data, *options]
            self._log = self.folder / "log"
            self._log.touch()
            # SIGINT: end without waiting for whoever is connected.
            self.service = Service("postgres", self._run(command), inherited(), self._log, stop_signal=signal.SIGINT)
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_exc) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Return when it answers. Raises StartFailed."""
        self.service.start()
        wait_until({self.service: self._answers}, _PATIENCE)

    def stop(self) -> None:
        """Cuts every connection."""
        self.service.stop()

    def url(self, database: str) -> str:
        """For DATABASE_URL; the database is made if it is not there."""
        import psycopg

        with self.connect() as connection:
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone()
            if known is None:
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(database)))
        return f"postgres://{_ROLE}@/{self.folder}/{database}"

    def connect(self):
        """A connection of psycopg's, for questions about the server itself."""
        import psycopg

        return psycopg.connect(f"host={self.folder} user={_ROLE} dbname=postgres", autocommit=True)

    def _answers(self) -> bool:
        import psycopg

        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, command: list) -> list:
        """As whoever may run a server; a death of ours is passed on as its fast stop."""
        if not self._as:
            return command
        user, group = self._as
        return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--pdeathsig=INT", *command]

    def _quietly(self, program: str, *arguments: str) -> None:
        command = self._run([self._programs / program, "-D", self._data, *arguments])
        done = subprocess.run(command, cwd=self.folder, env=inherited(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise StartFailed(f"{program} failed.\n{done.stderr[-1000:]}")


def _programs() -> Path:
    """The folder of the newest server's programs; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda one: int(one.parts[-3]))
    if not found:
        raise Missing("PostgreSQL's server is missing.\n  sudo apt install postgresql")
    return found[-1].parent


def _as_somebody_else() -> tuple[str, int] | None:
    """User and group for the server where we are root, as which it refuses to run."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return name, user.pw_gid
    raise Missing("PostgreSQL does not run as root, and there is no user postgres or nobody.")
