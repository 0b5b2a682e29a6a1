"""Authorities whose own way to a root has been verified: what hangs below them costs one signature, not two."""

from collections.abc import Collection, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

Path = tuple[x509.Certificate, ...]
"""From an intermediate to its root, both included."""


class ProvenPaths:
    """Remembers the paths of one trust's own certificates, found good by the library's verifier below some certificate.

    INVARIANT: whatever is accepted by a path would be accepted by the roots. The verifier asks three things of an
    authority above the issuer: its own form, which is the same each time; its time, which is compared here each time;
    and its name constraints, the only ones that look at the certificate at the bottom (RFC 5280 section 6.1), so a path
    with any is not remembered. A length that is allowed below an authority was not exceeded, and is not by another
    certificate directly below the same one.
    """

    __slots__ = ("_paths", "_store")

    def __init__(self) -> None:
        self._paths: dict[x509.Certificate, Path] = {}
        self._store: Store | None = None

    def chain(self, certificate: x509.Certificate, at: datetime) -> list[x509.Certificate] | None:
        """Its whole chain, if it is directly below one of the authorities; else it is for the roots to say."""
        if self._store is None:
            return None
        verifier = PolicyBuilder().store(self._store).time(at).build_client_verifier()
        try:
            issued, *above = verifier.verify(certificate, []).chain
        except VerificationError:
            return None
        if len(above) != 1:
            return None
        path = self._paths[above[0]]
        if not all(one.not_valid_before_utc <= at < one.not_valid_after_utc for one in path):
            return None
        return [issued, *path]

    def learn(self, chain: Sequence[x509.Certificate], own: Collection[x509.Certificate]) -> None:
        """Remember the path of a chain that was found good, if all of it are `own` certificates of the trust.

        What a client has shown is not: there is no end of it.
        """
        path = tuple(chain[1:])
        if len(path) < 2 or path[0] in self._paths or not all(one in own for one in path):
            return
        if any(map(_constrains_names, path)):
            return
        # Both are exchanged whole: whoever reads them meanwhile has a store whose certificates all have their path.
        self._paths = {**self._paths, path[0]: path}
        self._store = Store(list(self._paths))


def _constrains_names(certificate: x509.Certificate) -> bool:
    return any(isinstance(extension.value, x509.NameConstraints) for extension in certificate.extensions)
