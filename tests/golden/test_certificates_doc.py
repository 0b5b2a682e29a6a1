"""The examples of docs/certificates.md are read as they stand."""

import re
from pathlib import Path

import yaml

from authz.identity.crl import MAX_CRL_BYTES
from authz.policy.document import CertificateTrustPart, EdgePart, RevocationsPart
from authz.policy.revocationfile import MAX_REVOCATIONS, parse_revocations
from authz.policy.yamlvalues import SourceText

TEXT = (Path(__file__).parents[2] / "docs" / "certificates.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_of_revocations_is_read_whole() -> None:
    """With one entry of each kind at least."""
    (example,) = [text for text in EXAMPLES if text.startswith("version: 1")]
    made = parse_revocations(SourceText("revocations.yaml", example))
    assert made.size == 8
    assert made.subjects
    assert made.names
    assert made.tokens
    assert made.certificates
    assert made.issuers
    assert made.trusts
    assert len(made.cuts) == 2


def test_the_examples_of_the_policy_have_the_keys_of_a_policy() -> None:
    """In the sections that this page is about."""
    found = set()
    for document in map(yaml.safe_load, EXAMPLES):
        for trust in document.get("client_certificates", {}).values():
            CertificateTrustPart.model_validate(trust)
            found.add("client_certificates")
        if "edge" in document:
            EdgePart.model_validate(document["edge"])
            found.add("edge")
        if "revocations" in document:
            RevocationsPart.model_validate(document["revocations"])
            found.add("revocations")
    assert found == {"client_certificates", "edge", "revocations"}


def test_the_figures_are_those_of_the_code() -> None:
    """Bounds that somebody plans with."""
    assert f"{MAX_REVOCATIONS:,} entries" in TEXT
    assert MAX_CRL_BYTES == 32 * 2**20
