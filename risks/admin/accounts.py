"""Means of signing in are nobody's to look at or change here: their rows hold secrets and tokens."""

from __future__ import annotations

from allauth.mfa import admin as mfa_admin  # noqa: F401  # these register their models, or we could not
from allauth.mfa.models import Authenticator
from allauth.socialaccount import admin as social_admin  # noqa: F401
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions import admin as sessions_admin  # noqa: F401
from allauth.usersessions.models import UserSession
from django.contrib import admin

for model in (Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    admin.site.unregister(model)
