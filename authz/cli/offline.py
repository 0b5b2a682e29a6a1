"""Who asks, found out without a network: keys and roots come from files."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from authz.cli.asking import Identify
from authz.cli.who import (
    CannotAskError,
    Proof,
    StatedFacts,
    stated_principal,
    unverified_principal,
)
from authz.errors import Denied, Reason
from authz.identity.accepts import AcceptedCredentials
from authz.identity.authenticator import Authenticator
from authz.identity.certificates import TrustBundle
from authz.identity.credentials import Credentials
from authz.identity.issuer import Issuer, KeyLocation, KeyOrigin
from authz.identity.keyset import KeySet
from authz.identity.principal import Principal
from authz.identity.xfcc import chain_header
from authz.keysources.files import SourceFileError, load_key_set, load_trust_bundle
from authz.policy.policyset import PolicySet

_END = "-----END CERTIFICATE-----"


def offline_identity(
    policy: PolicySet,
    *,
    stated: StatedFacts,
    token: str | None,
    certificate_file: Path | None,
    key_files: Mapping[str, Path],
    unverified: bool,
) -> tuple[Identify, Proof]:
    """How to find out who asks. Raises `CannotAskError` for a combination that means nothing."""
    for name in key_files:
        if name not in policy.issuers:
            known = ", ".join(f"`{each}`" for each in policy.issuers) or "none"
            raise CannotAskError(f"--jwks: the policy has no issuer `{name}`; it has {known}")
        if policy.issuers[name].keys.origin is KeyOrigin.SECRETS:
            raise CannotAskError(
                f"--jwks: issuer `{name}` signs with secrets, which the policy names files of"
            )
    has_facts = stated.has_token or stated.has_certificate
    has_credentials = token is not None or certificate_file is not None
    if has_facts and has_credentials:
        raise CannotAskError("facts are either proven by credentials or stated, not both")
    if unverified and (token is None or certificate_file is not None):
        raise CannotAskError("--unverified is for a token alone")
    if has_facts:
        return lambda accepts, _: stated_principal(stated, policy, accepts), Proof.STATED
    if unverified:
        return partial(unverified_principal, token or "", policy), Proof.UNVERIFIED
    leaf, chain = (None, None) if certificate_file is None else _read_chain(certificate_file)
    credentials = Credentials(token=token, certificate_pem=leaf, client_chain=chain)
    return _Verification(policy, credentials, key_files).identify, Proof.VERIFIED


class _Verification:
    """Verifies as the server does, with what the files of the policy hold."""

    def __init__(self, policy: PolicySet, credentials: Credentials, key_files: Mapping[str, Path]) -> None:
        self._policy = policy
        self._credentials = credentials
        self._issuers = {
            name: issuer if name not in key_files else _with_file(issuer, key_files[name])
            for name, issuer in policy.issuers.items()
        }
        self._problems: dict[str, str] = {}

    def identify(self, accepts: AcceptedCredentials, now: float) -> Principal:
        authenticator = Authenticator(
            issuers=self._issuers,
            key_sets=self._key_sets() if self._credentials.token is not None else {},
            bundles=self._bundles(accepts) if self._credentials.certificate_pem is not None else {},
        )
        credentials = self._credentials
        if not accepts.client_chain:
            # Envoy does not tell the server, either.
            credentials = replace(credentials, client_chain=None)
        try:
            return authenticator.authenticate(credentials, accepts, now)
        except Denied as denied:
            if denied.reason is Reason.KEYS_UNAVAILABLE:
                # Not an answer: the server may well have them.
                why = self._problems.get(denied.issuer or "", "; ".join(self._problems.values()))
                raise CannotAskError(f"{denied.detail}: {why}") from None
            if denied.reason is Reason.INTROSPECTION_UNAVAILABLE:
                raise CannotAskError(
                    f"{denied.detail}: only the server asks; state the facts instead"
                ) from None
            raise

    def _key_sets(self) -> dict[str, KeySet]:
        found: dict[str, KeySet] = {}
        for name, issuer in self._issuers.items():
            if not issuer.keys.is_local:
                self._problems[name] = f"they are fetched by the server; give them with --jwks {name}=FILE"
                continue
            try:
                found[name] = load_key_set(issuer)
            except SourceFileError as error:
                self._problems[name] = str(error)
        return found

    def _bundles(self, accepts: AcceptedCredentials) -> dict[str, TrustBundle]:
        found: dict[str, TrustBundle] = {}
        for name in sorted(accepts.trusts):
            try:
                found[name] = load_trust_bundle(self._policy.trusts[name])
            except SourceFileError as error:
                self._problems[name] = str(error)
        return found


def _with_file(issuer: Issuer, path: Path) -> Issuer:
    return replace(issuer, keys=KeyLocation(origin=KeyOrigin.FILE, place=str(path)))


def _read_chain(path: Path) -> tuple[str, str | None]:
    """The client's certificate, and what Envoy would say of those that it sends along."""
    text = _read(path)
    leaf, end, others = text.partition(_END)
    return leaf + end, chain_header(text) if _END in others else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise CannotAskError(f"{path}: {error.strerror}") from None
