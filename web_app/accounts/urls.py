from django.urls import path

from web_app.accounts import password_views, session_views
from web_app.accounts.factors import views as factor_views
from web_app.accounts.views import ChangePassword, PasswordChanged, SignIn, SignOut

app_name = "accounts"
urlpatterns = [
    path("login/", SignIn.as_view(), name="login"),
    path("login/code/", factor_views.second_step, name="second-step"),
    path("login/passkey/", factor_views.sign_in_by_passkey, name="passkey"),
    path("factors/", factor_views.factors, name="factors"),
    path("factors/app/", factor_views.set_up_app, name="set-up-app"),
    path("factors/passkey/", factor_views.add_passkey, name="add-passkey"),
    path("factors/passkey/asked", factor_views.asked_to_make, name="asked-to-make"),
    path("factors/remove", factor_views.remove, name="remove-factor"),
    path("factors/codes", factor_views.new_codes, name="recovery-codes"),
    path("password/", ChangePassword.as_view(), name="password"),
    path("password/changed/", PasswordChanged.as_view(), name="password-changed"),
    path("forgotten/", password_views.forgotten, name="forgotten"),
    path("forgotten/sent/", password_views.forgotten_sent, name="forgotten-sent"),
    path("new-password/", password_views.new_password, name="new-password"),
    path("sessions/", session_views.signed_in, name="sessions"),
    path("sessions/end", session_views.end, name="end-session"),
    path("logout/", SignOut.as_view(), name="logout"),
]
