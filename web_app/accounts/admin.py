"""Operators' view of people and of their scripts' keys."""

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.template.response import TemplateResponse
from django.utils import translation

from web_app.accounts import api_keys, links, own_passwords, post
from web_app.accounts.models import ApiKey, User
from web_app.accounts.sensitive import RIGHTS, AsksForThePassword, is_operator
from web_app.audit.admin import AuditedAdmin
from web_app.audit.record import Who
from web_app.collections.admin import memberships_of
from web_app.collections.amounts import of_count, of_size


def _send(person: User, language: str) -> None:
    with translation.override(language):
        post.later(post.send, person, links.INVITED, by_operator=True)


@admin.register(User)
class PersonAdmin(AsksForThePassword, AuditedAdmin, UserAdmin):
    fieldsets = (
        *UserAdmin.fieldsets,
        ("Collections", {"fields": ["memberships"]}),
        ("Quotas", {"fields": ["quota_bytes", "quota_objects"]}),
        ("Second factors", {"fields": ["second_factors"]}),
        ("Services tier", {"fields": ["uploader_id"]}),
    )
    readonly_fields = ["uploader_id", "last_login", "date_joined", "memberships", "second_factors"]
    actions = ["invite"]
    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff", "last_login"]
    search_fields = ["username", "first_name", "last_name", "email", "=uploader_id"]

    @admin.display(description="memberships")
    def memberships(self, obj) -> str:
        return memberships_of(obj)

    @admin.display(description="set up")
    def second_factors(self, obj) -> str:
        """Taking them away is no matter of a button: manage.py take_factors_away (ADR 0046)."""
        codes = obj.recovery_codes.filter(used_at=None).count()
        return f"app: {'yes' if hasattr(obj, 'totp') else 'no'}, passkeys: {obj.passkeys.count()}, recovery codes: {codes}"

    def audit_id(self, obj) -> str:
        return obj.uploader_id

    @admin.action(description="Invite: send a link for a first password", permissions=["change"])
    def invite(self, request, queryset):
        invited, chosen = [], list(queryset[: post.AT_ONCE + 1])
        if len(chosen) > post.AT_ONCE:
            self.message_user(request, f"At most {post.AT_ONCE} at a time. Nobody was sent a link.", messages.ERROR)
            return None
        for person in chosen:
            if not self._may_touch(request, person):
                raise PermissionDenied
            try:
                own_passwords.invite(person, who=Who.asks(request), by_mail=settings.MAIL_IS_SET)
                invited.append(person)
            except own_passwords.NotInvited as exc:
                self.message_user(request, str(exc), messages.WARNING)
        if settings.MAIL_IS_SET:
            # These pages are English; who is invited is more likely to read what the operator's browser asks for.
            language = translation.get_language_from_request(request)
            for person in invited:
                transaction.on_commit(lambda person=person: _send(person, language), robust=True)
            self.message_user(request, f"Links are on their way: {len(invited)}.")
            return None
        # Not through a message: those are stored, with the session.
        found = [(person, links.link_for(person, links.INVITED)) for person in invited]
        context = {**self.admin_site.each_context(request), "title": "Links for first passwords", "links": found}
        return TemplateResponse(request, "admin/accounts/user/invited.html", context, headers={"Cache-Control": "no-store"})

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        amounts = {"quota_bytes": of_size, "quota_objects": of_count}
        return amounts[db_field.name](db_field) if db_field.name in amounts else super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_readonly_fields(self, request, obj=None):
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else [*fields, *RIGHTS]

    def has_change_permission(self, request, obj=None):
        return self._may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request, obj=None):
        return self._may_touch(request, obj) and super().has_delete_permission(request, obj)

    @staticmethod
    def _may_touch(request, obj) -> bool:
        # Also its name and password: with those one is that operator.
        return obj is None or request.user.is_superuser or not is_operator(obj)

    def user_change_password(self, request, id, form_url=""):
        return self._asked(request, True) or super().user_change_password(request, id, form_url)


# Groups hand out permissions, so their changes belong into the audit as well.
admin.site.unregister(Group)


@admin.register(Group)
class AuditedGroupAdmin(AsksForThePassword, AuditedAdmin, GroupAdmin):
    """A group's rights are those of its members, and so for superusers."""

    def has_add_permission(self, request):
        return request.user.is_superuser

    def has_change_permission(self, request, obj=None):
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None):
        return request.user.is_superuser


@admin.register(ApiKey)
class ApiKeyAdmin(AsksForThePassword, admin.ModelAdmin):
    """Made and revoked here, never changed. The key is shown once, in the answer to the form that made it."""

    list_display = ["__str__", "user", "label", "may", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["prefix", "label"]
    fields = ["user", "label", "may", "collections", "expires_at", "created_at", "last_used_at", "revoked_at"]
    autocomplete_fields = ["user", "collections"]
    actions = ["revoke"]

    def get_readonly_fields(self, request, obj=None):
        return self.fields if obj else ["created_at", "last_used_at", "revoked_at"]

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        if change:
            return
        self._check_owner(request, obj)
        made, text = api_keys.create(
            obj.user,
            label=obj.label,
            expires_at=obj.expires_at,
            collections=form.cleaned_data["collections"],
            may=obj.may,
            who=Who.asks(request),
        )
        obj.pk, obj.prefix, obj.created_at, obj.text_shown_once = made.pk, made.prefix, made.created_at, text

    def response_add(self, request, obj, post_url_continue=None):
        # Not through a message: those are stored, in a cookie or with the session.
        context = {**self.admin_site.each_context(request), "title": "API key made", "key": obj.text_shown_once}
        return TemplateResponse(
            request, "admin/accounts/apikey/made.html", context, headers={"Cache-Control": "no-store"}
        )

    @admin.action(description="Revoke selected API keys", permissions=["change"])
    def revoke(self, request, queryset):
        for key in queryset.select_related("user"):
            self._check_owner(request, key)
            api_keys.revoke(key, who=Who.asks(request))

    @staticmethod
    def _check_owner(request, key) -> None:
        """A key speaks for its owner: those of operators are theirs, and superusers'. Raises PermissionDenied."""
        if is_operator(key.user) and key.user != request.user and not request.user.is_superuser:
            raise PermissionDenied
