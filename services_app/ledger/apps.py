from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "services_app.ledger"
    label = "ledger"
