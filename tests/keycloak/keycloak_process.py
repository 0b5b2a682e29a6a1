"""A real Keycloak on the loopback interface, with the realm of realm.json, driven as a person's tools would."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.envoy_process import end_process
from tests.ports import free_port
from tests.tokens import ec_key, jwks

REALM = "analytics"
ADMIN, PASSWORD = "admin", "only-for-tests"
CLIENT_KEY = ec_key("scopegate-signing")
"""With which Scopegate signs who it is as the client `scopegate-signed`."""
START_SECONDS = 180.0


class Keycloak:
    """The process. `home` is an unpacked distribution; its data directory is made anew for each start."""

    def __init__(self, home: Path, directory: Path) -> None:
        self._home = home
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._admin = ("", 0.0)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.issuer = f"{self.url}/realms/{REALM}"

    def __enter__(self) -> Self:
        realm = (Path(__file__).with_name("realm.json")).read_text()
        imports = self._home / "data" / "import"
        imports.mkdir(parents=True, exist_ok=True)
        (imports / "realm.json").write_text(realm.replace('"@JWKS@"', json.dumps(jwks(CLIENT_KEY).decode())))
        command = [
            *(
                str(self._home / "bin" / "kc.sh"),
                "start-dev",
                "--import-realm",
                "--cache=local",
                "--db=dev-mem",
            ),
            *("--http-host=127.0.0.1", f"--http-port={self.port}", "--log-level=warn"),
        ]
        environment = {
            **os.environ,
            "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
            "JAVA_OPTS_KC_HEAP": "-Xms128m -Xmx512m",
        }
        with (self._directory / "keycloak.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        ends = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > ends:
                self.__exit__()
                raise AssertionError((self._directory / "keycloak.log").read_text()[-4000:])
            time.sleep(0.25)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
        end_process(self._process)

    def hang(self, *, hanging: bool) -> None:
        """Connections are taken and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if hanging else signal.SIGCONT)

    def end(self) -> None:
        """Nobody is there any more."""
        end_process(self._process)

    def password_grant(self, user: str, password: str) -> str:
        """The access token of a person."""
        return self._token(
            self.issuer, client_id="tableau-desktop", grant_type="password", username=user, password=password
        )

    def client_grant(self, client: str = "tableau-server") -> str:
        """The access token of a service."""
        return self._token(
            self.issuer,
            client_id=client,
            client_secret=f"{client}-secret",
            grant_type="client_credentials",
        )

    def revoke(self, token: str, client: str = "tableau-server") -> None:
        """RFC 7009."""
        self._post(
            f"{self.issuer}/protocol/openid-connect/revoke",
            {"client_id": client, "client_secret": f"{client}-secret", "token": token},
        )

    def rotate(self, priority: int) -> None:
        """Sign with a new key from now on; the old ones stay published."""
        self._ask_admin(
            "POST",
            "components",
            {
                "name": f"rsa-{priority}",
                "providerId": "rsa-generated",
                "providerType": "org.keycloak.keys.KeyProvider",
                "parentId": self._ask_admin("GET", "")["id"],
                "config": {
                    "priority": [str(priority)],
                    "enabled": ["true"],
                    "active": ["true"],
                    "algorithm": ["RS256"],
                    "keySize": ["2048"],
                },
            },
        )

    def withdraw_keys_below(self, priority: int) -> None:
        """Take older signing keys out of the key set."""
        for component in self._ask_admin("GET", "components?type=org.keycloak.keys.KeyProvider"):
            if (
                component["providerId"] == "rsa-generated"
                and int(component["config"]["priority"][0]) < priority
            ):
                component["config"] |= {"enabled": ["false"], "active": ["false"]}
                self._ask_admin("PUT", f"components/{component['id']}", component)

    def _token(self, realm: str, **form: str) -> str:
        return str(json.loads(self._post(f"{realm}/protocol/openid-connect/token", form))["access_token"])

    def _post(self, url: str, form: dict[str, str]) -> bytes:
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=20) as answer:
            return bytes(answer.read())

    def _ask_admin(self, method: str, path: str, body: object = None) -> Any:
        token, until = self._admin
        if time.monotonic() > until:
            master = f"{self.url}/realms/master"
            token = self._token(
                master, client_id="admin-cli", grant_type="password", username=ADMIN, password=PASSWORD
            )
            self._admin = (token, time.monotonic() + 30)
        request = urllib.request.Request(
            f"{self.url}/admin/realms/{REALM}/{path}".rstrip("/"),
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"{self.issuer}/.well-known/openid-configuration", timeout=5
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
