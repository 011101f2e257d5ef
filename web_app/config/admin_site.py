"""Operators' admin, behind the same door as everything else."""

from functools import wraps

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.urls import reverse

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})


class SluiceAdminSite(AdminSite):
    site_header = site_title = "Sluice"
    index_title = "Operators"

    def admin_view(self, view, cacheable=False):
        """Every change stands or falls with its audit event. Django itself wraps forms, but no actions or passwords."""

        @wraps(view)
        def whole_or_not_at_all(request, *args, **kwargs):
            if request.method in _CHANGES_NOTHING:
                return view(request, *args, **kwargs)
            with transaction.atomic():
                return view(request, *args, **kwargs)

        return super().admin_view(whole_or_not_at_all, cacheable)

    def login(self, request, extra_context=None):
        """One log-in page only: the admin's own would be a second one, without the throttle."""
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def logout(self, request, extra_context=None):
        # Imported late: views need the models, which are not there yet when Django makes this site.
        from web_app.accounts.views import SignOut

        return SignOut.as_view()(request)
