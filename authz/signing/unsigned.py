"""Stands for the real keys where nobody needs a signature: to explain an answer, or to replay one."""

from types import MappingProxyType
from typing import Final

from authz.signing.keys import Algorithm, SigningKey, SigningKeys

_NOBODY: Final = SigningKey(
    kid="unsigned", algorithm=Algorithm.ES256, public=MappingProxyType({}), sign=lambda _: b"", secret=b""
)

UNSIGNED: Final = SigningKeys((_NOBODY,), _NOBODY)
"""Their signature is empty: whatever the claims say, no verifier takes them."""
