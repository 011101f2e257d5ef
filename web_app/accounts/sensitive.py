"""Who may hand out power over accounts, and when the password is asked for again.

What makes somebody more than they are (rights, groups, another operator's password) is for superusers: anybody else with it could
make themselves one.
"""

import time

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

CONFIRMED_FOR = 15 * 60  # seconds for which a password that was typed counts
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


def has_just_signed_in(request: HttpRequest) -> bool:
    return time.time() - request.session.get("signed_in_at", 0) < CONFIRMED_FOR


def is_operator(person) -> bool:
    return person.is_staff or person.is_superuser


class AsksForThePassword:
    """For admins whose changes are sensitive: signing in must not be long ago. Whoever opens a form is asked first, so that nothing
    typed is lost; looking needs nothing.
    """

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        may_save = self.has_add_permission(request) if object_id is None else self.has_change_permission(request)
        return self._asked(request, may_save) or super().changeform_view(request, object_id, form_url, extra_context)

    def changelist_view(self, request, extra_context=None):
        return self._asked(request, request.method == "POST") or super().changelist_view(request, extra_context)

    def delete_view(self, request, object_id, extra_context=None):
        return self._asked(request, True) or super().delete_view(request, object_id, extra_context)

    def _asked(self, request: HttpRequest, changes: bool) -> HttpResponse | None:
        if not changes or has_just_signed_in(request):
            return None
        return redirect_to_login(request.get_full_path())
