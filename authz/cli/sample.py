"""A sample token against a policy: is it taken, and does somebody account for all that it says?

Neither the signature nor the time is looked at, and no value of a claim is ever repeated: only names.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from authz.cli.verdict import Verdict
from authz.errors import Denied
from authz.identity.claimkinds import ClaimKind
from authz.identity.claims import verify_claims
from authz.identity.issuer import Issuer
from authz.identity.jws import UnverifiedToken
from authz.identity.strictjson import StrictJsonError, parse_object
from authz.identity.tokens import check_header, issuer_of, parse_token
from authz.identity.unaccounted import mistyped, unaccounted
from authz.policy.policyset import Place, PolicySet
from authz.policy.problems import Problem, Severity
from authz.policy.warning import warning

MAX_SAMPLE_BYTES = 65_536


class SampleUnreadableError(Exception):
    """A sample could not be read. The message begins with its path and never quotes it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`token` is None for bare claims, of which no header is known."""

    path: Path
    unverified_claims: dict[str, object] = field(repr=False)
    token: UnverifiedToken | None = field(repr=False)


def read_sample(path: Path) -> Sample:
    """A token in compact form, or its claims as JSON. Raises `SampleUnreadableError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SAMPLE_BYTES + 1)
    except OSError as error:
        raise SampleUnreadableError(f"{path}: {error.strerror}") from None
    text = data.strip()
    try:
        if text.startswith(b"{"):
            return Sample(path, parse_object(text), None)
        token = parse_token(text.decode("ascii"), MAX_SAMPLE_BYTES)
    except StrictJsonError as error:
        raise SampleUnreadableError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise SampleUnreadableError(f"{path}: neither a token nor its claims as JSON") from None
    except Denied as denied:
        raise SampleUnreadableError(
            f"{path}: {denied.detail}; expected a token, or its claims as JSON"
        ) from None
    return Sample(path, token.unverified_claims, token)


def judge_samples(verdict: Verdict, samples: list[Sample]) -> Verdict:
    """The verdict with what there is to say about the samples behind it."""
    if verdict.policy is None:
        return verdict
    found = [problem for sample in samples for problem in _examined(verdict.policy, sample)]
    return Verdict(policy=verdict.policy, problems=(*verdict.problems, *found))


def _examined(policy: PolicySet, sample: Sample) -> Iterator[Problem]:
    try:
        issuer = _issuer_of(policy, sample)
    except Denied as denied:
        somewhere = next(iter(policy.warehouses.values())).place
        yield _refused(policy.places.get("issuers", somewhere), sample, denied)
        return
    place = policy.places[f"issuers.{issuer.name}"]
    try:
        if sample.token is not None:
            check_header(sample.token, issuer)
        verify_claims(sample.unverified_claims, issuer, _while_it_was_good(sample))
    except Denied as denied:
        yield _refused(place, sample, denied)
    for name in unaccounted(sample.unverified_claims, issuer):
        yield warning(
            "unaccounted_claim",
            place,
            f"{sample.path}: nobody accounts for the claim `{_shown(name)}`: it is not known of"
            f" `{issuer.profile.preset}`",
            "declare it under `claims`, if a rule shall read it; else let its issuer leave it out",
        )
    for name in mistyped(sample.unverified_claims, issuer):
        kind = issuer.profile.kind_of(name) or ClaimKind.ANY
        yield warning(
            "mistyped_claim",
            place,
            f"{sample.path}: the claim `{_shown(name)}` is not of type {kind.value}",
        )


def _refused(place: Place, sample: Sample, denied: Denied) -> Problem:
    message = f"{sample.path} would be refused: {denied.reason.value}: {denied.detail}"
    return replace(warning("sample_refused", place, message), severity=Severity.ERROR)


def _issuer_of(policy: PolicySet, sample: Sample) -> Issuer:
    issuers = {issuer.issuer: issuer for issuer in policy.issuers.values()}
    return issuer_of(sample.unverified_claims, issuers, frozenset(policy.issuers))


def _while_it_was_good(sample: Sample) -> float:
    expiry = sample.unverified_claims.get("exp")
    return float(expiry) - 1 if isinstance(expiry, int | float) and not isinstance(expiry, bool) else 0.0


def _shown(name: str) -> str:
    return name if name.isprintable() and len(name) <= 200 else "(not printable)"
