"""A development OpenID provider: it gives a token for anybody to anybody who asks. Never use it for anything real.

No passwords, no clients, no sessions: discovery (OpenID Connect Discovery 1.0 section 4), a JWKS (RFC 7517) and
a token endpoint (RFC 6749 sections 4.3 and 4.4) that signs with RS256, so that Scopegate sees what it would see
from a real one.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from authz.demo.cast import AUDIENCE, PEOPLE, Person

WARNING = (
    "DEVELOPMENT ISSUER: it signs a token for ANYBODY, without a password. Never trust it outside a demo."
)

DEFAULT_LIFETIME_SECONDS = 3600
KEPT_KEYS = 2
"""Published keys: the one that signs and the one before, whose tokens are still about."""


class TokenRequestError(Exception):
    """The token endpoint's refusal: `code` is from RFC 6749 section 5.2."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class _SigningKey:
    kid: str
    key: rsa.RSAPrivateKey

    def jwk(self) -> dict[str, object]:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {
            "kty": "RSA",
            "n": public["n"],
            "e": public["e"],
            "kid": self.kid,
            "alg": "RS256",
            "use": "sig",
        }


def _new_key() -> _SigningKey:
    return _SigningKey(secrets.token_hex(6), rsa.generate_private_key(public_exponent=65537, key_size=2048))


class DevelopmentIssuer:
    """The issuer without its HTTP: keys and tokens. `url` is its `iss`, and where its documents are found."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys = [_new_key()]

    def rotate(self) -> str:
        """Sign with a new key from now on, and stop publishing all but the last one. Returns the new key's id.

        A careful issuer publishes a key some time before it signs with it. This one does not, on purpose: so
        one can see what happens to the first token under a key that nobody has heard of.
        """
        self._keys = [_new_key(), *self._keys][:KEPT_KEYS]
        return self._keys[0].kid

    def discovery(self) -> dict[str, object]:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/v1/keys",
            "token_endpoint": f"{self.url}/v1/token",
            "grant_types_supported": ["password", "client_credentials"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def jwks(self) -> dict[str, object]:
        return {"keys": [key.jwk() for key in self._keys]}

    def token(self, form: Mapping[str, str]) -> dict[str, object]:
        """Answer a token request: `username` (or `client_id`), and for trying things out `groups` (separated by
        spaces), `audience` and `expires_in` (seconds; negative for a token that has ended already).

        Raises `TokenRequestError`.
        """
        person = _person(form)
        lifetime = _lifetime(form.get("expires_in"))
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": person.subject,
            "aud": form.get("audience", AUDIENCE),
            "iat": now + min(lifetime, 0) - 60,
            "exp": now + lifetime,
            "jti": secrets.token_hex(8),
            "preferred_username": person.username,
            "groups": list(person.groups),
        }
        signing = self._keys[0]
        # RFC 9068 section 2.1: an access token says so in its type, so that an ID token cannot pass for one.
        token = jwt.encode(
            claims, signing.key, algorithm="RS256", headers={"kid": signing.kid, "typ": "at+jwt"}
        )
        return {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}


def _person(form: Mapping[str, str]) -> Person:
    match form.get("grant_type"):
        case "password":
            name = form.get("username")
        case "client_credentials":
            name = form.get("client_id")
        case other:
            raise TokenRequestError(
                "unsupported_grant_type",
                f"got grant_type `{other}`, expected `password` or `client_credentials`",
            )
    if not name:
        raise TokenRequestError("invalid_request", "who is it for? send `username` (or `client_id`)")
    known = PEOPLE.get(name)
    groups = form.get("groups")
    if groups is not None:
        return Person(username=name, title=name, subject=f"00u-{name}", groups=tuple(groups.split()))
    if known is None:
        raise TokenRequestError(
            "invalid_grant", f"nobody is called `{name}`; known: {', '.join(PEOPLE)}; or send `groups`, too"
        )
    return known


def _lifetime(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIFETIME_SECONDS
    try:
        seconds = int(text)
    except ValueError:
        raise TokenRequestError("invalid_request", f"expires_in: got `{text}`, expected seconds") from None
    if abs(seconds) > 86_400:
        raise TokenRequestError("invalid_request", f"expires_in: got {seconds}, expected a day at most")
    return seconds
