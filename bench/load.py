"""How long a policy of many grants takes to load, and how much memory: `python bench/load.py [GRANTS]`."""

import resource
import sys
import tempfile
import time
from pathlib import Path

from authz.config.load import load_policy

HEAD = """\
version: 1
issuers:
  okta: {issuer: https://acme.okta.com/oauth2/default, audiences: [api://warehouse], groups_claim: groups}
dimensions:
  region: {type: string}
  ordered_at: {type: date}
warehouses:
  sales:
    routes: [{prefix: /api/}]
    upstream: http://warehouse:8080
    columns: {region: region, ordered_at: ordered_at}
    labels: {customer_email: pii}
grants:
"""

GRANT = """\
  - id: g{number}
    to: {{groups: [analysts-{number}]}}
    on: [sales]
    scope:
      region: [EU, UK, R{few}]
      ordered_at: {{last: 400d}}
    mask: {{pii: hash}}
"""


def policy_text(grants: int) -> str:
    """Every tenth grant has a condition of its own."""
    parts = [HEAD]
    for number in range(grants):
        parts.append(GRANT.format(number=number, few=number % 50))
        if not number % 10:
            parts.append(f"    when: '\"team-{number}\" in principal.groups'\n")
    return "".join(parts)


def main() -> None:
    grants = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "scopegate.yaml"
        path.write_text(policy_text(grants))
        for _ in range(3):
            cpu, wall = time.process_time(), time.perf_counter()
            load_policy(path)
            print(
                f"{grants:,} grants: {time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} s of CPU"
            )
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB at most")


if __name__ == "__main__":
    main()
