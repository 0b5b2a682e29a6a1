"""Protected resource metadata, RFC 9728."""

import json
from dataclasses import replace

import pytest

from authz.edge.metadata import metadata_documents
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.transport.challenge import resource_metadata_url
from tests.edge_policies import ISSUER, edge_policy, edge_warehouse


def test_without_a_public_url_there_is_no_document() -> None:
    """Nobody could be told where it is."""
    assert metadata_documents(edge_policy([edge_warehouse()]), None) == {}


@pytest.mark.parametrize(
    "url", ["https://edge.example", "https://edge.example/", "https://edge.example:8443/a/b"]
)
def test_the_document_lies_where_the_challenge_says(url: str) -> None:
    """WWW-Authenticate and Envoy must agree."""
    ((path, _),) = metadata_documents(edge_policy([edge_warehouse()]), url).items()
    host = url.split("/")[2]

    assert f"https://{host}{path}" == resource_metadata_url(url)


def test_issuers_whose_tokens_nobody_takes_are_not_named() -> None:
    """A warehouse for certificates only asks for no token."""
    tokens, certificates = edge_warehouse("tokens"), edge_warehouse("certificates")
    only_certificates = replace(
        certificates,
        accepts=AcceptedCredentials(
            authentication=Authentication.CERTIFICATE, issuers=frozenset({"okta"}), trusts=frozenset()
        ),
    )

    def servers(*warehouses: object) -> object:
        (document,) = metadata_documents(edge_policy(warehouses), "https://edge.example").values()  # type: ignore[arg-type]
        return json.loads(document)["authorization_servers"]

    assert servers(only_certificates) == []
    assert servers(only_certificates, tokens) == [ISSUER]
