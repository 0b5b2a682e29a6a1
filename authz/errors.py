"""Reasons and the one exception of verification.

Verification raises `Denied`, because a result that must not be ignored should not be a value that
can be. A decision is a value (`authz.policy.decision`), because a denial is a normal answer. The
check is the only bridge between the two.
"""

from dataclasses import dataclass, field
from enum import StrEnum, unique


@unique
class Reason(StrEnum):
    """Why a request was answered as it was: a stable machine code, public in every denial.

    The HTTP and gRPC status of each stands in one table, `authz.transport.status`.
    """

    GRANTED = "granted"

    # the request itself cannot be read in exactly one way
    REQUEST_MALFORMED = "request_malformed"
    REQUEST_AMBIGUOUS = "request_ambiguous"
    REQUEST_TOO_LARGE = "request_too_large"
    PROTOCOL_UNSUPPORTED = "protocol_unsupported"
    ROUTE_UNKNOWN = "route_unknown"
    METHOD_DENIED = "method_denied"
    PARAMETER_DENIED = "parameter_denied"

    # who is asking is not known
    CREDENTIAL_MISSING = "credential_missing"
    CREDENTIAL_MALFORMED = "credential_malformed"
    CREDENTIAL_CROSS_SITE = "credential_cross_site"
    TOKEN_TOO_LARGE = "token_too_large"
    TOKEN_MALFORMED = "token_malformed"
    TOKEN_ISSUER_UNKNOWN = "token_issuer_unknown"
    TOKEN_ISSUER_NOT_ACCEPTED = "token_issuer_not_accepted"
    TOKEN_ALGORITHM_REFUSED = "token_algorithm_refused"
    TOKEN_TYPE_REFUSED = "token_type_refused"
    TOKEN_KEY_UNKNOWN = "token_key_unknown"
    TOKEN_SIGNATURE_INVALID = "token_signature_invalid"
    TOKEN_AUDIENCE_WRONG = "token_audience_wrong"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"
    TOKEN_CLAIMS_INVALID = "token_claims_invalid"
    TOKEN_BINDING_FAILED = "token_binding_failed"
    TOKEN_USER_MISMATCH = "token_user_mismatch"
    TOKEN_REPLAYED = "token_replayed"
    TOKEN_INACTIVE = "token_inactive"
    CERTIFICATE_MISSING = "certificate_missing"
    CERTIFICATE_MALFORMED = "certificate_malformed"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_WEAK = "certificate_weak"
    CERTIFICATE_IDENTITY_INVALID = "certificate_identity_invalid"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_REVOCATION_UNKNOWN = "certificate_revocation_unknown"
    REVOKED = "revoked"

    # who is asking is known, and may not
    QUERY_FOREIGN = "query_foreign"
    GROUPS_OVERAGE = "groups_overage"
    NO_GRANT = "no_grant"
    DENIED_BY_RULE = "denied_by_rule"
    SCOPE_EMPTY = "scope_empty"
    CLAIM_MISSING = "claim_missing"
    CLAIM_INVALID = "claim_invalid"
    CLAIM_TOO_LARGE = "claim_too_large"
    CONDITION_FAILED = "condition_failed"
    SCOPE_NOT_EXPRESSIBLE = "scope_not_expressible"
    SCOPE_TOO_LARGE = "scope_too_large"

    # who is asking may, but not this statement
    STATEMENT_MALFORMED = "statement_malformed"
    STATEMENT_TOO_LARGE = "statement_too_large"
    STATEMENT_DENIED = "statement_denied"
    TABLE_DENIED = "table_denied"
    FUNCTION_DENIED = "function_denied"
    COLUMN_HIDDEN = "column_hidden"
    FILTER_REQUIRED = "filter_required"
    LIMIT_REQUIRED = "limit_required"

    # Scopegate cannot decide
    NOT_READY = "not_ready"
    KEYS_UNAVAILABLE = "keys_unavailable"
    INTROSPECTION_UNAVAILABLE = "introspection_unavailable"
    REPLAY_MEMORY_FULL = "replay_memory_full"
    ROUTE_MISMATCH = "route_mismatch"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class KeyDoubt:
    """Other keys of `issuer` (a configured name) than those at hand could settle the matter.

    `key` stands for the key that was looked for, in at most 33 bytes: equal for tokens that name the same one.
    """

    issuer: str
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class TokenDoubt:
    """Only `issuer` (a configured name) can say what an opaque token is. `digest` is the SHA-256 of the token."""

    issuer: str
    digest: bytes = field(repr=False)
    token: str = field(repr=False)


Doubt = KeyDoubt | TokenDoubt
"""What a check cannot know by itself. It denies; whoever may wait can ask outside, and check again."""


class Denied(Exception):  # noqa: N818 - a denial is not an error of ours
    """Verification failed: the request must be denied with `reason`.

    `detail` is for the operator's log and audit trail only; it never reaches the client. It must not
    contain a token, a cookie, a password or a claim value. `doubt` says what could change the answer.
    """

    def __init__(self, reason: Reason, detail: str, *, doubt: Doubt | None = None) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.doubt = doubt

    @property
    def issuer(self) -> str | None:
        """The configured name of the issuer that `doubt` is about."""
        return None if self.doubt is None else self.doubt.issuer
