"""Operators read the audit; nobody writes it here. `AuditedAdmin` puts their own changes into it."""

import datetime
from functools import partial
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import transaction
from django.http import Http404, StreamingHttpResponse
from django.urls import path, reverse
from django.utils.html import format_html, strip_tags
from django.utils.text import capfirst

from web_app.audit.models import Action, AuditEvent, SecurityEvent
from web_app.audit.record import Who, record
from web_app.config.tables import csv_of
from web_app.grants import daily
from web_app.pages.places import Export


class Exported(admin.ModelAdmin):
    """With its rows as a table for a spreadsheet: those that are searched and filtered for, all columns of the list."""

    change_list_template = "admin/exported_change_list.html"

    def get_urls(self):
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("list.csv", self.admin_site.admin_view(self.export), name=name), *super().get_urls()]

    def export(self, request):
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            changes = self.get_changelist_instance(request)
        except IncorrectLookupParameters as exc:
            raise Http404 from exc
        columns = [name for name in changes.list_display if name != "action_checkbox"]
        cells = [partial(self._cell, name) for name in columns]
        rows = ([cell(row) for cell in cells] for row in changes.queryset.iterator(chunk_size=500))
        heads = [capfirst(label_for_field(name, self.model, self)) for name in columns]
        parts = Export(request, csv_of(heads, rows), self._may_look)
        try:
            with transaction.atomic():
                daily.count_one(request.user)
                record(Who.asks(request), Action.EXPORTED, self.opts.model_name)
        except BaseException:
            parts.close()
            raise
        response = StreamingHttpResponse(parts, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{self.opts.model_name}.csv"'
        return response

    def _may_look(self, person) -> bool:
        named = (get_permission_codename(action, self.opts) for action in ("view", "change"))
        return person.is_active and person.is_staff and any(person.has_perm(f"{self.opts.app_label}.{name}") for name in named)

    def _cell(self, name: str, row) -> str:
        try:
            field, _, value = lookup_field(name, row, self)
        except ObjectDoesNotExist:  # of a relation that need not be there
            return ""
        if field is not None and field.flatchoices:
            value = dict(field.flatchoices).get(value, value)
        if isinstance(value, datetime.datetime):
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        return "" if value is None else strip_tags(str(value))


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class Kinds(admin.AllValuesFieldListFilter):
    """Some events are about nothing, and a link needs a text."""

    def choices(self, changelist):
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "(nothing)"}


@admin.register(AuditEvent)
class AuditEventAdmin(Exported, ReadOnlyAdmin):
    list_display = ["at", "action", "actor", "subject_kind", "subject", "changed", "person", "address"]
    list_filter = ["action", ("subject_kind", Kinds), "at"]
    date_hierarchy = "at"
    list_select_related = ["actor", "person"]
    search_fields = [
        "=subject_id",
        *(f"={who}__{name}" for who in ("actor", "person") for name in ("username", "uploader_id")),
        "=address",
    ]
    search_help_text = "A whole id, user name or address."
    show_full_result_count = False

    @admin.display(ordering="subject_id")
    def subject(self, obj) -> str:
        """Linked where it has a page of its own."""
        page = _PAGES.get(obj.subject_kind)
        if page is None or not obj.subject_id:
            return obj.subject_id
        address = f"{reverse(f'admin:{page}_changelist')}?{urlencode({'q': obj.subject_id})}"
        return format_html('<a href="{}">{}</a>', address, obj.subject_id)

    @admin.display(description="fields")
    def changed(self, obj) -> str:
        return ", ".join(map(str, obj.fields))


# Kind of an event's subject → where its id is searched for.
_PAGES = {"grant": "grants_grant", "upload": "grants_storedupload", "collection": "collections_collection", "user": "accounts_user"}


@admin.register(SecurityEvent)
class SecurityEventAdmin(Exported, ReadOnlyAdmin):
    list_display = ["hour", "kind", "count", "person", "api_key", "network", "last_at"]
    list_filter = ["kind"]
    date_hierarchy = "hour"
    search_fields = ["=person", "=api_key", "=network"]
    show_full_result_count = False


class AuditedAdmin(admin.ModelAdmin):
    """Every addition, change and deletion by an operator becomes an audit event, in the admin's own transaction."""

    def audit_id(self, obj) -> str:
        return str(obj.pk)

    def _record(self, request, action: Action, obj, fields: list[str] | None = None) -> None:
        record(Who.asks(request), action, obj._meta.model_name, self.audit_id(obj), fields, person=_person_of(obj))

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


def _person_of(obj) -> AbstractBaseUser | None:
    """Whose thing it is: a person's own account, membership or key."""
    if isinstance(obj, AbstractBaseUser):
        return obj
    owner = getattr(obj, "user", None)
    return owner if isinstance(owner, AbstractBaseUser) else None


def _changed_fields(message) -> list[str]:
    """Field labels out of Django's structured change message; other messages (a new password) name none."""
    if not isinstance(message, list):
        return []
    return [label for part in message for label in part.get("changed", {}).get("fields", [])]
