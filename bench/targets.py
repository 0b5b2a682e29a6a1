"""Who is measured: the floors of the engines, Scopegate on each engine, the Go server, OPA. The absent say why."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import grpc

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from authz.workers.engines import problem_with_pyvoy, problem_with_zttp
from bench.generators import CHECK
from bench.inprocess import InProcess
from bench.policies import policy_text
from bench.processes import Ended, Group, wait_for
from bench.questions import KEYS, PEOPLE, TEAMS, RequestFiles, ask, token
from tests.ports import free_port
from tests.tokens import AUDIENCE, ISSUER, jwks

ROOT: Final = Path(__file__).parents[1]
PEERS: Final = ROOT / "build" / "bench"
SCOPEGATE: Final = str(Path(sys.executable).with_name("scopegate"))


@dataclass(slots=True)
class Place:
    """A directory with everything that the servers of one run read and write."""

    directory: Path
    grants: int = TEAMS
    population: int = PEOPLE
    files: RequestFiles = field(init=False)

    def __post_init__(self) -> None:
        self.files = RequestFiles(self.directory, self.population)
        self.jwks.write_bytes(jwks(*KEYS.values()))
        self.policy.write_text(policy_text(self.grants, self.jwks))
        self._ask_scopegate()

    @property
    def jwks(self) -> Path:
        return self.directory / "jwks.json"

    @property
    def policy(self) -> Path:
        return self.directory / "scopegate.yaml"

    @property
    def answer(self) -> Path:
        return self.directory / "answer.bin"

    @property
    def peer_config(self) -> Path:
        return self.directory / "peer.json"

    def _ask_scopegate(self) -> None:
        """What Scopegate answers is what the floors answer, and the Go servers by group."""
        parts = InProcess(TEAMS, self.directory)
        try:
            answers = {
                f"team-{number}": parts.engine.decide(ask(token("emma", (f"team-{number}",))))
                for number in range(TEAMS)
            }
        finally:
            parts.close()
        self.answer.write_bytes(answers["team-3"])
        groups = {}
        for team, data in answers.items():
            answer = CheckResponse.FromString(data)
            if answer.status.code or not answer.ok_response.headers:
                raise SystemExit(f"the benchmark's question is denied: {answer}")
            ok = answer.ok_response
            groups[team] = {
                "set": [[option.header.key, option.header.value] for option in ok.headers],
                "remove": list(ok.headers_to_remove),
                "query": [[one.key, one.value] for one in ok.query_parameters_to_set],
                "response": [
                    [option.header.key, option.header.value] for option in ok.response_headers_to_add
                ],
                "metadata": dict(answer.dynamic_metadata),
            }
        config = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(self.jwks), "groups": groups}
        self.peer_config.write_text(json.dumps(config))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One server, and how it is started: `command(place, address)`."""

    name: str
    about: str
    command: Callable[[Place, str], Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    absent: Callable[[], str | None] = lambda: None
    decides: bool = True
    """False for a floor: it allows whatever it is asked."""
    by_map: bool = False
    """Whether it reads headers from the map, as OPA's policies do."""
    scopegate: bool = False
    most_calls: int | None = None
    """On one connection, where a client is asked to come anew after some more."""

    def warm(self, place: Place, algorithm: str = "RS256") -> Path:
        """The file of its warm question."""
        return place.files.warm(algorithm, mapped=self.by_map)


class Running:
    """A target that is started, answers right, and is ended with everything that it has started."""

    def __init__(self, target: Target, place: Place, name: str | None = None) -> None:
        self.target = target
        self._place = place
        self.name = name or target.name
        self.address = f"unix:{place.directory / self.name}.sock"
        self._log = place.directory / f"{self.name}.log"
        self.ready_seconds = 0.0
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        target = self.target
        command = target.command(self._place, self.address)
        self.group = self._exits.enter_context(Group(command, self._log, target.environment))
        try:
            self._prove()
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _prove(self) -> None:
        warm = self.target.warm(self._place).read_bytes()[5:]
        self.ready_seconds = wait_for(lambda: self.allows(warm), self.group, f"{self.name} is ready")
        found, expected = _parts(self.answer(warm)), _parts(self._place.answer.read_bytes())
        if found != expected:
            raise Ended(f"{self.name} does not answer as the others do: got {found}, expected {expected}")
        forged = self._place.files.denied(mapped=self.target.by_map).read_bytes()[5:]
        if self.target.decides and self.allows(forged) is not False:
            raise Ended(f"{self.name} lets a forged token in")

    def allows(self, message: bytes) -> bool | None:
        """Whether it allows one question; None if it does not answer."""
        try:
            data = self.answer(message)
        except grpc.RpcError:
            return None
        return bool(CheckResponse.FromString(data).status.code == 0)

    def answer(self, message: bytes) -> bytes:
        """A CheckResponse. Raises `grpc.RpcError`."""
        with grpc.insecure_channel(self.address) as channel:
            return bytes(channel.unary_unary(CHECK)(message, timeout=2, wait_for_ready=False))


def _parts(data: bytes) -> list[list[str]]:
    """The names of all that an answer has: each costs Envoy something, so all that are compared have the same."""
    answer = CheckResponse.FromString(data)
    ok = answer.ok_response
    return [
        [option.header.key for option in ok.headers],
        [option.header.key for option in ok.response_headers_to_add],
        [parameter.key for parameter in ok.query_parameters_to_set],
        list(ok.headers_to_remove),
        sorted(answer.dynamic_metadata),
    ]


def _serve(place: Place, address: str, engine: str, *more: str) -> list[str]:
    return [
        *(SCOPEGATE, "serve", f"--policy={place.policy}", f"--listen={address}"),
        *(f"--http=127.0.0.1:{free_port()}", "--drain-notice-seconds=0", "--log-level=warning"),
        f"--engine={engine}",
        *more,
    ]


def _audit(address: str) -> str:
    return f"--audit={address.removeprefix('unix:').removesuffix('.sock')}.jsonl"


def _no_engine(engine: str) -> str | None:
    return {"zttp": problem_with_zttp, "pyvoy": problem_with_pyvoy, "grpcio": lambda: None}[engine]()


def _no_peer(name: str) -> str | None:
    return None if (PEERS / name).is_file() else "not built: Go is not installed (`make bench` builds it)"


def scopegate(engine: str, name: str, about: str, *more: str, audit: bool = True) -> Target:
    return Target(
        name=name,
        about=about,
        command=lambda place, address: _serve(
            place, address, engine, *((_audit(address),) if audit else ()), *more
        ),
        absent=lambda: _no_engine(engine),
        scopegate=True,
        most_calls=_MOST_CALLS.get(engine),
    )


def _noop(engine: str) -> Target:
    script = str(ROOT / "bench" / f"noop_{engine}.py")
    return Target(
        name=f"noop-{engine}",
        about=f"the floor of {engine}: one answer for all",
        command=lambda place, address: [sys.executable, script, address, str(place.answer)],
        absent=lambda: _no_engine(engine),
        decides=False,
        most_calls=_MOST_CALLS.get(engine),
    )


def _peer(program: str, name: str, about: str, *more: str, by_map: bool = False) -> Target:
    return Target(
        name=name,
        about=about,
        command=lambda place, address: [
            *(str(PEERS / program), f"-config={place.peer_config}", f"-listen={address}", *more)
        ],
        absent=lambda: _no_peer(program),
        by_map=by_map,
    )


_MOST_CALLS: Final = {"zttp": 2_900}
ENGINES: Final = ("grpcio", "pyvoy", "zttp")
TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        *(_noop(engine) for engine in ENGINES),
        *(scopegate(engine, f"scopegate-{engine}", f"{engine}, audit and metrics on") for engine in ENGINES),
        _peer("lean", "go", "lean Go server: verifies each time; no audit, metrics or log"),
        _peer("lean", "go-cache", "the same, verified tokens remembered", "-cache"),
        _peer("opa", "opa", "OPA's evaluation in a Go server", by_map=True),
    )
}
