"""What the services tier says of itself, over the internal API: one command shows both tiers."""

from web_app.storage.errors import StorageAnswerBad, StorageError, StorageFailing, StorageRefused, StorageUnreachable
from web_app.storage.internal_api import internal_api

_CURES = {
    StorageRefused: "compare INTERNAL_API_KEY and WEB_CLIENT_NAME on both tiers (docs/operations.md, Keys and certificates)",
    StorageFailing: "on the services host: systemctl status sluice-control",
    StorageUnreachable: "on the services host: systemctl start sluice-control; else check SERVICES_URL, certificates and the firewall",
    StorageAnswerBad: "upgrade the services tier to this release: it does not know the question, or SERVICES_URL names another server",
}


def ask() -> tuple[dict | None, list[str], list[dict]]:
    """Its report, the same as lines, and what needs a person: its own problems, or that it cannot be asked."""
    try:
        answer = internal_api().ask("GET", "status")
        try:
            report, page = answer["report"], [str(line) for line in answer["page"]]
            return report, page, [{key: str(one[key]) for key in ("level", "what", "cure")} for one in report["problems"]]
        except (KeyError, TypeError) as exc:
            raise StorageAnswerBad from exc
    except StorageError as exc:
        what = f"the services tier cannot be asked ({exc.code})"
        cure = next(cure for kind, cure in _CURES.items() if isinstance(exc, kind))
        return None, [], [{"level": "critical", "what": what, "cure": cure}]
