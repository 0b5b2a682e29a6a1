"""Policy texts for everybody's tests."""

from authz.policy.parse import SourceText, parse_policy
from authz.policy.policyset import PolicySet

SMALL = """\
version: 1
issuers:
  okta: {issuer: https://acme.okta.com/oauth2/default, audiences: [api://warehouse], groups_claim: groups}
client_certificates:
  extracts: {roots: tls/clients-ca.pem, identity: spiffe, trust_domain: acme.example}
dimensions:
  region: {type: string}
  ordered_at: {type: date}
warehouses:
  sales:
    routes: [{prefix: /api/}]
    upstream: http://warehouse:8080
    columns: {region: region, ordered_at: ordered_at}
    labels: {customer_email: pii}
    cache: {ttl: 60s}
    limits: {per_principal: 120/min}
grants:
  - {id: emea-analysts, to: {groups: [analysts-emea]}, on: [sales], scope: {region: [EU, UK], ordered_at: {last: 400d}}}
  - {id: extract-jobs, to: {spiffe: [spiffe://acme.example/tableau/extract]}, on: [sales], scope: {region: all, ordered_at: all}}
restrictions:
  - {id: contractors-no-pii, when: '"contractors" in principal.groups', hide: [pii]}
"""
"""The example of the documentation: one issuer, one trust, two dimensions, one warehouse."""


def policy(text: str = SMALL, name: str = "scopegate.yaml") -> PolicySet:
    """The policy of one text."""
    return parse_policy([SourceText(name, text)])
