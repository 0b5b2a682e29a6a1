"""A local issuer over HTTP that rotates its keys and answers about opaque tokens; it counts what it is asked.

Runs in threads of the test process, so that a test can change it in one moment. `outage` makes it answer 503, and
`delay_seconds` late.
"""

import base64
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote_plus

import jwt

from tests.tokens import AUDIENCE, SigningKey, claims, ec_key, jwks, mint

CLIENT_ID = "scopegate:edge"
CLIENT_SECRET = "s3cret +/%"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, issuer: "IssuingServer") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = issuer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        self._send(*self.server.issuer.get(self.path, self.headers.get("if-none-match")))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        fields = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        self._send(*self.server.issuer.post(self.path, self.headers.get("authorization", ""), fields))

    def _send(self, status: int, document: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(document)))
        self.end_headers()
        self.wfile.write(document)

    def log_message(self, *_: object) -> None:
        """Silence: what came is counted."""


class IssuingServer:
    """`key` signs, `published` is in the JWKS. `opaque` holds the claims of active tokens."""

    def __init__(self) -> None:
        self.key: SigningKey = ec_key("first")
        self.published: tuple[Mapping[str, object], ...] = (self.key.jwk(),)
        self.opaque: dict[str, dict[str, object]] = {}
        self.client_key: Any = None
        """The public key of the client's assertions."""
        self.answer: bytes | None = None
        """In place of an introspection answer."""
        self.asked: Counter[str] = Counter()
        self.proofs: list[str] = []
        self.outage = False
        self.delay_seconds = 0.0
        self.max_age = 600
        """Seconds that its key set is fresh, as it says."""
        self._changing = threading.Condition()
        self._on_their_way = 0
        self._rotating = False
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def token(self, **changes: object) -> str:
        """A JWT that is good now."""
        now = int(time.time())
        made = claims(iss=self.url, sub="ann", iat=now - 5, nbf=now - 5, exp=now + 600)
        return mint({**made, **changes}, self.key)

    def opaque_token(self, **changes: object) -> str:
        """A token that says nothing, and that is active."""
        now = int(time.time())
        token = f"opq_{secrets.token_urlsafe(24)}"
        made: dict[str, object] = {
            **claims(iss=self.url, sub="ann", aud=AUDIENCE, iat=now - 5, nbf=None, exp=now + 600),
            "client_id": "tableau",
            "token_type": "Bearer",
            **changes,
        }
        self.opaque[token] = {name: value for name, value in made.items() if value is not None}
        return token

    def begin_use(self) -> str:
        """A good token that is on its way from now on, until `end_use`."""
        with self._changing:
            self._changing.wait_for(lambda: not self._rotating, 30)
            self._on_their_way += 1
            return self.token()

    def end_use(self) -> None:
        with self._changing:
            self._on_their_way -= 1
            self._changing.notify_all()

    def rotate(self, key: SigningKey, *published: Mapping[str, object]) -> None:
        """Sign with `key` and publish only `published` (or `key`), in one moment at which no token is on its way.

        A token that is on its way while its key is withdrawn is not valid any more when it arrives.
        """
        with self._changing:
            self._rotating = True
            self._changing.wait_for(lambda: self._on_their_way == 0, 30)
            self.key, self.published = key, published or (key.jwk(),)
            self._rotating = False
            self._changing.notify_all()

    def get(self, path: str, etag: str | None) -> tuple[int, bytes, Mapping[str, str]]:
        self.asked[path] += 1
        if self.outage:
            return 503, b"{}", {}
        time.sleep(self.delay_seconds)
        if path.endswith("/.well-known/openid-configuration"):
            return 200, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode(), {}
        body = jwks(*self.published)
        current = f'"{hash(body):x}"'
        if etag == current:
            return 304, b"", {"etag": current}
        return 200, body, {"etag": current, "cache-control": f"public, max-age={self.max_age}"}

    def post(
        self, path: str, authorization: str, fields: Mapping[str, str]
    ) -> tuple[int, bytes, Mapping[str, str]]:
        self.asked[path] += 1
        if self.outage:
            return 503, b"{}", {}
        time.sleep(self.delay_seconds)
        if not self._is_client(authorization, fields):
            return 401, b'{"error":"invalid_client"}', {}
        if self.answer is not None:
            return 200, self.answer, {}
        known = self.opaque.get(fields["token"])
        return 200, json.dumps({"active": False} if known is None else {"active": True, **known}).encode(), {}

    def _is_client(self, authorization: str, fields: Mapping[str, str]) -> bool:
        if self.client_key is not None:
            assertion = fields.get("client_assertion", "")
            proven = jwt.decode(
                assertion, self.client_key, algorithms=["ES256", "RS256", "EdDSA"], audience=self.url
            )
            self.proofs.append(proven["jti"])
            return bool(proven["iss"] == proven["sub"] == fields["client_id"] == CLIENT_ID)
        scheme, _, rest = authorization.partition(" ")
        if scheme != "Basic":
            return False
        # RFC 6749 section 2.3.1: both are form-encoded.
        name, _, secret = base64.b64decode(rest).decode().partition(":")
        self.proofs.append(scheme)
        return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, CLIENT_SECRET)
