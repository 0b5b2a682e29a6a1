"""How an issuer is asked about tokens that are no JWT, as a person writes it."""

from datetime import timedelta

from authz.policy.fields import Duration, Maybe, Part, Text


class PrivateKeyJwtPart(Part):
    """A key with which Scopegate signs who it is (RFC 7523): the issuer knows its public half."""

    key_file: Text
    """PEM file of the private key (RSA, P-256, P-384, P-521 or Ed25519), which not everybody may read."""
    kid: Maybe[Text] = None
    """The ID under which the issuer knows the key."""


class IntrospectionPart(Part):
    """The issuer's introspection endpoint (RFC 7662), for tokens that are no JWT. `ca_file`, `allow_http` and
    `allow_private_addresses` of the issuer count for it, too.
    """

    url: Text
    """Where it is."""
    client_id: Text
    """As whom Scopegate asks there."""
    client_secret_file: Maybe[Text] = None
    """A file with the client's secret, which not everybody may read. One of this and `private_key_jwt` is set."""
    private_key_jwt: Maybe[PrivateKeyJwtPart] = None
    """A key to sign with, instead of a secret."""
    cache: Duration = timedelta(seconds=30)
    """How long an answer counts, 1s to 60s: so much later a revoked token is refused."""
    timeout: Duration = timedelta(milliseconds=300)
    """How long a check waits for the answer, at least 10ms and less than the edge's `check_timeout`."""
