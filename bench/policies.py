"""The policy of the benchmarks, with any number of grants."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.tokens import AUDIENCE, ISSUER

HEAD = """\
version: 1
issuers:
  okta: {{issuer: {issuer}, audiences: ["{audience}"], groups_claim: groups, jwks_file: {jwks}}}
dimensions:
  region: {{type: string}}
  ordered_at: {{type: date}}
warehouses:
  sales:
    routes: [{{prefix: /api/}}]
    upstream: http://warehouse:8080
    columns: {{region: region, ordered_at: ordered_at}}
    labels: {{customer_email: pii}}
    cache: {{ttl: 60s}}
restrictions:
  - {{id: contractors-no-pii, when: '"contractors" in principal.groups', hide: [pii]}}
grants:
"""
GRANT = (
    "  - {{id: g{0}, to: {{groups: [team-{0}]}}, on: [sales], "
    "scope: {{region: [R{0}, EU], ordered_at: {{last: 400d}}}}, mask: {{pii: hash}}}}\n"
)


def policy_text(grants: int, jwks: Path | str = "jwks.json") -> str:
    """A policy with one grant for each of `team-0`, `team-1`, ...; `jwks` is the file of the issuer's keys."""
    head = HEAD.format(issuer=ISSUER, audience=AUDIENCE, jwks=jwks)
    return head + "".join(GRANT.format(number) for number in range(grants))
