"""Operators' view of people and of their scripts' keys."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.template.response import TemplateResponse

from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey, User
from web_app.audit.admin import AuditedAdmin
from web_app.audit.record import Who


@admin.register(User)
class PersonAdmin(AuditedAdmin, UserAdmin):
    fieldsets = (*UserAdmin.fieldsets, ("Services tier", {"fields": ["uploader_id"]}))
    readonly_fields = ["uploader_id", "last_login", "date_joined"]

    def audit_id(self, obj) -> str:
        return obj.uploader_id


# Groups hand out permissions, so their changes belong into the audit as well.
admin.site.unregister(Group)


@admin.register(Group)
class AuditedGroupAdmin(AuditedAdmin, GroupAdmin):
    pass


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    """Made and revoked here, never changed. The key is shown once, in the answer to the form that made it."""

    list_display = ["__str__", "user", "label", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["prefix", "label"]
    fields = ["user", "label", "expires_at", "created_at", "last_used_at", "revoked_at"]
    autocomplete_fields = ["user"]
    actions = ["revoke"]

    def get_readonly_fields(self, request, obj=None):
        return self.fields if obj else ["created_at", "last_used_at", "revoked_at"]

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        if change:
            return
        made, text = api_keys.create(obj.user, label=obj.label, expires_at=obj.expires_at, who=Who.asks(request))
        obj.pk, obj.prefix, obj.created_at, obj.text_shown_once = made.pk, made.prefix, made.created_at, text

    def response_add(self, request, obj, post_url_continue=None):
        # Not through a message: those are stored, in a cookie or with the session.
        context = {**self.admin_site.each_context(request), "title": "API key made", "key": obj.text_shown_once}
        return TemplateResponse(
            request, "admin/accounts/apikey/made.html", context, headers={"Cache-Control": "no-store"}
        )

    @admin.action(description="Revoke selected API keys", permissions=["change"])
    def revoke(self, request, queryset):
        for key in queryset:
            api_keys.revoke(key, who=Who.asks(request))
