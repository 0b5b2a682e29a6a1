"""The demo's HTTPS client: what a person's tool would send, and what only an attacker would.

It is http.client, because that sends a target as it is: a polite client would normalize the attack away.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.demo.ca import CertificateFiles

TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request. `token` and `certificate` are how the asker proves who it is."""

    method: str = "GET"
    target: str = "/api/sales"
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    certificate: CertificateFiles | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `status` None: the TLS handshake was refused, so there was no HTTP at all.

    `times` counts how often it was asked before this answer, itself included.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    queries: int = 0
    """How many queries the warehouse ran because of it."""
    times: int = 1


class EdgeClient:
    """Asks Envoy at 127.0.0.1:`port`, believing the development CA only."""

    def __init__(self, port: int, root_pem: bytes) -> None:
        self._port = port
        self._root_pem = root_pem.decode()

    def ask(self, question: Question) -> Answer:
        connection = self._connect(question.certificate)
        try:
            return _exchange(connection, question)
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected) as error:
            # With TLS 1.3 the refusal of a client certificate arrives after the client has sent its request.
            return Answer(status=None, text=type(error).__name__)
        finally:
            connection.close()

    def ask_until(self, question: Question, status: int, *, at_most: int) -> Answer:
        """Ask again and again on one connection until the answer has `status`, or `at_most` times."""
        connection = self._connect(question.certificate)
        try:
            for times in range(1, at_most + 1):
                answer = _exchange(connection, question)
                if answer.status == status or times == at_most:
                    return Answer(
                        status=answer.status,
                        headers=answer.headers,
                        body=answer.body,
                        text=answer.text,
                        times=times,
                    )
        finally:
            connection.close()
        raise ValueError("at_most must be positive")

    def _connect(self, certificate: CertificateFiles | None) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cadata=self._root_pem)
        if certificate is not None:
            context.load_cert_chain(certificate.certificate, certificate.key)
        return http.client.HTTPSConnection("127.0.0.1", self._port, context=context, timeout=TIMEOUT_SECONDS)


def _exchange(connection: http.client.HTTPSConnection, question: Question) -> Answer:
    headers = {"Accept": "application/json", **question.headers}
    if question.token is not None:
        headers["Authorization"] = f"Bearer {question.token}"
    connection.request(question.method, question.target, headers=headers)
    response = connection.getresponse()
    text = response.read().decode("utf-8", "replace")
    return Answer(
        status=response.status,
        headers={name.lower(): value for name, value in response.getheaders()},
        body=_json_object(text),
        text=text,
    )


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
