"""Credentials for the cast: tokens from the development issuer, and the attacker's own."""

import base64
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

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
            f"{urlsplit(self.issuer_url).path}/v1/token",
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

    def _post(self, path: str, form: dict[str, str]) -> dict[str, object]:
        connection = http.client.HTTPConnection(urlsplit(self.issuer_url).netloc, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(
                "POST", path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}
            )
            response = connection.getresponse()
            answer: dict[str, object] = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"the issuer answered {response.status}: {answer.get('error_description')}")
        return answer


def _segment(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
