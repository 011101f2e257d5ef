"""Operators read the audit; nobody writes it here. `AuditedAdmin` puts their own changes into it."""

from django.contrib import admin

from web_app.audit.models import Action, AuditEvent
from web_app.audit.record import Who, record


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "action", "actor", "subject_kind", "subject_id", "address"]
    list_filter = ["action", "subject_kind"]
    date_hierarchy = "at"
    list_select_related = ["actor"]
    show_full_result_count = False


class AuditedAdmin(admin.ModelAdmin):
    """Every addition, change and deletion by an operator becomes an audit event, in the admin's own transaction."""

    def audit_id(self, obj) -> str:
        return str(obj.pk)

    def _record(self, request, action: Action, obj, fields: list[str] | None = None) -> None:
        record(Who.asks(request), action, obj._meta.model_name, self.audit_id(obj), fields)

    def log_addition(self, request, obj, message):
        self._record(request, Action.ADDED, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request, obj, message):
        self._record(request, Action.CHANGED, obj, _changed_fields(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request, queryset):
        for obj in queryset:
            self._record(request, Action.DELETED, obj)
        return super().log_deletions(request, queryset)


def _changed_fields(message) -> list[str]:
    """Field labels out of Django's structured change message; other messages (a new password) name none."""
    if not isinstance(message, list):
        return []
    return [label for part in message for label in part.get("changed", {}).get("fields", [])]
