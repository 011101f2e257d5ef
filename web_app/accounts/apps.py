from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "web_app.accounts"
    label = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from web_app.accounts import roles, signals  # noqa: F401  connects them
