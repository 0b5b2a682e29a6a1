"""The one table from reason to HTTP status, gRPC code and title.

401 asks for (other) credentials, 403 says that these do not suffice, 400 that the request can be read in
more than one way or in none, 413 and 431 that a part is too large, 503 that Scopegate cannot decide now.
429 is Envoy's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from authz.errors import Reason

# https://grpc.github.io/grpc/core/md_doc_statuscodes.html
GRPC_OK: Final = 0
_INVALID_ARGUMENT: Final = 3
_NOT_FOUND: Final = 5
_PERMISSION_DENIED: Final = 7
_RESOURCE_EXHAUSTED: Final = 8
_UNIMPLEMENTED: Final = 12
_INTERNAL: Final = 13
_UNAVAILABLE: Final = 14
_UNAUTHENTICATED: Final = 16


@dataclass(frozen=True, slots=True)
class Status:
    """How a reason is told to the client. `title` is the same for every occurrence (RFC 9457 section 3.1.3).

    `grpc` decides alone whether Envoy lets the request through: 0 does, whatever else the answer says.
    """

    http: int
    grpc: int
    title: str


def _malformed(title: str) -> Status:
    return Status(400, _INVALID_ARGUMENT, title)


def _unauthenticated(title: str) -> Status:
    return Status(401, _UNAUTHENTICATED, title)


def _forbidden(title: str) -> Status:
    return Status(403, _PERMISSION_DENIED, title)


def _unavailable(title: str, grpc: int = _UNAVAILABLE) -> Status:
    return Status(503, grpc, title)


STATUS: Final[Mapping[Reason, Status]] = MappingProxyType(
    {
        Reason.GRANTED: Status(200, GRPC_OK, "Granted"),
        Reason.REQUEST_MALFORMED: _malformed("The request is malformed"),
        Reason.REQUEST_AMBIGUOUS: _malformed("The request can be read in more than one way"),
        Reason.REQUEST_TOO_LARGE: Status(413, _RESOURCE_EXHAUSTED, "The request is too large"),
        Reason.PROTOCOL_UNSUPPORTED: Status(400, _UNIMPLEMENTED, "Only HTTP requests are decided"),
        Reason.ROUTE_UNKNOWN: Status(404, _NOT_FOUND, "No warehouse is served here"),
        # 405 would owe the client an Allow header (RFC 9110 section 15.5.6) before it is known who asks.
        Reason.METHOD_DENIED: _forbidden("The method is not allowed here"),
        Reason.PARAMETER_DENIED: _forbidden("A parameter of the request is not allowed here"),
        Reason.CREDENTIAL_MISSING: _unauthenticated("Credentials are required"),
        Reason.CREDENTIAL_MALFORMED: _unauthenticated("The credentials are malformed"),
        # Other credentials would not help: they came without the person's doing.
        Reason.CREDENTIAL_CROSS_SITE: _forbidden("The request was made by another site"),
        # RFC 6585 section 5: the field is too large, not the content.
        Reason.TOKEN_TOO_LARGE: Status(431, _RESOURCE_EXHAUSTED, "The token is too large"),
        Reason.TOKEN_MALFORMED: _unauthenticated("The token is malformed"),
        Reason.TOKEN_ISSUER_UNKNOWN: _unauthenticated("The token's issuer is unknown"),
        Reason.TOKEN_ISSUER_NOT_ACCEPTED: _unauthenticated("The token's issuer is not accepted here"),
        Reason.TOKEN_ALGORITHM_REFUSED: _unauthenticated("The token's algorithm is refused"),
        Reason.TOKEN_TYPE_REFUSED: _unauthenticated("The token's type is refused"),
        Reason.TOKEN_KEY_UNKNOWN: _unauthenticated("The token's key is unknown"),
        Reason.TOKEN_SIGNATURE_INVALID: _unauthenticated("The token's signature is invalid"),
        Reason.TOKEN_AUDIENCE_WRONG: _unauthenticated("The token is meant for another audience"),
        Reason.TOKEN_EXPIRED: _unauthenticated("The token has expired"),
        Reason.TOKEN_NOT_YET_VALID: _unauthenticated("The token is not valid yet"),
        Reason.TOKEN_CLAIMS_INVALID: _unauthenticated("The token's claims are invalid"),
        Reason.TOKEN_BINDING_FAILED: _unauthenticated("The token is bound to another certificate"),
        Reason.TOKEN_USER_MISMATCH: _unauthenticated("The user name is not the token's"),
        Reason.TOKEN_REPLAYED: _unauthenticated("The token has been used already"),
        Reason.TOKEN_INACTIVE: _unauthenticated("The token is not active"),
        Reason.CERTIFICATE_MISSING: _unauthenticated("A client certificate is required"),
        Reason.CERTIFICATE_MALFORMED: _unauthenticated("The client certificate is malformed"),
        Reason.CERTIFICATE_UNTRUSTED: _unauthenticated("The client certificate is not trusted"),
        Reason.CERTIFICATE_EXPIRED: _unauthenticated("The client certificate is not valid at this time"),
        Reason.CERTIFICATE_WEAK: _unauthenticated("The client certificate's key or signature is too weak"),
        Reason.CERTIFICATE_IDENTITY_INVALID: _unauthenticated(
            "The client certificate names no valid identity"
        ),
        Reason.CERTIFICATE_REVOKED: _unauthenticated("The client certificate is revoked"),
        # Other credentials would not help, a fresh list will.
        Reason.CERTIFICATE_REVOCATION_UNKNOWN: _unavailable(
            "It is not known whether the client certificate is revoked"
        ),
        # RFC 6750 section 3.1: `invalid_token` is for revoked ones, too, and goes with 401.
        Reason.REVOKED: _unauthenticated("The credentials are revoked"),
        Reason.QUERY_FOREIGN: _forbidden("The query is somebody else's"),
        Reason.GROUPS_OVERAGE: _forbidden("The token does not carry the groups it refers to"),
        Reason.NO_GRANT: _forbidden("No grant applies"),
        Reason.DENIED_BY_RULE: _forbidden("A rule denies the access"),
        Reason.SCOPE_EMPTY: _forbidden("The granted scope is empty"),
        Reason.CLAIM_MISSING: _forbidden("The token lacks a claim that the policy needs"),
        Reason.CLAIM_INVALID: _forbidden("A claim that the policy needs is invalid"),
        Reason.CLAIM_TOO_LARGE: _forbidden("A claim that the policy needs is too large"),
        Reason.CONDITION_FAILED: _forbidden("A condition of the policy could not be evaluated"),
        Reason.SCOPE_NOT_EXPRESSIBLE: _forbidden("The warehouse cannot be told the granted scope"),
        Reason.SCOPE_TOO_LARGE: _forbidden("The granted scope is too large for the warehouse"),
        Reason.STATEMENT_MALFORMED: _malformed("The statement cannot be read"),
        Reason.STATEMENT_TOO_LARGE: Status(413, _RESOURCE_EXHAUSTED, "The statement is too large"),
        Reason.STATEMENT_DENIED: _forbidden("The statement is of a kind that is not allowed"),
        Reason.TABLE_DENIED: _forbidden("The statement names a table that is not allowed"),
        Reason.FUNCTION_DENIED: _forbidden("The statement calls a function that is not allowed"),
        Reason.COLUMN_HIDDEN: _forbidden(
            "The statement asks for a hidden column, or for all columns of its table"
        ),
        Reason.FILTER_REQUIRED: _forbidden("The statement lacks a filter that the table needs"),
        Reason.LIMIT_REQUIRED: _forbidden("The statement needs a LIMIT, or an aggregate"),
        Reason.NOT_READY: _unavailable("The authorization service is not ready"),
        Reason.KEYS_UNAVAILABLE: _unavailable("The issuer's keys are not available"),
        Reason.INTROSPECTION_UNAVAILABLE: _unavailable("The token's issuer could not be asked about it"),
        Reason.REPLAY_MEMORY_FULL: _unavailable("Too many tokens that may be used once are in use"),
        Reason.ROUTE_MISMATCH: _unavailable("The proxy and the policy disagree about the route"),
        Reason.AUDIT_UNAVAILABLE: _unavailable("The audit trail cannot be written"),
        Reason.INTERNAL_ERROR: _unavailable("The authorization service failed", _INTERNAL),
    }
)
