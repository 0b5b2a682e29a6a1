"""Protected resource metadata (RFC 9728): where a client without a token learns who issues one."""

import json
from urllib.parse import urlsplit

from authz.identity.accepts import Authentication
from authz.policy.policyset import PolicySet

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_documents(policy: PolicySet, public_url: str | None) -> dict[str, str]:
    """The document by its path; nothing without a public URL.

    The well-known part stands between the host and the resource's own path (RFC 9728 section 3.1,
    https://www.rfc-editor.org/rfc/rfc9728#section-3.1).
    """
    if public_url is None:
        return {}
    names = sorted(
        {
            name
            for warehouse in policy.warehouses.values()
            if warehouse.accepts.authentication is not Authentication.CERTIFICATE
            for name in warehouse.accepts.issuers
        }
    )
    document = {
        "resource": public_url,
        # Some issuers are no authorization servers, and name themselves by something else than a URL.
        "authorization_servers": [
            issuer.issuer
            for issuer in map(policy.issuers.__getitem__, names)
            if issuer.issuer.startswith(("https://", "http://"))
        ],
        "bearer_methods_supported": ["header"],
    }
    path = urlsplit(public_url).path.rstrip("/")
    return {WELL_KNOWN + path: json.dumps(document) + "\n"}
