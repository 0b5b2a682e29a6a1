"""The sources of one policy, and what they have brought."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from authz.identity.certificates import TrustBundle
from authz.identity.issuer import Issuer
from authz.identity.keyset import KeySet
from authz.identity.revocations import NOTHING_REVOKED, Revocations
from authz.identity.trust import CertificateTrust
from authz.keysources.demand import Demand
from authz.keysources.source import Source, SourceStatus
from authz.policy.policyset import AssertionRule
from authz.signing.keys import SigningKeys

AnySource = Source[KeySet] | Source[TrustBundle] | Source[Revocations] | Source[SigningKeys]


@dataclass(frozen=True, slots=True, eq=False)
class IssuerSource:
    """The keys of an issuer, and when it may be asked out of turn."""

    issuer: Issuer
    source: Source[KeySet]
    demand: Demand


@dataclass(frozen=True, slots=True, eq=False)
class TrustSource:
    """The roots of a trust."""

    trust: CertificateTrust
    source: Source[TrustBundle]


@dataclass(frozen=True, slots=True, eq=False)
class SigningSource:
    """The keys to sign with, and the rule that they are read by."""

    rule: AssertionRule
    source: Source[SigningKeys]


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """The last good of everything: by configured name of the issuer or the trust, where there are several."""

    key_sets: Mapping[str, KeySet] = field(default_factory=dict)
    bundles: Mapping[str, TrustBundle] = field(default_factory=dict)
    revocations: Revocations | None = None
    """Nothing is revoked without a file; None if there is one that was never read."""
    signing: SigningKeys | None = None
    """None if nothing is signed, or if the keys were never read."""

    def verifies_like(self, other: "Materials") -> bool:
        """Whether credentials that the one has verified are verified by the other, too."""
        return (self.key_sets, self.bundles) == (other.key_sets, other.bundles)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """The sources of a policy, each tried at least once, not yet in force."""

    issuers: Mapping[str, IssuerSource] = field(default_factory=dict)
    trusts: Mapping[str, TrustSource] = field(default_factory=dict)
    revocation_source: Source[Revocations] | None = None
    """None where the policy names no file of revocations."""
    signing_source: SigningSource | None = None
    """None where the policy signs nothing."""

    @property
    def materials(self) -> Materials:
        """Everything that is at hand."""
        return Materials(
            key_sets=self.key_sets, bundles=self.bundles, revocations=self.revocations, signing=self.signing
        )

    @property
    def signing(self) -> SigningKeys | None:
        """The keys to sign with; see `Materials`."""
        return None if self.signing_source is None else self.signing_source.source.material

    @property
    def revocations(self) -> Revocations | None:
        """The revocations at hand; see `Materials`."""
        return NOTHING_REVOKED if self.revocation_source is None else self.revocation_source.material

    @property
    def key_sets(self) -> dict[str, KeySet]:
        """The key sets at hand, by issuer name."""
        return {
            name: entry.source.material
            for name, entry in self.issuers.items()
            if entry.source.material is not None
        }

    @property
    def bundles(self) -> dict[str, TrustBundle]:
        """The trust bundles at hand, by trust name."""
        return {
            name: entry.source.material
            for name, entry in self.trusts.items()
            if entry.source.material is not None
        }

    @property
    def sources(self) -> list[AnySource]:
        """Every source, issuers first."""
        keys: list[AnySource] = [entry.source for entry in self.issuers.values()]
        keys += [entry.source for entry in self.trusts.values()]
        if self.revocation_source is not None:
            keys.append(self.revocation_source)
        if self.signing_source is not None:
            keys.append(self.signing_source.source)
        return keys

    @property
    def status(self) -> tuple[SourceStatus, ...]:
        """How each source is."""
        return tuple(source.status() for source in self.sources)

    @property
    def missing(self) -> tuple[SourceStatus, ...]:
        """The sources that have nothing at all, with the error of each."""
        return tuple(status for status in self.status if not status.loaded)
