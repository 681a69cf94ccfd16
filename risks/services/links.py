"""Addresses of our pages in mails, which no request leads to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks


def base_url() -> str:
    """Where people reach this installation, without a slash at its end; empty if nobody has said."""
    if settings.BASE_URL:
        return settings.BASE_URL.rstrip("/")
    hosts = [host for host in settings.ALLOWED_HOSTS if not host.startswith((".", "*"))]
    return f"{'http' if settings.INSECURE else 'https'}://{hosts[0]}" if hosts else ""


def absolute_url(path: str) -> str:
    return base_url() + path


def host() -> str:
    """As people read it, with its port."""
    return urlsplit(base_url()).netloc


def domain() -> str:
    """The host of `base_url`, for Message-IDs."""
    return urlsplit(base_url()).hostname or "localhost"


@checks.register
def check_base_url(app_configs: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Mail needs addresses that lead here."""
    url = urlsplit(base_url())
    if url.scheme in ("http", "https") and url.hostname:
        return []
    return [
        checks.Error(
            "Links in mails lead nowhere: RISKREG_BASE_URL is not an address, or it is missing and"
            " RISKREG_ALLOWED_HOSTS names no host.",
            hint="Set RISKREG_BASE_URL to where people reach this installation: https://risks.example.com",
            id="risks.E001",
        )
    ]
