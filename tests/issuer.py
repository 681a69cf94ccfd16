"""An issuer of OpenID Connect on the loopback, which says of whoever comes what a test tells it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test.utils import override_settings

CLIENT_ID = "riskreg"
CLIENT_SECRET = "a-long-secret-of-the-tests"


@dataclass
class Issuer:
    """`claims` go into the token, `info` into the answer about the person; `requests` is what was asked."""

    address: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    issuer: str = ""
    audience: str = CLIENT_ID
    challenge: str = ""
    fail_at: str = ""
    requests: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    key: Any = field(default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def person(self, **claims: Any) -> None:
        self.claims = {
            "sub": "42",
            "email": "sso@acme.example",
            "email_verified": True,
            "name": "Sso Li",
        } | claims
        self.info = dict(self.claims)

    def token(self) -> str:
        now = int(time.time())
        times = {"iat": now, "exp": now + 60}
        payload = self.claims | times | {"iss": self.issuer or self.address, "aud": self.audience}
        return jwt.encode(payload, self.key, algorithm="RS256", headers={"kid": "1"})

    def answer(self, path: str, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        self.requests.append((path, form))
        if path == self.fail_at:
            return 500, {}
        if path.endswith("/.well-known/openid-configuration"):
            names = ("authorization", "token", "userinfo")
            return 200, {
                "issuer": self.address,
                "jwks_uri": f"{self.address}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            } | {f"{name}_endpoint": f"{self.address}/{name}" for name in names}
        if path == "/token":
            verifier = hashlib.sha256(form["code_verifier"][0].encode()).digest()
            proved = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() == self.challenge
            known = (form["client_id"], form["client_secret"]) == ([CLIENT_ID], [CLIENT_SECRET])
            if not (proved and known and form["code"] == ["code"]):
                return 400, {"error": "invalid_grant"}
            return 200, {"access_token": "access", "token_type": "Bearer", "id_token": self.token()}
        return 200, self.info


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        self._send({})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self._send(parse_qs(self.rfile.read(length).decode()))

    def _send(self, form: dict[str, list[str]]) -> None:
        status, data = self.issuer.answer(urlsplit(self.path).path, form)
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def running_issuer(roles: tuple[tuple[str, str, str], ...] = ()) -> Iterator[Issuer]:
    """The issuer, and the settings that name it."""
    issuer = Issuer()
    handler = type("Handler", (_Handler,), {"issuer": issuer})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    issuer.address = f"http://127.0.0.1:{server.server_address[1]}"
    issuer.person()
    app = {
        "provider_id": "sso",
        "name": "Acme sign-on",
        "client_id": CLIENT_ID,
        "secret": CLIENT_SECRET,
        "settings": {"server_url": issuer.address},
    }
    providers = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with override_settings(
            SOCIALACCOUNT_PROVIDERS=providers, OIDC_ISSUER=issuer.address, OIDC_ROLES=roles
        ):
            yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
