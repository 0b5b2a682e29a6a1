"""Tokens of every preset, signed for real: the shapes stand in tests/unit/identity/presets/tokens.yaml."""

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.tokens import SigningKey, base64url, dump, jwks, mint, rsa_key

_FILE = Path(__file__).parent / "unit" / "identity" / "presets" / "tokens.yaml"
KEY_FILE = "keys.json"
SECRET_FILE = "secret.txt"


@dataclass(frozen=True, slots=True)
class Specimen:
    """One token as its provider documents it, what a policy says of the issuer, and who it is."""

    name: str
    configuration: Mapping[str, Any]
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    principal: Mapping[str, Any]
    neighbours: Mapping[str, Mapping[str, Any]]
    place: Mapping[str, str] | None
    key_use: str
    secret: Mapping[str, str] | None

    @property
    def preset(self) -> str:
        return str(self.configuration["preset"])

    @property
    def key(self) -> SigningKey:
        return _key(str(self.header["kid"]))

    def issuer(self, directory: str = "keys") -> dict[str, Any]:
        """The issuer as a policy writes it, with its keys in files of `directory`."""
        if self.secret is not None:
            return {**self.configuration, "secrets": {self.secret["kid"]: f"{directory}/{SECRET_FILE}"}}
        return {**self.configuration, "jwks_file": f"{directory}/{KEY_FILE}"}

    def write_keys(self, directory: Path) -> None:
        """The issuer's keys, as it publishes them or as an administrator stores them."""
        directory.mkdir(parents=True, exist_ok=True)
        if self.secret is None:
            (directory / KEY_FILE).write_bytes(self.jwks())
            return
        file = directory / SECRET_FILE
        file.touch(mode=0o600)
        file.write_text(self.secret["value"] + "\n")

    def jwks(self) -> bytes:
        return jwks(self.key.jwk(use=self.key_use))

    def claims_at(self, now: float) -> dict[str, Any]:
        """The claims at a time."""
        found: dict[str, Any] = _at(dict(self.claims), int(now))
        return found

    def token(self, now: float, **change: Any) -> str:
        """The token at a time, with the changes of a neighbour."""
        if "token" in change:
            return specimen(change["token"]).token(now)
        header = _merged(self.header, change.get("header", {}))
        claims = _at(_merged(self.claims, change.get("claims", {})), int(now))
        if self.secret is not None:
            return sign_with_secret(header, claims, change.get("secret", self.secret["value"]))
        return mint(claims, self.key, **{"typ": None, **header, **_removed(change.get("header", {}))})


@cache
def _key(kid: str) -> SigningKey:
    return SigningKey(kid, "RS256", rsa_key("presets").private)


@cache
def specimens() -> dict[str, Specimen]:
    """Every specimen by its name."""
    with _FILE.open(encoding="utf-8") as file:
        found = yaml.safe_load(file)
    return {
        name: Specimen(
            name=name,
            configuration=entry["configuration"],
            header=entry["header"],
            claims=entry["claims"],
            principal=entry["principal"],
            neighbours=entry["neighbours"],
            place=entry.get("place"),
            key_use=entry.get("key_use", "sig"),
            secret=entry.get("secret"),
        )
        for name, entry in found.items()
    }


def specimen(name: str) -> Specimen:
    return specimens()[name]


def neighbours() -> Iterator[tuple[str, str]]:
    """Names of every specimen and neighbour."""
    for each in specimens().values():
        for neighbour in each.neighbours:
            yield each.name, neighbour


def policy_of(*chosen: Specimen, warehouse: Mapping[str, Any] | None = None, **sections: Any) -> str:
    """A policy that takes the tokens of some specimens and grants everything to everybody who has one."""
    names = {each.name: f"issuer-{number}" for number, each in enumerate(chosen)}
    return json.dumps(
        {
            "version": 1,
            "issuers": {names[each.name]: each.issuer(names[each.name]) for each in chosen},
            "dimensions": {"region": {"type": "string"}},
            "warehouses": {
                "sales": {
                    "routes": [{"prefix": "/api/"}],
                    "upstream": "http://warehouse:8080",
                    "columns": {"region": "region"},
                    **(warehouse or {}),
                }
            },
            "grants": [
                {
                    "id": "all",
                    "to": {"issuers": [*names.values()]},
                    "on": ["sales"],
                    "scope": {"region": "all"},
                }
            ],
            **sections,
        }
    )


def sign_with_secret(header: Mapping[str, Any], claims: Mapping[str, Any], secret: str) -> str:
    """A compact JWS with an HMAC (RFC 7518 section 3.2), whatever the header says."""
    signing_input = f"{base64url(dump(header))}.{base64url(dump(claims))}"
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(str(header.get("alg")), "sha256")
    return f"{signing_input}.{base64url(hmac.digest(secret.encode(), signing_input.encode(), digest))}"


def _merged(given: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def _removed(changes: Mapping[str, Any]) -> dict[str, None]:
    return {name: None for name, value in changes.items() if value is None}


def _at(value: Any, now: int) -> Any:
    """`now`, `now+300` and `now-60` as seconds since the epoch."""
    if isinstance(value, dict):
        return {name: _at(item, now) for name, item in value.items()}
    if isinstance(value, str) and (value == "now" or value[:4] in {"now+", "now-"}):
        return now + int(value[3:] or 0)
    return value
