"""What needs a person, and the command that cures it. `critical`: uploads fail, or will within days; `warning`: they will."""

import datetime

from django.core.checks import run_checks

CERTIFICATE_WARNING, CERTIFICATE_CRITICAL = 20, 5  # days left
KEY_AGE_WARNING = 365  # days
RECONCILE_WARNING = 900  # seconds without a round
EXIT = {"ok": 0, "warning": 1, "critical": 2}  # as monitoring plugins end

_RENEW = "renew it: ansible-playbook site.yml, or docs/operations.md, Keys and certificates"
_DATABASE = "free its disk or start PostgreSQL; then run: manage.py migrate --check"
_RECONCILE = "run: systemctl restart sluice-reconcile (manage.py reconcile --every 60)"


def problems(report: dict) -> list[dict]:
    """Worst first; each `level`, `what` and `cure`."""
    found = [*_settings(database="database" not in report["failing"])]
    found += [_critical(f"{part}: {said}", _DATABASE) for part, said in report["failing"].items()]
    found += [*_reconcile(report), *_certificates(report["certificates"]), *_keys(report["keys"])]
    return sorted(found, key=lambda problem: -EXIT[problem["level"]])


def worst(problems: list[dict]) -> int:
    """The exit status: 0, 1 or 2. A level that nobody knows is the worst."""
    return max((EXIT.get(problem["level"], 2) for problem in problems), default=0)


def _critical(what: str, cure: str) -> dict:
    return {"level": "critical", "what": what, "cure": cure}


def _warning(what: str, cure: str) -> dict:
    return {"level": "warning", "what": what, "cure": cure}


def _settings(*, database: bool):
    """What would keep web_app from starting."""
    for check in run_checks(include_deployment_checks=True, databases=["default"] if database else None):
        if check.is_serious() and not check.is_silenced():
            yield _critical(f"{check.id}: {check.msg}", check.hint or "see .env.example")


def _reconcile(report: dict):
    ago = report["reconcile"]["seconds_ago"]
    if ago is None:
        yield _warning("no round of reconcile has ended since this host started", _RECONCILE)
    elif ago > RECONCILE_WARNING:
        yield _warning(f"the last round of reconcile ended {ago / 60:.0f} minutes ago", _RECONCILE)


def _certificates(certificates: list[dict]):
    for one in certificates:
        name = one["certificate"]
        if "fault" in one:
            cure = "look at INTERNAL_CLIENT_CERT_FILE and SERVICES_CA_FILE"
            yield _critical(f"certificate {name} cannot be read ({one['fault']})", cure)
        elif (left := days_until(one["ends"])) < CERTIFICATE_WARNING:
            level = _critical if left < CERTIFICATE_CRITICAL else _warning
            yield level(f"certificate {name} ends in {left} days" if left >= 0 else f"certificate {name} has ended", _RENEW)


def _keys(keys: list[dict]):
    for one in keys:
        if "fault" in one:
            yield _critical(f"the {one['use']} keys cannot be read ({one['fault']})", "run: manage.py check")
        elif one["signs"] and one["made"] and (days := seconds_since(one["made"]) // 86400) >= KEY_AGE_WARNING:
            what = f"{one['use']} key {one['kid']} was made {days:.0f} days ago and signs"
            yield _warning(what, "run: manage.py token_keys new, then as in docs/operations.md, Keys and certificates")


def days_until(at: str) -> int:
    """Whole days that are left, rounded down: negative as soon as it is past."""
    return (datetime.datetime.fromisoformat(at) - datetime.datetime.now(datetime.UTC)).days


def seconds_since(at: str) -> float:
    return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(at)).total_seconds()
