"""The only writer of audit events. What changes state takes a `Who` and calls `record` in the same transaction."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest

from web_app.audit.models import Action, AuditEvent
from web_app.metrics import counted

for known in Action:
    counted.events.labels(known)


@dataclass(frozen=True)
class Who:
    """Somebody, or a command (no user), and the address that the request came from."""

    user: AbstractBaseUser | None = None
    address: str | None = None

    @classmethod
    def asks(cls, request: HttpRequest) -> "Who":
        user = getattr(request, "user", None)
        return cls(
            user=user if user is not None and user.is_authenticated else None,
            address=request.META.get("REMOTE_ADDR") or None,
        )


COMMAND = Who()


class NotInTransaction(Exception):
    """An event must stand or fall with the change that it tells of."""


def record(
    who: Who,
    action: Action,
    kind: str = "",
    subject_id: object = "",
    fields: list[str] | None = None,
    person: AbstractBaseUser | None = None,
) -> None:
    """Add one event. Call it inside the transaction of the change. `person`: whose thing it is, where it is a person's."""
    if not transaction.get_connection().in_atomic_block:
        raise NotInTransaction
    AuditEvent(
        action=action,
        actor=who.user,
        subject_kind=kind,
        subject_id=str(subject_id),
        fields=fields or [],
        person=person,
        address=who.address,
    ).save()
    counted.event_recorded(action)
