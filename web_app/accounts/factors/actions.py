"""Second factors are added, used and removed: each with its audit event, in one transaction.

A code counts once, whichever process it is shown to: it is spent by one conditional UPDATE, and who changed the row is who may go on.
"""

import logging
import time

from django.db import transaction
from django.utils import timezone

from web_app.accounts import sessions
from web_app.accounts.factors import recovery, sealing, totp
from web_app.accounts.models import RecoveryCode, Totp, User
from web_app.audit.models import Action
from web_app.audit.record import Who, record

logger = logging.getLogger(__name__)

# As the audit names them.
APP, CODES = "totp", "recovery_codes"


def add_app(person: User, secret: bytes, typed: str, *, who: Who, may_replace: bool) -> bool:
    """The app shows the right code for this secret, so it is the person's from now on, in the place of one that was; False for a wrong
    code, and where one was and may not be replaced. The code is spent.
    """
    step = totp.step_of(secret, typed, time.time())
    if step is None:
        return False
    with transaction.atomic():
        _one_after_the_other(person)
        if Totp.objects.filter(person=person).exists():
            if not may_replace:
                return False
            _record(who, Action.FACTOR_REMOVED, person, APP)
        kept = {"sealed": sealing.seal(secret, person.uploader_id), "last_step": step}
        person.totp, _ = Totp.objects.update_or_create(person=person, defaults=kept)
        _record(who, Action.FACTOR_ADDED, person, APP)
    return True


def remove_app(person: User, *, who: Who) -> None:
    """With the last factor go the recovery codes."""
    with transaction.atomic():
        if Totp.objects.filter(person=person).delete()[0]:
            _record(who, Action.FACTOR_REMOVED, person, APP)
        RecoveryCode.objects.filter(person=person).delete()


def make_recovery_codes(person: User, *, who: Who) -> list[str]:
    """To be shown once. Those of before are worth nothing from now on."""
    codes = recovery.new_codes()
    with transaction.atomic():
        _one_after_the_other(person)  # or there would be twenty
        RecoveryCode.objects.filter(person=person).delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(person=person, digest=recovery.digest(code, person.uploader_id)) for code in codes
        )
        _record(who, Action.RECOVERY_CODES_MADE, person, CODES)
    return codes


def use_code(person: User, typed: str, *, who: Who) -> str:
    """Spend a code of the app, or a recovery code: which of the two it was (APP, CODES), empty for neither."""
    with transaction.atomic():
        kind = APP if _spend_app_code(person, typed) else CODES if _spend_recovery_code(person, typed) else ""
        if kind:
            _record(who, Action.FACTOR_USED, person, kind)
    return kind


def _spend_app_code(person: User, typed: str) -> bool:
    kept = Totp.objects.filter(person=person).first()
    if kept is None:
        return False
    try:
        step = totp.step_of(sealing.opened(kept.sealed, person.uploader_id), typed, time.time())
    except sealing.NotOpened:
        logger.error("factor_not_opened", extra={"person": person.uploader_id})
        return False
    # An older step than the last is no use either: who looked over a shoulder has that one (RFC 6238, section 5.2).
    return step is not None and Totp.objects.filter(pk=kept.pk, sealed=kept.sealed, last_step__lt=step).update(last_step=step) == 1


def _spend_recovery_code(person: User, typed: str) -> bool:
    code = RecoveryCode.objects.filter(person=person, digest=recovery.digest(typed, person.uploader_id), used_at=None)
    return code.update(used_at=timezone.now()) == 1


def take_all_away(person: User, *, who: Who) -> list[str]:
    """Of somebody who lost everything: what it was. Whoever is signed in as them is so no longer."""
    with transaction.atomic():
        taken = [kind for kind, kept in ((APP, Totp), (CODES, RecoveryCode)) if kept.objects.filter(person=person).delete()[0]]
        if taken:
            record(who, Action.FACTOR_REMOVED, "user", person.uploader_id, taken, person=person)
        sessions.end_others(person, sessions.SessionStore(), who=who)
    return taken


def _one_after_the_other(person: User) -> None:
    User.objects.select_for_update(no_key=True).only("pk").get(pk=person.pk)


def _record(who: Who, action: Action, person: User, kind: str) -> None:
    record(who, action, "user", person.uploader_id, [kind], person=person)
