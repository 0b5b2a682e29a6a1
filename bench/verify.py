"""What the first check of a credential costs beside the libraries' own verification of it.

    .venv/bin/python bench/verify.py [--times 400]

Tokens: Scopegate's reading and verification (signature, claims, issuer, groups) against `jwt.decode` of PyJWT with the
same key, issuer and audience. Certificates: against cryptography's reading and its own verifier, for a leaf, an
intermediate and a root. By turns, each token and certificate once; the figures are first quartiles, the ratio that of
the ratios of the pairs.
"""

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import click
import jwt
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from authz.identity.certificates import parse_trust_bundle, verify_certificate
from authz.identity.credentials import read_credentials
from authz.identity.peercertificate import parse_peer_certificate
from authz.identity.trust import CertificateNames, CertificateTrust
from authz.transport.codec import parse_check_request
from bench.inprocess import InProcess
from bench.questions import KEYS, ask, token
from bench.verdict import WHOLE_CHECK
from tests.pki import EXTRACT_ID, TRUST_DOMAIN, authority, uri
from tests.tokens import AUDIENCE, ISSUER, NOW

Pairs = Sequence[tuple[Callable[[], object], Callable[[], object]]]


def compared(pairs: Pairs) -> dict[str, float]:
    """`ours` and `theirs` in microseconds of CPU, and the ratio."""
    clock = time.thread_time_ns
    rows = []
    for ours, theirs in pairs:
        began = clock()
        theirs()
        between = clock()
        ours()
        rows.append((clock() - between, between - began))
    return {
        "ours": quantiles([ours / 1e3 for ours, _ in rows])[0],
        "theirs": quantiles([theirs / 1e3 for _, theirs in rows])[0],
        "ratio": quantiles([ours / theirs for ours, theirs in rows])[1],
    }


def tokens(algorithm: str, times: int) -> dict[str, float]:
    """A token of each of so many people."""
    parts = InProcess(10)
    warehouse = parts.policy.routes.find(parse_check_request(ask(token("emma"))))
    key = KEYS[algorithm].private.public_key()
    now = time.time()
    authenticate = parts.snapshot.authenticator.authenticate

    def pair(bearer: str) -> tuple[Callable[[], object], Callable[[], object]]:
        credentials = read_credentials(parse_check_request(ask(bearer)), warehouse.accepts)
        return (
            lambda: authenticate(credentials, warehouse.accepts, now),
            lambda: jwt.decode(bearer, key, algorithms=[algorithm], audience=AUDIENCE, issuer=ISSUER),
        )

    return compared([pair(token(f"person-{n}", algorithm=algorithm)) for n in range(times)])


def whole_checks(times: int) -> dict[str, float]:
    """All of the first check of a person (RS256): decision, rendering, answer and audit record, too."""
    parts = InProcess(10)
    key = KEYS["RS256"].private.public_key()

    def pair(bearer: str) -> tuple[Callable[[], object], Callable[[], object]]:
        data = ask(bearer)
        return (
            lambda: parts.engine.decide(data),
            lambda: jwt.decode(bearer, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER),
        )

    return compared([pair(token(f"person-{n}")) for n in range(times)])


def chains(times: int) -> dict[str, float]:
    """A leaf, an intermediate and a root; a leaf for each time."""
    root = authority()
    below = root.intermediate("Bench Issuing CA")
    trust = CertificateTrust(
        name="extracts", roots="roots.pem", identity=CertificateNames.SPIFFE, trust_domain=TRUST_DOMAIN
    )
    bundle = parse_trust_bundle(trust, root.pem, below.pem)
    store = Store([x509.load_pem_x509_certificate(root.pem)])
    intermediates = [x509.load_pem_x509_certificate(below.pem)]
    at = datetime.fromtimestamp(NOW, UTC)

    def pair(pem: str) -> tuple[Callable[[], object], Callable[[], object]]:
        def theirs() -> object:
            verifier = PolicyBuilder().store(store).time(at).build_client_verifier()
            return verifier.verify(x509.load_pem_x509_certificate(pem.encode()), intermediates)

        return (
            lambda: verify_certificate(parse_peer_certificate(pem), ("extracts",), {"extracts": bundle}, NOW),
            theirs,
        )

    return compared([pair(below.issue([uri(EXTRACT_ID)]).pem) for _ in range(times)])


def verification(times: int) -> dict[str, dict[str, float]]:
    """All kinds of credentials."""
    return {
        **{name: tokens(name, times) for name in KEYS},
        "a chain of three": chains(times),
        WHOLE_CHECK: whole_checks(times),
    }


@click.command()
@click.option("--times", default=400, show_default=True)
def main(times: int) -> None:
    """Compare the cold path with the libraries' own verification."""
    table = Table(
        "", "Scopegate µs", "library µs", "ratio", title="verification of a credential, the first time"
    )
    for name, row in verification(times).items():
        table.add_row(name, f"{row['ours']:.0f}", f"{row['theirs']:.0f}", f"{row['ratio']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
