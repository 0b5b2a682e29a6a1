"""Whether a chain has been revoked, by the lists of its trust.

What nobody can say is no "not revoked": without a fresh list of the authority that issued the certificate,
the answer is a denial.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from cryptography import x509

from authz.errors import Denied, Reason
from authz.identity.crl import RevocationList, authority_key, shown_name
from authz.identity.trust import CrlCheck


def check_revocation(
    chain: Sequence[x509.Certificate], lists: Sequence[RevocationList], depth: CrlCheck, now: float
) -> float:
    """Hold a verified chain, leaf first and root last, against the lists.

    Returns until when the answer is known, in seconds since the epoch: then a list that it rests on is stale.
    Raises `Denied`: `certificate_revoked`, or `certificate_revocation_unknown` if a list that is needed is missing
    or stale. The client's own authority must have one; with `CrlCheck.CHAIN`, each authority below the root, too.
    A list that is not needed is looked at where there is one. A stale list still revokes what it names.
    """
    links = [
        _Link(place, certificate, issuer, lists)
        for place, (certificate, issuer) in enumerate(pairwise(chain))
    ]
    for link in links:
        for made in link.ours:
            if link.certificate.serial_number in made.serials:
                what = "the certificate" if link.place == 0 else "an authority of the chain"
                raise Denied(Reason.CERTIFICATE_REVOKED, f"{what} is revoked by {made.place}")
    known_until = math.inf
    for link in links if depth is CrlCheck.CHAIN else links[:1]:
        fresh = [made.next_update for made in link.ours if not made.is_stale(now)]
        if not fresh:
            raise Denied(Reason.CERTIFICATE_REVOCATION_UNKNOWN, link.gap(now))
        known_until = min(known_until, max(fresh))
    return known_until


class _Link:
    """A certificate of a chain (the client's is at place 0), its issuer, and the lists that would name it."""

    def __init__(
        self,
        place: int,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        lists: Sequence[RevocationList],
    ) -> None:
        self.place = place
        self.certificate = certificate
        self._issuer = shown_name(issuer.subject)
        key = authority_key(issuer)
        self._of_issuer = [made for made in lists if made.authority == key]
        self.ours = [made for made in self._of_issuer if made.covers(certificate, is_authority=place > 0)]

    def gap(self, now: float) -> str:
        """Why none of the lists says whether the certificate is revoked."""
        if self.ours:
            latest = max(self.ours, key=lambda made: made.next_update)
            return f"{latest.place}: stale for {now - latest.next_update:.0f} s"
        if self._of_issuer:
            return f"{self._of_issuer[0].place}: the list is for other certificates of `{self._issuer}`"
        return f"no list of `{self._issuer}` in `crls` (a list is taken of configured authorities only)"
