"""One whole Sluice on this machine: nginx, web_app, both listeners of services_app, databases, keys, a NAS folder.

    with Stack(Path(".state/mine")) as stack:
        stack.url, stack.api_key, stack.collection, stack.nas …
        stack.restart("uploads", {"UPLOAD_MAX_SIZE": "1000"})

The state folder may be used again: keys, databases, files and the demo user stay.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev import environments, health, nginx, pki, prepared, site
from dev.manage import Manage
from dev.ports import free_ports
from dev.processes import Service, StartFailed, wait_until

COLLECTION = "demo"
USERNAME = "demo"
# Linux allows 107 bytes and a NUL for a socket's path; nginx and gunicorn both report longer ones badly.
_LONGEST_SOCKET_PATH = 107
_PATIENCE = 40.0  # seconds until everything must answer; a loaded CI machine needs some
_MIGRATE, _COLLECT = ("migrate", "--verbosity", "0"), ("collectstatic", "--noinput", "--verbosity", "0")
_STOP_ORDER = ("nginx", "reconcile", "web_app", "uploads", "control")


class Stack:
    """`env` adds variables to single processes: {"uploads": {"UPLOAD_MAX_SIZE": "1000"}}.

    `nginx_tree` stands in for the repository's nginx/ folder, `nginx_binary` for the nginx that is found. `origins`: whose
    pages may upload beside its own. `reconcile_every`: seconds between rounds of web_app's `manage.py reconcile`; None: it does
    not run.
    Process names: nginx, web_app, uploads, control, and reconcile where it runs.
    """

    def __init__(
        self,
        state: Path,
        *,
        port: int | None = None,
        env: dict[str, dict[str, str]] | None = None,
        nginx_tree: Path = nginx.TREE,
        nginx_binary: Path | None = None,
        origins: Iterable[str] = (),
        reconcile_every: int | None = None,
    ):
        self.state = state.resolve()
        self.reconcile_every = reconcile_every
        self.nginx_tree, self.origins = nginx_tree, origins
        self.nginx_binary = nginx_binary or nginx.find()
        self.extra_env = {name: dict(values) for name, values in (env or {}).items()}
        self.edge_port, self.uploads_port, self.control_port = free_ports(3)
        self.edge_port = port or self.edge_port
        self.url = f"https://localhost:{self.edge_port}"
        self.nas = self.state / "nas"
        self.web_state = self.state / "web_app"
        self.services_state = self.state / "services_app"
        self.prefix = self.state / "nginx"
        self.logs = self.state / "logs"
        self.api_key_file = self.state / "demo-api-key"
        self.collection = COLLECTION
        self.username = USERNAME
        self.services: dict[str, Service] = {}
        self._manage = Manage(self._env_of_commands)
        self._cleanup = contextlib.ExitStack()

    # -- life ----------------------------------------------------------------------------------------------
    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *_exc) -> None:
        self.stop()

    def start(self) -> None:
        """Lay everything out, start it, return when it is healthy. Raises StartFailed."""
        try:
            self._lay_out()
            self._set_up()
            behind = ("web_app", "uploads", "control")
            for name in behind:
                self.services[name].start()
            self.wait_until_healthy(*behind)
            # What asks these comes last: before that it could only log that nobody answers.
            for name in self.services.keys() - set(behind):
                self.start_process(name)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """The edge first, so that nothing new comes in; then all others at the same time."""
        running = [self.services[name] for name in _STOP_ORDER if name in self.services]
        try:
            for service in running[:1]:
                service.stop()
            for service in running[1:]:
                service.ask_to_stop()
            for service in running[1:]:
                service.wait(15.0)
        finally:
            for service in running:
                service.kill()
            for state in (self.web_state, self.services_state):
                shutil.rmtree(environments.counts(state), ignore_errors=True)
            self._cleanup.close()

    # -- single processes ----------------------------------------------------------------------------------
    def start_process(self, name: str, env: dict[str, str] | None = None, *, wait: bool = True) -> None:
        """Start a stopped one, with `env` on top of what it had at first; wait until all that run are healthy."""
        if name != "nginx":
            self.services[name].env = {**self._env(name), **(env or {})}
        self.services[name].start()
        if wait:
            self.wait_until_healthy(name)

    def stop_process(self, name: str) -> int | None:
        """SIGTERM, wait, then SIGKILL; returns the exit code. nginx cuts its connections, the others finish theirs."""
        return self.services[name].stop()

    def kill(self, name: str) -> None:
        """SIGKILL to all its processes."""
        self.services[name].kill()

    def restart(self, name: str, env: dict[str, str] | None = None) -> None:
        self.stop_process(name)
        self.start_process(name, env)

    def pids(self, name: str) -> list[int]:
        """Its processes, the master first."""
        return self.services[name].pids()

    def log(self, name: str) -> Path:
        """What it wrote to stdout and stderr. nginx's own logs are under `prefix`/logs."""
        return self.logs / f"{name}.log"

    def wait_until_healthy(self, *names: str) -> None:
        """All, or those named. Raises StartFailed."""
        checks = {
            "nginx": lambda: health.nginx_answers(self.edge_port, self.keys),
            "web_app": lambda: health.web_app_answers(self.web_socket),
            "uploads": lambda: health.uploads_answers(self.uploads_port, self.keys),
            "control": lambda: health.control_is_ready(self.control_port, self.keys),
        }
        if "reconcile" in self.services:
            checks["reconcile"] = self.services["reconcile"].is_running
        wait_until({self.services[name]: checks[name] for name in names or checks}, _PATIENCE)

    # -- commands and files --------------------------------------------------------------------------------
    def manage(self, app: str, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Run manage.py of "web_app" or "services_app"; returns stdout. Raises StartFailed with its stderr."""
        return self._manage(app, *arguments, env=env)

    def create_collection(self, slug: str, *arguments: str) -> None:
        """Of a stack that runs; `arguments` as for web_app's create_collection. The demo user is a member."""
        self.manage("web_app", "create_collection", slug, "--title", slug, "--member", self.username, *arguments)

    def create_api_key(self, username: str, label: str = "tests") -> str:
        return self.manage("web_app", "create_api_key", username, "--label", label).split()[-1]

    def stored(self, upload_id: str) -> Path:
        """The stored file of an upload (the manifest beside it is left aside). Waits a while for the manifest, which comes behind the
        answer.
        """
        folders = list(self.nas.glob(f"collections/*/*/*/{upload_id}"))
        if len(folders) != 1:
            raise FileNotFoundError(f"{len(folders)} folders of upload {upload_id} in the store")
        # A sender may well name a file like a manifest; the stored one is the one that has a manifest.
        deadline, files = time.monotonic() + 10.0, []
        while not files and time.monotonic() < deadline:
            files = [file for file in folders[0].iterdir() if file.with_name(f"{file.name}.manifest.json").exists()]
            time.sleep(0 if files else 0.02)
        if len(files) != 1:
            raise FileNotFoundError(f"{len(files)} files in the folder of upload {upload_id}")
        return files[0]

    def staged(self) -> list[Path]:
        """The files of unfinished uploads, without those that readiness tries the store with: they come and go."""
        return [file for file in (self.nas / "staging").iterdir() if not file.name.startswith(".probe-")]

    # -- how it is made ------------------------------------------------------------------------------------
    def _lay_out(self) -> None:
        for folder in (self.state, self.web_state, self.services_state, self.nas, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for database in (*self.web_state.glob("*.sqlite3*"), *self.services_state.glob("*.sqlite3*")):
            database.chmod(0o600)  # made by an older Sluice
        self._claim()
        self.keys = pki.Pki(self.state / "pki")
        self.web_socket = self._socket_path()
        own_site = site.render(
            self.nginx_tree / "site.example.conf",
            port=self.edge_port,
            web_socket=self.web_socket,
            uploads_port=self.uploads_port,
            control_port=self.control_port,
            keys=self.keys,
            origins=self.origins,
        )
        nginx.lay_out(self.prefix, self.nginx_tree, own_site)
        gunicorn = [sys.executable, "-m", "gunicorn"]
        web = [*gunicorn, "-c", "web_app/gunicorn.conf.py", "web_app.config.wsgi"]
        services = [*gunicorn, "-c", "services_app/gunicorn.conf.py", "services_app.config.wsgi"]
        self.services = {
            "web_app": Service("web_app", web, self._env("web_app"), self.log("web_app")),
            "uploads": Service("uploads", services, self._env("uploads"), self.log("uploads")),
            "control": Service("control", services, self._env("control"), self.log("control")),
            "nginx": Service(
                "nginx",
                nginx.command(self.nginx_binary, self.prefix),
                environments.inherited() | nginx.WIPING,
                self.log("nginx"),
            ),
        }
        if self.reconcile_every is not None:
            reconcile = [sys.executable, "web_app/manage.py", "reconcile", "--every", str(self.reconcile_every)]
            self.services["reconcile"] = Service("reconcile", reconcile, self._env("reconcile"), self.log("reconcile"))
        # What a killed run left there would keep gunicorn from binding, or nginx from starting.
        self.web_socket.unlink(missing_ok=True)
        (self.prefix / "run" / "nginx.pid").unlink(missing_ok=True)

    def _claim(self) -> None:
        """Two stacks in one folder would share databases and sockets."""
        handle = self._cleanup.enter_context((self.state / "in-use").open("w"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartFailed(f"another run is using {self.state}; stop that one first") from None

    def _socket_path(self) -> Path:
        path = self.state / "web.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        folder = Path(tempfile.mkdtemp(prefix="sluice-"))
        self._cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder / "web.sock"

    def _env(self, name: str) -> dict[str, str]:
        uploads_bind, control_bind = (f"127.0.0.1:{port}" for port in (self.uploads_port, self.control_port))
        if name in ("web_app", "reconcile"):
            env = environments.web(
                self.keys,
                state=self.web_state,
                bind=f"unix:{self.web_socket}",
                public_url=self.url,
                services_url=f"https://127.0.0.1:{self.control_port}",
            )
        else:
            env = environments.services(
                self.keys,
                state=self.services_state,
                nas=self.nas,
                uploads_bind=uploads_bind,
                control_bind=control_bind,
            )
            env["LISTENER"] = name
        return {**env, **self.extra_env.get(name, {})}

    def _env_of_commands(self, app: str) -> dict[str, str]:
        env = self._env("web_app" if app == "web_app" else "control")
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # what commands compile need not be compiled at each start
        return env

    def _set_up(self) -> None:
        """Databases, sentinel, user, collection, API key: the tiers at the same time, each step once."""
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(self._set_up_services), pool.submit(self._set_up_web)]
            try:
                for one in both:
                    one.result()
            except BaseException:
                self._manage.give_up()
                raise

    def _set_up_services(self) -> None:
        self._prepare("services_app", self.services_state, "services.sqlite3", [_MIGRATE])
        self.manage("services_app", "init_store", "--collection", self.collection)

    def _set_up_web(self) -> None:
        database = self.web_state / "web.sqlite3"
        done = self.api_key_file.exists()
        if not done:
            # An earlier set-up was interrupted: nobody can have used that database yet.
            for leftover in self.web_state.glob(f"{database.name}*"):
                leftover.unlink()
        self._prepare("web_app", self.web_state, database.name, [_MIGRATE, _COLLECT])
        self.password = pki.secret(self.state / "demo-password", 9).read_text().strip()
        if not done:
            user = {"USERNAME": self.username, "PASSWORD": self.password, "EMAIL": "demo@example.org"}
            env = {f"DJANGO_SUPERUSER_{name}": value for name, value in user.items()}
            self.manage("web_app", "createsuperuser", "--noinput", env=env)
            title = ("--title", "Demo", "--member", self.username, "--without-folder")  # nobody is there to ask yet
            self.manage("web_app", "create_collection", self.collection, *title)
            # Written last: its presence says that all of this is done.
            pki.write_private(self.api_key_file, self.create_api_key(self.username, "demo").encode() + b"\n")
        self.api_key = self.api_key_file.read_text().strip()

    def _prepare(self, app: str, state: Path, database: str, commands: list[tuple[str, ...]]) -> None:
        """A new state folder is copied from what the same commands made in another; one that was used before is brought up to date."""
        url = f"sqlite:///{state}/{database}"
        if (state / database).exists() or self._env_of_commands(app)["DATABASE_URL"] != url:
            for command in commands:
                self.manage(app, *command)
            return

        def make(folder: Path) -> None:
            env = {"STATE_DIR": str(folder), "DATABASE_URL": f"sqlite:///{folder}/{database}"}
            for command in commands:
                self.manage(app, *command, env=env)

        prepared.lay_out(app, state, make)
