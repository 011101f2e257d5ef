"""Operators' admin, behind the same door as everything else."""

from functools import wraps

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt

from web_app.accounts.hashing import by_who_is_known

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})


def _say_what_was_not_heard(request) -> None:
    from web_app.grants.revoking import untold  # late: models, which are not there yet when Django makes this site

    if count := untold().count():
        text = f"The services tier has not heard yet that {count} permissions ended; it will be told within minutes. See Grants."
        messages.warning(request, text)


class SluiceAdminSite(AdminSite):
    site_header = site_title = "Sluice"
    index_title = "Operators"
    enable_nav_sidebar = False  # lists need the width: a column that is cut off is not read

    def admin_view(self, view, cacheable=False):
        """Every change stands or falls with its audit event. Django itself wraps forms, but no actions or passwords."""

        @wraps(view)
        def whole_or_not_at_all(request, *args, **kwargs):
            if request.method in _CHANGES_NOTHING:
                return view(request, *args, **kwargs)
            with by_who_is_known(request.user.get_username()), transaction.atomic():
                response = view(request, *args, **kwargs)
            _say_what_was_not_heard(request)
            return response

        return super().admin_view(whole_or_not_at_all, cacheable)

    def login(self, request, extra_context=None):
        """One log-in page only: the admin's own would be a second one, without the throttle."""
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def password_change(self, request, extra_context=None):
        """One page for it too."""
        return redirect("accounts:password")

    @method_decorator(csrf_exempt)  # SignOut looks itself
    def logout(self, request, extra_context=None):
        # Imported late: views need the models, which are not there yet when Django makes this site.
        from web_app.accounts.views import SignOut

        return SignOut.as_view()(request)
