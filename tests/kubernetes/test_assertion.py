"""The component `assertion` as processes: scopes are signed by the Secret's key, and a swap of the Secret rotates it."""

import json
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from tests.envoy_process import wait_until
from tests.kubernetes.local_pod import mount_like_kubelet
from tests.kubernetes.system import PodSystem, pod_system
from tests.signingkeys import ec_pem

TARGET = "/signed/rows"


@pytest.fixture(scope="module")
def made() -> Iterator[PodSystem]:
    with (
        pod_system("assertion", before=lambda pod: _mount(pod.volume("assertion"), "a", "b")) as system,
        system.pod,
    ):
        yield system


def _mount(volume: Path, current: str, next_: str) -> None:
    mount_like_kubelet(
        volume,
        {
            "current.pem": ec_pem(f"assertion-{current}").decode(),
            "next.pem": ec_pem(f"assertion-{next_}").decode(),
        },
    )
    for file in (volume / "..data").iterdir():
        # As `defaultMode: 0440` says.
        file.chmod(0o440)


def _published(made: PodSystem) -> dict[str, jwt.PyJWK]:
    """What the warehouse reads: through the Service's port of the first worker."""
    keys = json.loads(made.pod.get(9101, "/.well-known/jwks.json")[1])["keys"]
    assert not any("d" in key for key in keys)
    return {key["kid"]: jwt.PyJWK(key) for key in keys}


def _signed_with(made: PodSystem, target: str) -> str:
    """The key of the assertion that the warehouse gets; it verifies with what is published."""
    made.warehouse.reset()
    reply = made.ask(target, made.token())
    assert reply.status == 200, reply
    (seen,) = made.warehouse.take()
    (text,) = seen.values("x-scope-assertion")
    kid = str(jwt.get_unverified_header(text)["kid"])
    said = jwt.decode(
        text,
        _published(made)[kid].key,
        algorithms=["ES256"],
        audience="signed",
        issuer="https://data.example",
    )
    assert said["rows"] == [{"region": {"type": "string", "in": ["EU", "UK"]}}]
    return kid


def test_the_warehouse_is_told_a_signed_scope_and_nobody_else_gets_one(made: PodSystem) -> None:
    """The neighbour belongs to a group without a grant."""
    assert _signed_with(made, TARGET) in _published(made)
    made.warehouse.reset()
    assert made.ask(TARGET, made.token("ann", "nobody")).status == 403
    assert made.warehouse.take() == []


def test_the_next_key_signs_when_the_secret_is_swapped_and_was_published_before(made: PodSystem) -> None:
    """In both workers, without another process; the key that has gone is published no more."""
    before = {name: process.pid for name, process in made.pod.processes.items()}
    old, known = _signed_with(made, TARGET), _published(made)
    _mount(made.pod.volume("assertion"), "b", "c")
    wait_until(lambda: old not in _published(made), "the key that has gone is published no more")
    wait_until(
        lambda: all(_signs(made, number) != old for number in range(8)), "both workers sign with the next key"
    )
    assert _signed_with(made, TARGET) in known
    assert {name: process.pid for name, process in made.pod.processes.items()} == before


def _signs(made: PodSystem, number: int) -> str:
    made.warehouse.reset()
    assert made.ask(f"{TARGET}?{number}", made.token()).status == 200
    (seen,) = made.warehouse.take()
    return str(jwt.get_unverified_header(seen.values("x-scope-assertion")[0])["kid"])
