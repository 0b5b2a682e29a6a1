"""How an issuer is asked about opaque tokens: data of its configuration."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """An introspection endpoint (RFC 7662) and who asks there. One of `secret_file` and `key_file` is set.

    `key_file` is a PEM private key for `private_key_jwt` (RFC 7523), whose `kid` is `key_id`.
    """

    url: str
    client_id: str
    secret_file: str | None = None
    key_file: str | None = None
    key_id: str | None = None
    cache_seconds: float = 30.0
    timeout_seconds: float = 0.3

    def __post_init__(self) -> None:
        if (self.secret_file is None) == (self.key_file is None):
            raise ValueError("an introspection endpoint needs a secret or a key, one of the two")
