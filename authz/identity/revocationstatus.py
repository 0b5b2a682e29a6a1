"""Whether a chain has been revoked, by the lists of its trust.

What nobody can say is no "not revoked": without a fresh list of the authority that issued the certificate,
the answer is a denial.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from cryptography import x509

from authz.errors import Denied, Reason
from authz.identity.crl import RevocationList, authority_key, shown_name
from authz.identity.trust import CrlCheck


def check_revocation(
    chain: Sequence[x509.Certificate], lists: Iterable[RevocationList], depth: CrlCheck, now: float
) -> float:
    """Hold a verified chain, leaf first and root last, against the lists.

    Returns until when the answer is known, in seconds since the epoch: then a list that it rests on is stale.
    Raises `Denied`: `certificate_revoked`, or `certificate_revocation_unknown` if a list that is needed is missing
    or stale. The client's own authority must have one; with `CrlCheck.CHAIN`, each authority below the root, too.
    A list that is not needed is looked at where there is one. A stale list still revokes what it names.
    """
    known_until = float("inf")
    for place, (certificate, issuer) in enumerate(pairwise(chain)):
        key = authority_key(issuer)
        of_issuer = [each for each in lists if each.authority == key]
        ours = [each for each in of_issuer if each.covers(certificate, is_authority=place > 0)]
        for each in ours:
            if certificate.serial_number in each.serials:
                what = "the certificate" if place == 0 else "an authority of the chain"
                raise Denied(Reason.CERTIFICATE_REVOKED, f"{what} is revoked by {each.place}")
        if place > 0 and depth is CrlCheck.LEAF:
            continue
        fresh = [each.next_update for each in ours if not each.is_stale(now)]
        if not fresh:
            raise _unknown(issuer, of_issuer, ours, now)
        known_until = min(known_until, max(fresh))
    return known_until


def _unknown(
    issuer: x509.Certificate, of_issuer: Sequence[RevocationList], ours: Sequence[RevocationList], now: float
) -> Denied:
    if ours:
        latest = max(ours, key=lambda each: each.next_update)
        detail = f"{latest.place}: stale for {now - latest.next_update:.0f} s"
    elif of_issuer:
        detail = f"{of_issuer[0].place}: the list is for other certificates of `{shown_name(issuer.subject)}`"
    else:
        detail = f"no list of `{shown_name(issuer.subject)}` in `crls` (which takes lists of configured authorities only)"
    return Denied(Reason.CERTIFICATE_REVOCATION_UNKNOWN, detail)
