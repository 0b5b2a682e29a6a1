"""Client certificates through the real Envoy to a real Scopegate: chains, lists, bound tokens, and forged headers."""

import contextlib
import hashlib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509

from authz.config.load import load_policy
from authz.edge.render import render_envoy
from tests.edge_client import Reply, ask, client_context
from tests.edge_counterparts import Warehouse
from tests.envoy_process import (
    EnvoyProcess,
    ScopegateProcess,
    present_authority,
    server_leaf,
    short_directory,
    wait_until,
)
from tests.pki import EXTRACT_ID, Authority, Leaf, crl_pem, uri
from tests.ports import free_port
from tests.tokens import AUDIENCE, ISSUER, claims, ec_key, jwks, mint, thumbprint

KEY = ec_key("chains")
POLICY = """\
version: 1
edge:
  certificate: {directory}/server.crt
  private_key: {directory}/server.key
  client_ca: {directory}/clients.pem
  forward_client_chain: true
  scopegate: ["unix:{directory}/worker.sock"]
  admin: unix:{directory}/admin.sock
  per_address: 100000/s
issuers:
  okta: {{issuer: "{issuer}", audiences: ["{audience}"], groups_claim: groups, jwks_file: jwks.json}}
client_certificates:
  extracts: {{roots: clients.pem, identity: spiffe, trust_domain: acme.example}}
  listed: {{roots: clients.pem, intermediates: listed.pem, identity: spiffe, trust_domain: acme.example, crls: [listed.crl]}}
dimensions: {{region: {{type: string}}}}
warehouses:
  open: {{routes: [{{prefix: /open/}}], upstream: "{upstream}", columns: {{region: region}}, authentication: any, certificates: [extracts]}}
  strict: {{routes: [{{prefix: /strict/}}], upstream: "{upstream}", columns: {{region: region}}, authentication: certificate, certificates: [listed]}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: [open], scope: {{region: [EU]}}}}
  - {{id: extracts, to: {{spiffe: ["spiffe://acme.example/tableau/extract"]}}, on: [open], scope: {{region: all}}}}
  - {{id: listed, to: {{certificates: [listed]}}, on: [strict], scope: {{region: all}}}}
"""


@dataclass(frozen=True, slots=True)
class Chains:
    directory: Path
    root: Authority
    below: Authority
    """It signs clients, and stands in no configuration."""
    listed: Authority
    """It stands in the configuration, with a list that names the serial number 7."""
    warehouse: Warehouse
    envoy: EnvoyProcess

    def leaf(self, authority: Authority | None = None, *names: x509.GeneralName) -> Leaf:
        now = time.time()
        return (authority or self.below).issue(
            list(names or (uri(EXTRACT_ID),)), not_before=now - 3600, not_after=now + 86_400
        )

    def context(self, leaf: Leaf, *others: Leaf | Authority) -> ssl.SSLContext:
        """A client that shows its certificate with these others behind it."""
        name = hashlib.sha256(leaf.der + repr(others).encode()).hexdigest()[:16]
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        certificate.write_text(
            leaf.pem + "".join(each.pem if isinstance(each, Leaf) else each.pem.decode() for each in others)
        )
        key.write_bytes(leaf.key_pem)
        return client_context(self.directory / "ca.pem", certificate=(certificate, key))

    def ask(
        self,
        context: ssl.SSLContext | None = None,
        *,
        target: str = "/open/x",
        token: str | None = None,
        xfcc: str | None = None,
    ) -> Reply:
        headers = [] if token is None else [("authorization", f"Bearer {token}")]
        headers += [] if xfcc is None else [("x-forwarded-client-cert", xfcc)]
        chosen = context or client_context(self.directory / "ca.pem")
        return ask(self.envoy.port, chosen, target, headers=headers)

    def reason(self, *arguments: ssl.SSLContext, **request: str | None) -> str:
        """Why it was refused; `granted` if it was not."""
        reply = self.ask(*arguments, **request)  # type: ignore[arg-type]
        return "granted" if reply.status == 200 else str(reply.json()["reason"])


@pytest.fixture(scope="module")
def system() -> Iterator[Chains]:
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        warehouse = stack.enter_context(Warehouse())
        now = time.time()
        root = present_authority("Clients CA")
        below = root.intermediate('Clients, "East"; CA', not_before=now - 60, not_after=now + 86_400)
        listed = root.intermediate("Listed CA", not_before=now - 60, not_after=now + 86_400)
        servers = present_authority("Servers CA")
        (directory / "ca.pem").write_bytes(servers.pem)
        leaf = server_leaf(servers)
        (directory / "server.crt").write_text(leaf.pem)
        (directory / "server.key").write_bytes(leaf.key_pem)
        (directory / "clients.pem").write_bytes(root.pem)
        (directory / "listed.pem").write_bytes(listed.pem)
        (directory / "listed.crl").write_bytes(
            crl_pem(listed.crl(7, this_update=now - 60, next_update=now + 3600))
        )
        (directory / "jwks.json").write_bytes(jwks(KEY))
        policy = directory / "scopegate.yaml"
        policy.write_text(
            POLICY.format(
                directory=directory,
                issuer=ISSUER,
                audience=AUDIENCE,
                upstream=f"http://127.0.0.1:{warehouse.port}",
            )
        )
        arguments = [
            *("serve", f"--policy={policy}", f"--listen=unix:{directory}/worker.sock"),
            *(f"--http=127.0.0.1:{free_port()}", "--audit=off", "--drain-notice-seconds=0"),
        ]
        worker = stack.enter_context(ScopegateProcess(arguments, directory, "worker"))
        loaded = load_policy(policy)
        configuration = render_envoy(loaded, replace(loaded.edge, listen="127.0.0.1:0"))
        envoy = stack.enter_context(EnvoyProcess(configuration, directory, directory / "admin.sock"))
        made = Chains(directory, root, below, listed, warehouse, envoy)
        wait_until(
            lambda: worker.running() and envoy.stat("cluster.scopegate.membership_healthy") == 1,
            "the worker is healthy",
        )
        yield made


def token(**changes: object) -> str:
    now = int(time.time())
    return mint(claims(**{"iat": now - 5, "nbf": now - 5, "exp": now + 600, **changes}), KEY)


def own_header(leaf: Leaf, *others: Authority) -> str:
    """What Envoy would write for these."""
    pem = leaf.pem + "".join(other.pem.decode() for other in others)
    return f'Hash={hashlib.sha256(leaf.der).hexdigest()};Chain="{quote(pem, safe="-")}"'


def test_a_client_that_shows_its_intermediate_is_let_in(system: Chains) -> None:
    """Envoy told the leaf alone before; the intermediate is configured nowhere, its name has quotes in it."""
    leaf = system.leaf()
    system.warehouse.reset()
    assert system.reason(system.context(leaf, system.below)) == "granted"
    (seen,) = system.warehouse.take()
    assert "x-forwarded-client-cert" not in seen.names
    assert seen.values("x-scope-subject") == [EXTRACT_ID]


def test_what_else_a_client_shows_does_no_harm(system: Chains) -> None:
    """Junk behind the chain, and its root."""
    leaf = system.leaf()
    junk = present_authority("Junk")
    for others in ([system.below, junk], [system.below, system.root], [system.below, system.below]):
        assert system.reason(system.context(leaf, *others)) == "granted"


def test_a_client_of_the_root_needs_no_chain(system: Chains) -> None:
    """The header is about its own certificate alone then."""
    assert system.reason(system.context(system.leaf(system.root))) == "granted"


def test_a_forged_header_is_nobody(system: Chains) -> None:
    """In every case, and in several copies: Envoy drops what a client sends, with a certificate and without."""
    leaf = system.leaf()
    forged = own_header(leaf, system.below)
    assert system.reason(xfcc=forged) == "credential_missing"
    assert system.reason(xfcc=f"{forged},{forged}") == "credential_missing"
    for header in (forged, "nonsense", f"{forged},By=x", "Hash=1;URI=spiffe://acme.example/tableau/extract"):
        assert system.reason(system.context(system.leaf(), system.below), xfcc=header) == "granted"


def test_a_name_cannot_add_an_element(system: Chains) -> None:
    """Envoy does not quote names; where the header is read, it writes none."""
    hostile = uri(f"https://a.example/,{own_header(system.leaf(), system.below)}"[:1500])
    leaf = system.leaf(None, hostile)
    assert system.reason(system.context(leaf, system.below)) == "certificate_identity_invalid"


def test_another_clients_intermediate_is_not_remembered(system: Chains) -> None:
    """Whoever shows no chain has none, whatever was shown before: here Envoy refuses the handshake."""
    leaf = system.leaf()
    assert system.reason(system.context(leaf, system.below)) == "granted"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        system.ask(system.context(leaf))


def test_a_revoked_certificate_is_refused_and_its_neighbour_is_not(system: Chains) -> None:
    """Envoy itself has never looked at revocation here; the list is Scopegate's."""
    listed, now = system.listed, time.time()
    revoked = listed.issue([uri(EXTRACT_ID)], serial=7, not_before=now - 60, not_after=now + 3600)
    good = listed.issue([uri(EXTRACT_ID)], serial=8, not_before=now - 60, not_after=now + 3600)
    contexts = [system.context(leaf, listed) for leaf in (revoked, good)]
    assert [system.reason(context, target="/strict/x") for context in contexts] == [
        "certificate_revoked",
        "granted",
    ]
    assert system.ask(contexts[0], target="/strict/x").status == 401
    unlisted = system.context(system.leaf(), system.below)
    assert system.ask(unlisted, target="/strict/x").status == 503
    assert system.reason(unlisted, target="/strict/x") == "certificate_revocation_unknown"


def test_a_bound_token_needs_its_certificate(system: Chains) -> None:
    """RFC 8705 section 3, over the real handshake: without one, with another one, and with the right one."""
    leaf, other = system.leaf(), system.leaf()
    bound = token(cnf={"x5t#S256": thumbprint(leaf.der)})
    stolen = system.context(other, system.below)
    for _ in range(2):
        assert system.reason(token=bound) == "token_binding_failed"
        assert system.reason(stolen, token=bound) == "token_binding_failed"
        assert system.reason(system.context(leaf, system.below), token=bound) == "granted"
    assert system.reason(xfcc=own_header(leaf, system.below), token=bound) == "token_binding_failed"
    assert system.reason(stolen, xfcc=own_header(leaf, system.below), token=bound) == "token_binding_failed"


def test_a_token_that_is_bound_in_a_way_that_is_not_known_is_refused(system: Chains) -> None:
    """DPoP's `jkt` beside the thumbprint, or alone: what is not understood must not be read as not bound."""
    leaf = system.leaf()
    context = system.context(leaf, system.below)
    for confirmation in ({"jkt": "x"}, {"jkt": "x", "x5t#S256": thumbprint(leaf.der)}, {}, {"x5t#S256": ""}):
        assert system.reason(context, token=token(cnf=confirmation)) == "token_binding_failed"
    assert system.reason(context, token=token()) == "granted"
