from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "web_app.audit"
    label = "audit"
    verbose_name = "Audit"
