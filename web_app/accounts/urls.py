from django.urls import path

from web_app.accounts import password_views, session_views
from web_app.accounts.views import ChangePassword, PasswordChanged, SignIn, SignOut

app_name = "accounts"
urlpatterns = [
    path("login/", SignIn.as_view(), name="login"),
    path("password/", ChangePassword.as_view(), name="password"),
    path("password/changed/", PasswordChanged.as_view(), name="password-changed"),
    path("forgotten/", password_views.forgotten, name="forgotten"),
    path("forgotten/sent/", password_views.forgotten_sent, name="forgotten-sent"),
    path("new-password/", password_views.new_password, name="new-password"),
    path("sessions/", session_views.signed_in, name="sessions"),
    path("sessions/end", session_views.end, name="end-session"),
    path("logout/", SignOut.as_view(), name="logout"),
]
