"""`/.well-known/jwks.json`: the public halves of the keys that sign, for whoever verifies (RFC 7517)."""

import hashlib
import json
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from aiohttp import web

from authz.signing.keys import SigningKeys, public_jwks

JWKS_PATH: Final = "/.well-known/jwks.json"
JWKS_MAX_AGE: Final = 60
"""Seconds for which a verifier may keep the set: so long a new key has to be published before it signs, and so long a
key that is withdrawn is believed."""
JWKS_TYPE: Final = "application/jwk-set+json"
"""RFC 7517 section 8.5.2."""
PROBLEM_TYPE: Final = "urn:scopegate:problem:"


class Unpublished(StrEnum):
    """Why there is no key set."""

    NOT_CONFIGURED = "assertion_not_configured"
    """The policy in force signs nothing."""
    NOT_LOADED = "signing_keys_not_loaded"
    """There is no policy yet, or its key files have not been read."""


Published = Callable[[], SigningKeys | Unpublished]
"""What is published at this moment."""


def jwks_answer(keys: SigningKeys | Unpublished, request: web.Request) -> web.Response:
    """The key set, `304` for one that the client has already, or a problem document (RFC 9457)."""
    if isinstance(keys, Unpublished):
        return _problem(keys)
    body = json.dumps(public_jwks(keys), separators=(",", ":")).encode("ascii")
    etag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{etag}"', "Cache-Control": f"public, max-age={JWKS_MAX_AGE}"}
    if any(known.value in {etag, "*"} for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers={"Content-Type": JWKS_TYPE, **headers})


def _problem(why: Unpublished) -> web.Response:
    status, title = {
        Unpublished.NOT_CONFIGURED: (404, "the policy signs nothing: it has no `assertion`"),
        Unpublished.NOT_LOADED: (503, "the keys are not loaded"),
    }[why]
    problem = {"type": PROBLEM_TYPE + why.value, "title": title, "status": status}
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    return web.Response(body=json.dumps(problem).encode("ascii"), status=status, headers=headers)
