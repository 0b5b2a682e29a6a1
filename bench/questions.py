"""Tokens and request files: what every target is asked, byte for byte the same.

A request file is a row of gRPC frames: five bytes of prefix (no compression, length) and a CheckRequest.
"""

import random
import struct
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from tests.tokens import SigningKey, claims, ec_key, ed25519_key, mint, rsa_key
from tests.unit.transport.questions import question

KEYS: Final[dict[str, SigningKey]] = {"RS256": rsa_key(), "ES256": ec_key(), "EdDSA": ed25519_key()}
TEAMS: Final = 10
PEOPLE: Final = 1_000
QUESTIONS_OF_EACH: Final = 20


def browser_headers(bearer: str) -> dict[str, str]:
    """What a client and Envoy send along."""
    return {
        "accept-encoding": "gzip, deflate, br",
        "accept-language": "en-GB,en;q=0.9",
        "x-forwarded-for": "192.0.2.7",
        "x-forwarded-proto": "https",
        "x-request-id": "8f14e45f-ceea-467f-9e3c-3d2a8f1f0b11",
        "content-type": "application/json",
        "authorization": f"Bearer {bearer}",
    }


def ask(bearer: str, path: str = "/api/sales?region=EU") -> bytes:
    """A question of a browser-like client, serialized; headers as Envoy sends them with `encode_raw_headers`."""
    return bytes(question(headers=browser_headers(bearer), path=path).SerializeToString())


def by_map(asked: bytes) -> bytes:
    """The same question with the headers as Envoy sends them to OPA."""
    message = CheckRequest.FromString(asked)
    http = message.attributes.request.http
    for header in http.header_map.headers:
        http.headers[header.key] = header.raw_value.decode()
    http.ClearField("header_map")
    return bytes(message.SerializeToString())


def token(
    subject: str, groups: Sequence[str] = ("team-3", "all-staff", "choir", "vpn"), algorithm: str = "RS256"
) -> str:
    """A token that is good for the next hour; of the groups, a grant names `team-…` only."""
    now = int(time.time())
    made = claims(sub=subject, iat=now, nbf=now - 10, exp=now + 3600, groups=list(groups))
    return mint(made, KEYS[algorithm])


def forged(algorithm: str = "RS256") -> str:
    """A token whose signature is that of another one."""
    head, payload, _ = token("mallory", algorithm=algorithm).split(".")
    return f"{head}.{payload}.{token('emma', algorithm=algorithm).split('.')[2]}"


def frame(message: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(message)) + message


def write_frames(path: Path, messages: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(frame(message) for message in messages))
    return path


def population(number: int, seed: int = 1) -> list[bytes]:
    """The questions of so many people, as often as Zipf's law says, in order; one person in twenty has no grant."""
    chosen = random.Random(seed)
    people = [
        token(f"person-{who}", ("all-staff",) if who % 20 == 19 else (f"team-{who % TEAMS}", "vpn"))
        for who in range(number)
    ]
    weights = list(accumulate(1 / rank for rank in range(1, number + 1)))
    return [
        ask(bearer, f"/api/table-{chosen.randrange(50)}?page={chosen.randrange(200)}")
        for bearer in chosen.choices(people, cum_weights=weights, k=QUESTIONS_OF_EACH * number)
    ]


class RequestFiles:
    """The files of one run, each written when it is first asked for. `mapped`: in the form that OPA is asked in."""

    def __init__(self, directory: Path, population: int = PEOPLE) -> None:
        self._directory = directory
        self._population = population
        self._people = 0

    def warm(self, algorithm: str = "RS256", *, mapped: bool = False) -> Path:
        return self._once(
            f"warm-{algorithm}", lambda: [ask(token("emma", algorithm=algorithm))], mapped=mapped
        )

    def new(self, number: int, *, mapped: bool = False) -> Path:
        """So many questions of one person, each another one: more than are remembered."""
        bearer = token("emma")
        return self._once(
            "new", lambda: [ask(bearer, f"/api/sales?page={page}") for page in range(number)], mapped=mapped
        )

    def denied(self, *, mapped: bool = False) -> Path:
        return self._once("denied", lambda: [ask(forged())], mapped=mapped)

    def mixed(self, *, mapped: bool = False) -> Path:
        return self._once("mixed", lambda: population(self._population), mapped=mapped)

    def _once(self, name: str, made: Callable[[], list[bytes]], *, mapped: bool) -> Path:
        path = self._directory / f"{name}{'-map' if mapped else ''}.frames"
        if not path.exists():
            write_frames(path, map(by_map, made()) if mapped else made())
        return path

    def cold(self, number: int, algorithm: str = "RS256", *, mapped: bool = False) -> Path:
        """So many people, nobody of whom has asked before: a new file at each call."""
        first, self._people = self._people, self._people + number
        fresh = (ask(token(f"new-{first + n}", algorithm=algorithm)) for n in range(number))
        path = self._directory / f"cold-{algorithm}-{first}.frames"
        return write_frames(path, map(by_map, fresh) if mapped else fresh)
