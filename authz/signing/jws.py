"""Claims, signed: a JWS in compact form (RFC 7515 section 7.1).

Written here and not by PyJWT, whose ECDSA draws a nonce for each signature: equal claims would give another text
each time, and a check would not be a function of its inputs any more. Every JWS is read back by PyJWT in the tests.
"""

import json
from collections.abc import Mapping

from jwt.utils import base64url_encode

from authz.signing.keys import SigningKeys


def sign(claims: Mapping[str, object], typ: str, keys: SigningKeys) -> str:
    """The claims as a JWS of the media type `typ`, by the key that signs. Equal claims give equal texts.

    Raises `ValueError` and `TypeError` for what JSON cannot say.
    """
    key = keys.signing
    header = {"alg": key.algorithm.value, "kid": key.kid, "typ": typ}
    signing_input = b".".join(base64url_encode(_json(part)) for part in (header, claims))
    return b".".join((signing_input, base64url_encode(key.sign(signing_input)))).decode("ascii")


def _json(document: Mapping[str, object]) -> bytes:
    text = json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")
