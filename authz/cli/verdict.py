"""What there is to say about a policy: its errors, else its warnings, those of its files and of its forms among them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from authz.identity.issuer import Issuer
from authz.identity.trust import CertificateTrust
from authz.keysources.clientproof import load_proof
from authz.keysources.files import (
    SourceFileError,
    load_key_set,
    load_revocations,
    load_signing_keys,
    load_trust_bundle,
)
from authz.policy.lint import lint
from authz.policy.parse import parse_policy
from authz.policy.policyset import AssertionRule, Grant, Place, PolicySet, Restriction
from authz.policy.problems import PolicyError, Problem, Severity, in_file_order
from authz.policy.yamlvalues import SourceText
from authz.rendering.expressible import expressible


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`policy` is None if it cannot be used. `problems` are in the order of files and lines."""

    policy: PolicySet | None
    problems: tuple[Problem, ...]

    def count(self, severity: Severity) -> int:
        return sum(problem.severity is severity for problem in self.problems)


def judge(sources: Sequence[SourceText], now: float, *, files: bool) -> Verdict:
    """Parse, type-check and lint a policy; with `files`, read the key sets and roots that it names, too.

    `now` is in seconds since the epoch.
    """
    try:
        policy = parse_policy(sources)
    except PolicyError as error:
        return Verdict(policy=None, problems=error.problems)
    found = [*lint(policy, now), *_obstacles(policy)]
    if files:
        found.extend(_files(policy, now))
    return Verdict(policy=policy, problems=tuple(in_file_order(found, [source.name for source in sources])))


def _problem(code: str, place: Place, severity: Severity, message: str, path: str = "") -> Problem:
    return Problem(
        code=code,
        message=message,
        file=place.file,
        line=place.line,
        path=f"{place.path}{path}",
        severity=severity,
    )


def _obstacles(policy: PolicySet) -> Iterator[Problem]:
    """What a warehouse's headers and parameters cannot say."""
    rules: dict[str, Grant | Restriction] = {rule.id: rule for rule in policy.grants}
    rules.update((rule.id, rule) for rule in policy.restrictions)
    for warehouse in policy.warehouses.values():
        for obstacle in expressible(warehouse, policy.grants, policy.restrictions):
            place = rules[obstacle.rules[-1]].place if obstacle.rules else warehouse.place
            message = f"`{obstacle.form}` of warehouse `{warehouse.name}`: {obstacle.message}"
            yield _problem("not_expressible", place, Severity.WARNING, message)


def _files(policy: PolicySet, now: float) -> Iterator[Problem]:
    """The files that Scopegate itself reads. Envoy's may be on another machine."""
    for issuer in policy.issuers.values():
        yield from _issuer(policy, issuer)
        yield from _client_proof(policy, issuer)
    for trust in policy.trusts.values():
        yield from _trust(policy, trust, now)
    if policy.assertion is not None:
        yield from _signing_keys(policy, policy.assertion)
    if policy.revocations is not None:
        yield from _revocations(policy, policy.revocations)


def _issuer(policy: PolicySet, issuer: Issuer) -> Iterator[Problem]:
    if not issuer.keys.is_local:
        return
    place = policy.places[f"issuers.{issuer.name}"]
    key = ".secrets" if issuer.keys.secrets else ".jwks_file"
    try:
        keys = load_key_set(issuer)
    except SourceFileError as error:
        yield _problem("file", place, Severity.ERROR, str(error), key)
    else:
        for left_out in keys.problems:
            yield _problem("key_left_out", place, Severity.WARNING, left_out, key)


def _trust(policy: PolicySet, trust: CertificateTrust, now: float) -> Iterator[Problem]:
    place = policy.places[f"client_certificates.{trust.name}"]
    try:
        bundle = load_trust_bundle(trust)
    except SourceFileError as error:
        yield _problem("file", place, Severity.ERROR, str(error))
    else:
        for text in bundle.problems(now):
            yield _problem("bundle", place, Severity.WARNING, text)


def _signing_keys(policy: PolicySet, rule: AssertionRule) -> Iterator[Problem]:
    try:
        load_signing_keys(rule)
    except SourceFileError as error:
        yield _problem("file", policy.places["assertion"], Severity.ERROR, str(error), ".keys")


def _client_proof(policy: PolicySet, issuer: Issuer) -> Iterator[Problem]:
    if issuer.introspection is None:
        return
    try:
        load_proof(issuer.introspection)
    except SourceFileError as error:
        place = policy.places[f"issuers.{issuer.name}"]
        yield _problem("file", place, Severity.ERROR, str(error), ".introspection")


def _revocations(policy: PolicySet, file: str) -> Iterator[Problem]:
    place = policy.places["revocations"]
    try:
        revocations = load_revocations(file)
    except SourceFileError as error:
        yield _problem("file", place, Severity.ERROR, str(error), ".file")
    except PolicyError as error:
        # Their places are in another file than those of the policy, so they stand in the text.
        for problem in error.problems:
            yield _problem("file", place, Severity.ERROR, problem.text, ".file")
    else:
        for text in revocations.unknown_names(policy.issuers, policy.trusts):
            yield _problem("unknown_name", place, Severity.WARNING, text, ".file")
