"""What live tokens take: memory and time for each, and what a bound below their number costs.

    .venv/bin/python bench/memory.py [--tokens 100000] [--groups 10] [--remember 20000 --remember 200000]

Each line is a process of its own: so many tokens of different people, each asked for once (cold), then all of them
as often again in random order. Memory is what the process grew by, with everything that a server remembers of a token:
the principal, its decision, its rewrites and the serialized answer. A flood of bad tokens follows: it must take
nothing from the good ones.
"""

import gc
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from authz.check import Snapshot, check
from authz.identity.authenticator import Authenticator
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED
from authz.memory import Memory
from authz.policy.decision import Allow
from authz.policy.parse import parse_policy
from authz.policy.yamlvalues import SourceText
from authz.request import AccessRequest
from authz.transport.answers import AnswerWriter
from authz.transport.decision_ids import decision_ids
from tests.tokens import NOW, claims, ec_key, jwks, mint

ROUNDS = 1
POLICY = """\
version: 1
issuers:
  okta: {issuer: https://issuer.example/oauth2/default, audiences: [api://warehouse], groups_claim: groups, jwks_file: x}
dimensions: {region: {type: string}}
warehouses:
  sales: {routes: [{prefix: /api/}], upstream: http://warehouse, columns: {region: region}, labels: {email: pii}}
grants:
  - {id: emea, to: {groups: [analysts-emea]}, on: [sales], scope: {region: [EU, UK]}}
"""


class Server:
    """What a worker does with a request, without the audit trail."""

    def __init__(self, remember: int) -> None:
        policy = parse_policy([SourceText("bench.yaml", POLICY)])
        self.authenticator = Authenticator(
            issuers=policy.issuers,
            key_sets={"okta": parse_jwks(jwks(ec_key()))},
            bundles={},
            remembered=remember,
        )
        self._snapshot = Snapshot(
            policy=policy,
            authenticator=self.authenticator,
            revocations=NOTHING_REVOKED,
            remembered=Memory(remember),
        )
        self._answers = AnswerWriter(policy_version=policy.version, public_url=None, remembered=remember)
        self._ids = decision_ids()

    def ask(self, token: str) -> bool:
        """Whether it was allowed."""
        request = AccessRequest(
            method="GET", host="edge", path="/api/x", headers={"authorization": (f"Bearer {token}",)}
        )
        outcome = check(request, self._snapshot, NOW)
        next(self._ids).join(self._answers.prepare_outcome(outcome))
        return isinstance(outcome.decision, Allow)


def token(number: int, groups: int) -> str:
    """An access token as identity providers make them; groups are some of a company's 5,000."""
    others = [f"group-{(number * 7 + n) % 5_000:04d}-of-the-company" for n in range(groups - 1)]
    made = claims(
        sub=f"00u{number:016x}",
        jti=f"AT.{number:032x}",
        groups=["analysts-emea", *others],
        scp=["openid", "profile", "warehouse.read"],
        cid="0oa1b2c3d4e5f6g7h8i9",
        uid=f"00u{number:016x}",
        email=f"person{number}@acme.example",
        department=f"department-{number % 50}",
        auth_time=int(NOW) - 100,
        ver=1,
    )
    return mint(made, ec_key())


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


def measure(tokens: int, groups: int, remember: int, flood: int) -> dict[str, float]:
    server = Server(remember)
    made = [token(number, groups) for number in range(tokens)]
    server.ask(made[0])
    gc.collect()
    before, started = resident(), time.process_time()
    for each in made:
        assert server.ask(each)
    cold = (time.process_time() - started) / tokens
    gc.collect()
    grown = resident() - before
    chosen = random.Random(1).choices(made, k=tokens * ROUNDS)
    started = time.process_time()
    for each in chosen:
        server.ask(each)
    mixed = (time.process_time() - started) / len(chosen)
    kept = len(server.authenticator.memories["principals"])
    for number in range(flood):
        assert not server.ask(f"{number}.{made[number % tokens]}")
    gc.collect()
    return {
        "tokens": tokens,
        "groups": groups,
        "remember": remember,
        "token_bytes": len(made[0]),
        "kept": kept,
        "bytes_each": round(grown / kept),
        "mebibytes": round(grown / 2**20),
        "cold_microseconds": round(cold * 1e6, 1),
        "random_microseconds": round(mixed * 1e6, 1),
        "kept_after_flood": len(server.authenticator.memories["principals"]),
        "flood_mebibytes": round((resident() - before - grown) / 2**20),
    }


@click.command()
@click.option("--tokens", default=100_000, show_default=True)
@click.option("--groups", multiple=True, default=(10, 100), show_default=True)
@click.option("--remember", multiple=True, default=(20_000, 200_000), show_default=True)
@click.option("--flood", default=20_000, show_default=True, help="Bad tokens that follow.")
@click.option("--one", is_flag=True, hidden=True)
def main(*, tokens: int, groups: tuple[int, ...], remember: tuple[int, ...], flood: int, one: bool) -> None:
    """Measure what live tokens take."""
    if one:
        print(json.dumps(measure(tokens, groups[0], remember[0], flood)))
        return
    for number in groups:
        for bound in remember:
            arguments = [
                f"--tokens={tokens}",
                f"--groups={number}",
                f"--remember={bound}",
                f"--flood={flood}",
            ]
            done = subprocess.run(
                [sys.executable, __file__, *arguments, "--one"], check=True, capture_output=True, text=True
            )
            print(done.stdout, end="", flush=True)


if __name__ == "__main__":
    main()
