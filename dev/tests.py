"""`./run test`: every test, in six pytest runs, because the two Django apps cannot share one process.

    web_app, services_app                              tests/<app>        with its settings, on SQLite
    web_app on PostgreSQL, services_app on PostgreSQL  the same           on a server of Debian's that the run starts
    whole                                              all other folders  with no Django, against real stacks
    alone                                              those of them whose tests measure what else runs would disturb

All but the last are spread over the cores, with databases and a stack for each, unless `-n` says otherwise (`-n 0` for --pdb).
`--sqlite` and `--postgresql` leave the apps' runs on the other one out.

tests/infra is not among them: it needs root and docker (`./run infra`).

To run pytest by hand, load the settings' environment that a run leaves behind, for example:

    set -a; . .state/test-env/web_app.env; set +a
    .state/venv/bin/python -m pytest tests/web_app --ds=web_app.config.settings
"""

import contextlib
import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from dev import environments, pki, postgres
from dev.arguments import TESTS, split_tests
from dev.bootstrap import Missing
from dev.paths import ROOT, STATE

OWN_COMMAND = {"infra"}
# Answers within seconds while others attack, and figures side by side.
ALONE = {"abuse", "bench"}
NO_TESTS_COLLECTED = 5
USAGE_ERROR = 4
KEEP_FAILED_FOR = 6 * 3600  # seconds; longer than any run


@dataclasses.dataclass
class Run:
    name: str
    folders: list[str]
    options: list[str]
    env: dict[str, str]
    on: str = ""  # "sqlite" or "postgresql", where it is one of two
    spread: bool = False  # over the cores


@dataclasses.dataclass
class Totals:
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def main(arguments: list[str]) -> int:
    wanted = {on for on in ("sqlite", "postgresql") if f"--{on}" in arguments} or {"", "sqlite", "postgresql"}
    paths, options = split_tests([one for one in arguments if one not in ("--sqlite", "--postgresql")])
    _remove_leftovers()
    totals, code = Totals(), 0
    with contextlib.ExitStack() as cleanup:
        server = None
        for run in runs():
            chosen = _within(run, paths) if paths else run.folders
            if not chosen or run.on not in {"", *wanted}:
                continue
            if run.on == "postgresql":
                try:
                    server = server or cleanup.enter_context(postgres.Server())
                except Missing as missing:
                    code = code or _absent(run, missing, totals)
                    continue
                run.env["DATABASE_URL"] = server.url(run.name.split()[0])
            returned = _pytest(run, chosen, options, totals)
            if returned not in (0, NO_TESTS_COLLECTED):
                code = code or returned
            if returned == USAGE_ERROR:
                break  # the other runs would only say the same
    if not code and not totals.passed + totals.failed + totals.skipped:
        code = NO_TESTS_COLLECTED
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped", flush=True)
    return code


def _absent(run: Run, missing: Missing, totals: Totals) -> int:
    """In CI a run that cannot be made has failed; elsewhere it is skipped and says what cures that."""
    in_ci = bool(os.environ.get("CI"))
    print(f"== {run.name}: {'FAILED' if in_ci else 'skipped'}. {missing}", flush=True)
    totals.failed += in_ci
    totals.skipped += not in_ci
    return int(in_ci)


def runs() -> list[Run]:
    apps = ("web_app", "services_app")
    others = sorted(
        f"tests/{folder.name}"
        for folder in TESTS.iterdir()
        if folder.is_dir() and folder.name not in {*apps, *OWN_COMMAND} and any(folder.rglob("test_*.py"))
    )
    envs = app_environments()
    return [
        *(
            Run(
                app if on == "sqlite" else f"{app} on PostgreSQL",
                [f"tests/{app}"] if (TESTS / app).is_dir() else [],
                [f"--ds={app}.config.settings", *(["--reuse-db"] if on == "postgresql" else [])],
                dict(envs[app]),
                on,
                spread=True,
            )
            for on in ("sqlite", "postgresql")
            for app in apps
        ),
        Run("whole", [one for one in others if Path(one).name not in ALONE], ["-p", "no:django"], {}, spread=True),
        Run("alone", [one for one in others if Path(one).name in ALONE], ["-p", "no:django"], {}),
    ]


def app_environments() -> dict[str, dict[str, str]]:
    """What each app's settings need in order to be imported, also left as .state/test-env/<app>.env."""
    folder = STATE / "test-env"
    keys = pki.Pki(folder / "pki")
    nas = folder / "nas"
    envs = {
        "web_app": environments.web(
            keys,
            state=folder / "web_app",
            bind=f"unix:{folder}/web.sock",
            public_url="https://localhost:8443",
            services_url="https://127.0.0.1:8002",
        ),
        "services_app": environments.services(
            keys, state=folder / "services_app", nas=nas, uploads_bind="127.0.0.1:8001", control_bind="127.0.0.1:8002"
        ),
    }
    envs["services_app"]["LISTENER"] = "control"
    for app, env in envs.items():
        # No folder: each process of a run counts for itself. What counts together is tried in folders of its own.
        env["METRICS_DIR"] = "/dev/null/none"
        # The one for static files too, or whitenoise warns.
        (folder / app / "static").mkdir(parents=True, exist_ok=True)
        (folder / app).chmod(0o700)
        own = {name: value for name, value in env.items() if name not in environments.inherited()}
        lines = (f"{name}={shlex.quote(value)}\n" for name, value in own.items())
        (folder / f"{app}.env").write_text("".join(lines))
        envs[app] = own
    nas.mkdir(exist_ok=True)
    return envs


def _remove_leftovers() -> None:
    """Stacks and databases of runs that failed or were killed, once nobody can be looking at them any more."""
    for folder in (*(STATE / "test").glob("stack-*"), *Path(tempfile.gettempdir()).glob(f"{postgres.PREFIX}*")):
        if time.time() - folder.stat().st_mtime > KEEP_FAILED_FOR:
            shutil.rmtree(folder, ignore_errors=True)


def _pytest(run: Run, paths: list[str], options: list[str], totals: Totals) -> int:
    print(f"== {run.name}: {' '.join(paths)}", flush=True)
    report = STATE / "test" / f"{run.name.replace(' ', '-')}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    # Of a file all in one process, which makes once what several of its tests share. Few files are sooner done than processes start.
    spread = ["-n", str(len(os.sched_getaffinity(0))), "--dist=loadfile"] if run.spread and paths == run.folders else []
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *spread, *run.options, *options, *paths]
    env = {name: value for name, value in os.environ.items() if name not in ("NAS_ROOT", "DJANGO_SETTINGS_MODULE")}
    returned = subprocess.run(command, cwd=ROOT, env={**env, **run.env}, check=False).returncode
    _count(report, returned, totals)
    return returned


def _count(report: Path, returned: int, totals: Totals) -> None:
    """Add the report's numbers. A run that ended badly without any failure in its report counts as one."""
    failed_before = totals.failed
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 (our own file)
            number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
            failed = number["failures"] + number["errors"]
            totals.failed += failed
            totals.skipped += number["skipped"]
            totals.passed += max(0, number["tests"] - failed - number["skipped"])
    if returned not in (0, NO_TESTS_COLLECTED) and totals.failed == failed_before:
        totals.failed += 1


def _within(run: Run, paths: list[str]) -> list[str]:
    """The part of the paths that is this run's."""
    chosen = []
    for path in paths:
        wanted = (ROOT / path.split("::")[0]).resolve()
        chosen += [path for folder in run.folders if wanted.is_relative_to(ROOT / folder)]
        chosen += [
            folder for folder in run.folders if wanted != ROOT / folder and (ROOT / folder).is_relative_to(wanted)
        ]
    return chosen
