"""The `WWW-Authenticate` challenge of a 401.

RFC 6750 section 3 (https://www.rfc-editor.org/rfc/rfc6750#section-3): no error code where no credential was
sent, else `invalid_token` with a description that is fixed per reason. RFC 9728 section 5.1
(https://www.rfc-editor.org/rfc/rfc9728#section-5.1): `resource_metadata` says where a client learns which
issuer to ask.
"""

from urllib.parse import urlsplit

from authz.errors import Reason
from authz.transport.status import STATUS

REALM = "scopegate"

# Asking for a (client) certificate is no matter of a bearer token, so its problems are no `invalid_token`.
_WITHOUT_ERROR = frozenset(
    {Reason.CREDENTIAL_MISSING} | {reason for reason in Reason if reason.value.startswith("certificate_")}
)


def challenge(reason: Reason, metadata_url: str | None, *, basic: bool = False) -> str:
    """The value of `WWW-Authenticate` for a 401 with `reason`.

    With `basic` a challenge for HTTP Basic comes first (RFC 7617 section 2.1): drivers that can do nothing else may
    look no further, and there is one header, because Envoy would overwrite the first of two.
    """
    parameters = [f'realm="{REALM}"']
    if reason not in _WITHOUT_ERROR:
        parameters += ['error="invalid_token"', f'error_description="{STATUS[reason].title}"']
    if metadata_url is not None:
        parameters.append(f'resource_metadata="{metadata_url}"')
    bearer = "Bearer " + ", ".join(parameters)
    return f'Basic realm="{REALM}", charset="UTF-8", {bearer}' if basic else bearer


def resource_metadata_url(public_url: str) -> str:
    """Where the metadata of the protected resource `public_url` lies.

    RFC 9728 section 3.1: the well-known part goes between the host and the path.
    """
    parts = urlsplit(public_url)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{path}"
