"""What needs a person, and the command that cures it. `critical`: uploads fail, or will within days; `warning`: they will."""

from datetime import UTC, datetime

from django.core.checks import run_checks

from services_app.config import health

CERTIFICATE_WARNING, CERTIFICATE_CRITICAL = 20, 5  # days left
KEY_AGE_WARNING = 365  # days
HOOK_WARNING = 900  # seconds that a stored file waits to be handed on
EXIT = {"ok": 0, "warning": 1, "critical": 2}  # as monitoring plugins end

_CURES = {
    "database": "free its disk or start PostgreSQL; then run: manage.py migrate --check",
    "store": "mount the NAS and see: findmnt $NAS_ROOT; then run: manage.py init_store (it changes nothing that is well)",
    "space": "make room on the NAS; what expired is removed by: manage.py recover",
    "inodes": "raise the NAS's number of inodes; what expired is removed by: manage.py recover",
    health.SERVED_ON: "put a good one in its place; the log names the reason: journalctl -g changed_file_refused",
    "collections": "run: manage.py init_store (it names what fails and its cure)",
}


def problems(report: dict) -> list[dict]:
    """Worst first; each `level`, `what` and `cure`."""
    found = [*_settings(), *_health(report), *_uploads(report["uploads"]), *_stored(report["stored"]), *_room(report["store"])]
    found += [*_hooks(report["hooks"]), *_certificates(report["certificates"]), *_keys(report["keys"])]
    return sorted(found, key=lambda problem: -EXIT[problem["level"]])


def worst(problems: list[dict]) -> int:
    """The exit status: 0, 1 or 2."""
    return max((EXIT[problem["level"]] for problem in problems), default=0)


def _critical(what: str, cure: str) -> dict:
    return {"level": "critical", "what": what, "cure": cure}


def _warning(what: str, cure: str) -> dict:
    return {"level": "warning", "what": what, "cure": cure}


def _settings():
    """What would keep a process from starting."""
    for check in run_checks():
        if check.is_serious() and not check.is_silenced():
            yield _critical(f"{check.id}: {check.msg}", check.hint or "see .env.example")


def _health(report: dict):
    for part, said in report["failing"].items():
        if part == "store" and "database" in report["failing"] and said == "absent":
            continue  # which one it is stands in the database
        judge = _warning if part == health.SERVED_ON else _critical  # the old ones serve on
        yield judge(f"{part}: {said}", _CURES[part])


def _room(store: dict):
    free, reserve = store["free_bytes"], store["reserve_bytes"]
    if free is not None and reserve < free < 2 * reserve:
        yield _warning(f"the NAS has {free} bytes left, {reserve} of them in reserve", _CURES["space"])


def _uploads(uploads: dict):
    if uploads["abandoned"]:
        yield _warning(f"{uploads['abandoned']} uploads wait to be settled", "run: manage.py recover (it names what it cannot settle)")
    if (uploads["held"] or 0) >= uploads["limit"]:
        yield _warning(
            f"all {uploads['limit']} places are taken, more senders are told to wait",
            "raise UPLOAD_MAX_CONCURRENT and UPLOAD_THREADS if the NAS bears it (docs/operations.md, Capacity)",
        )


def _stored(stored: dict):
    if stored["not_what_they_were"]:
        what = f"{stored['not_what_they_were']} stored files are not what they were, as verify_store found"
        yield _critical(what, "run: manage.py verify_store (it names them; docs/operations.md, When something looks wrong)")
    if stored["not_unpacked"]:
        what = f"the files of {stored['not_unpacked']} stored folders could not be put beside their archives"
        yield _warning(what, "run: manage.py recover (it names each and why; docs/operations.md, Folders)")


def _hooks(hooks: list[dict]):
    for one in hooks:
        if one["failed"]:
            cure = "run: manage.py outbox --list (it names them, and why), then for each: manage.py outbox --retry ID, or --release ID"
            yield _warning(f"hook {one['hook']} was given up for {one['failed']} stored files", cure)
        if one["unseen_seconds"] > HOOK_WARNING:
            what = f"nobody has looked for {one['unseen_seconds']:.0f} s whether something is to be handed on to hook {one['hook']}"
            yield _warning(what, "start the worker: systemctl start sluice-services-outbox, or manage.py outbox --every 5")
        elif one["oldest_seconds"] > HOOK_WARNING:
            said = f", and its last try ended with {one['said']}" if one["said"] else ""
            what = f"hook {one['hook']} is behind: the oldest of {one['open']} files waits since {one['oldest_seconds']:.0f} s{said}"
            yield _warning(what, "look at what it hands on to (docs/operations.md, After the commit)")


def _certificates(certificates: list[dict]):
    for one in certificates:
        name, cure = one["certificate"], "renew it: ansible-playbook site.yml, or docs/operations.md, Keys and certificates"
        if "fault" in one:
            yield _critical(f"certificate {name} cannot be read ({one['fault']})", "look at TLS_CERT_FILE and TLS_CLIENT_CA_FILE")
        elif (left := days_until(one["ends"])) < CERTIFICATE_WARNING:
            level = _critical if left < CERTIFICATE_CRITICAL else _warning
            yield level(f"certificate {name} ends in {left} days" if left >= 0 else f"certificate {name} has ended", cure)


def _keys(keys: list[dict]):
    for one in keys:
        if "fault" in one:
            cure = "run: manage.py check"
            yield _critical(f"the {one['use']} keys cannot be read ({one['fault']})", cure)
        elif one["signs"] and one["made"] and (days := seconds_since(one["made"]) // 86400) >= KEY_AGE_WARNING:
            what = f"{one['use']} key {one['kid']} was made {days:.0f} days ago and signs"
            yield _warning(what, "run: manage.py receipt_keys new, then as in docs/operations.md, Keys and certificates")


def days_until(at: str) -> int:
    """Whole days that are left, rounded down: negative as soon as it is past."""
    return (datetime.fromisoformat(at) - datetime.now(UTC)).days


def seconds_since(at: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
