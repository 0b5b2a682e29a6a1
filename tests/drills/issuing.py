"""The drills' system with keys and answers of an issuer over HTTP, that can be away."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drills.load import Load, Person
from tests.drills.system import EMEA, POLICY, US, Drill, drill_system
from tests.issuing_server import CLIENT_ID, CLIENT_SECRET, IssuingServer
from tests.tokens import AUDIENCE

_ISSUERS = POLICY.splitlines()[POLICY.splitlines().index("issuers:") + 1]
ISSUING_POLICY = POLICY.replace(
    _ISSUERS,
    f"""\
  okta:
    issuer: "{{issuing}}"
    audiences: ["{AUDIENCE}"]
    groups_claim: groups
    allow_http: true
    allow_private_addresses: true
    refresh: 10s
    introspection:
      {{{{url: "{{issuing}}/introspect", client_id: "{CLIENT_ID}", client_secret_file: "{{directory}}/secret", cache: 2s}}}}""",
)
"""With an issuer at `{issuing}`."""


@dataclass(frozen=True, slots=True)
class IssuingDrill:
    drill: Drill
    issuer: IssuingServer

    def people(self, **changes: Any) -> list[Person]:
        """With a new token for each request, so that each is verified, and one with an opaque token; with other claims."""
        numbers = itertools.count()

        def fresh(subject: str, *groups: str, **its: Any) -> str:
            made = {"sub": subject, "groups": list(groups), "jti": f"{next(numbers)}", **changes, **its}
            return self.issuer.token(**made)

        opaque = self.issuer.opaque_token(sub="opal", groups=["analysts-us"], **changes)
        return [
            Person(name="ann", bearer=lambda: fresh("ann", "analysts-emea"), regions=EMEA),
            Person(name="sid", bearer=lambda: fresh("sid", "marketing")),
            Person(name="opal", bearer=lambda: opaque, regions=US),
            Person(name="nobody", bearer=lambda: None, denial=401),
            Person(name="uma", bearer=lambda: fresh("uma", "analysts-us"), regions=US),
            Person(name="late", bearer=lambda: fresh("ann", "analysts-emea", exp=1), denial=401),
        ]

    def load(self) -> Load:
        return self.drill.load(self.people())


def _issuer() -> IssuingServer:
    issuer = IssuingServer()
    issuer.max_age = 0  # or a look would be due in ten minutes only
    return issuer


@contextlib.contextmanager
def issuing_drill(**changes: Any) -> Iterator[IssuingDrill]:
    """Started and healthy, and ended again; `changes` as of `drill_system`."""

    def prepare(directory: Path, _: object) -> None:
        secret = directory / "secret"
        secret.write_text(CLIENT_SECRET)
        secret.chmod(0o600)

    with (
        _issuer() as issuer,
        drill_system(policy_text=ISSUING_POLICY, prepare=prepare, issuing=issuer.url, **changes) as drill,
    ):
        yield IssuingDrill(drill, issuer)
