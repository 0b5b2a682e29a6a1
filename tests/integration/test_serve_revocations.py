"""Revocation now: a file that is changed blocks the next check on every worker, and takes nothing else away."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from urllib.parse import quote

import pytest

from tests.integration.scopegate_server import Answer, Scopegate, ask_for_sales, eventually, replace, token
from tests.pki import Authority, Leaf, crl_der, crl_pem, make_authority, uri
from tests.tokens import jwks, rsa_key
from tests.unit.identity.test_authorities import spiffe_bundle, svid_key
from tests.unit.transport.questions import question

WORKERS = 2
POLICY = """\
version: 1
issuers:
  okta: {{issuer: https://issuer.example/oauth2/default, audiences: [api://warehouse], groups_claim: groups,
          jwks_file: jwks.json}}
client_certificates:
  extracts: {{roots: roots.pem, intermediates: below.pem, identity: spiffe, trust_domain: acme.example{more}}}
dimensions:
  region: {{type: string}}
warehouses:
  sales:
    routes: [{{prefix: /api/}}]
    upstream: http://warehouse:8080
    columns: {{region: region}}
    authentication: any
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: [sales], scope: {{region: [EU]}}}}
  - {{id: extracts, to: {{spiffe: ["spiffe://acme.example/*"]}}, on: [sales], scope: {{region: all}}}}
{revocations}"""
REVOCATIONS = "revocations: {file: revocations.yaml}\n"


def now() -> float:
    return time.time()


class Pki:
    """Authorities and clients by the real clock."""

    def __init__(self) -> None:
        self.root = make_authority("Clients CA", not_before=now() - 3600, not_after=now() + 86_400)
        self.below = self.root.intermediate(not_before=now() - 3600, not_after=now() + 86_400)

    def leaf(self, name: str = "extract", authority: Authority | None = None) -> Leaf:
        return (authority or self.below).issue(
            [uri(f"spiffe://acme.example/{name}")], not_before=now() - 3600, not_after=now() + 86_400
        )

    def crl(self, *revoked: Leaf, seconds: float = 3600, number: int = 1) -> bytes:
        made = self.below.crl(
            *(leaf.certificate for leaf in revoked),
            this_update=now() - 60,
            next_update=now() + seconds,
            number=number,
        )
        return crl_pem(made)


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def write(directory: Path, pki: Pki, *, revocations: str | None = "", more: str = "") -> Path:
    """A policy with its files; `revocations` is what follows the version in theirs, None names no file."""
    (directory / "jwks.json").write_bytes(jwks(rsa_key()))
    (directory / "roots.pem").write_bytes(pki.root.pem)
    (directory / "below.pem").write_bytes(pki.below.pem)
    if revocations is not None:
        revoke(directory, revocations)
    named = "" if revocations is None else REVOCATIONS
    replace(directory / "scopegate.yaml", POLICY.format(more=more, revocations=named))
    return directory / "scopegate.yaml"


def revoke(directory: Path, entries: str) -> None:
    replace(directory / "revocations.yaml", f"version: 1\n{entries}")


class Workers:
    """Two workers that follow one file of revocations."""

    def __init__(self, directory: Path, each: tuple[Scopegate, ...]) -> None:
        self.file = directory / "revocations.yaml"
        self.each = each
        self._entries = ""

    def put(self, entries: str) -> None:
        """Revoke these, and return when every worker does."""
        before = [worker.events("revocations_changed") for worker in self.each]
        revoke(self.file.parent, entries)
        if entries != self._entries:
            self._entries = entries
            for worker, count in zip(self.each, before, strict=True):
                worker.wait_for("revocations_changed", count=count + 1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Workers]:
    directory = tmp_path_factory.mktemp("revocations")
    policy = write(directory, pki)
    with ExitStack() as stack:
        each = tuple(stack.enter_context(Scopegate(policy)) for _ in range(WORKERS))
        for worker in each:
            worker.wait_for("ready")
        yield Workers(directory, each)


@pytest.fixture
def workers(running: Workers) -> Workers:
    """Nothing is revoked."""
    running.put("")
    return running


def by_token(worker: Scopegate, subject: str = "alice", **changes: object) -> Answer:
    return worker.ask(ask_for_sales(token(sub=subject, **changes)))


def by_certificate(worker: Scopegate, leaf: Leaf) -> Answer:
    message = question()
    kept = [
        header
        for header in message.attributes.request.http.header_map.headers
        if header.key != "authorization"
    ]
    del message.attributes.request.http.header_map.headers[:]
    message.attributes.request.http.header_map.headers.extend(kept)
    message.attributes.source.certificate = quote(leaf.pem, safe="-")
    return worker.ask(bytes(message.SerializeToString()))


def outcome(answer: Answer) -> str:
    return "granted" if answer.allowed else answer.reason


def test_a_person_is_blocked_at_once_on_every_worker(workers: Workers) -> None:
    """The very token that was let in before is refused by the next check; the neighbour never notices."""
    mine, theirs = token(sub="alice"), token(sub="bob")
    for worker in workers.each:
        assert worker.ask(ask_for_sales(mine)).allowed
        assert worker.ask(ask_for_sales(theirs)).allowed
    changed = time.monotonic()
    workers.put("subjects:\n  - {issuer: okta, subject: alice, reason: left}\n")
    elapsed = time.monotonic() - changed
    for worker in workers.each:
        denied = worker.ask(ask_for_sales(mine))
        assert (denied.reason, denied.status) == ("revoked", 401)
        assert 'error="invalid_token"' in denied.headers["www-authenticate"]
        assert "left" not in str(denied.message)
        assert worker.ask(ask_for_sales(theirs)).allowed
        assert "scopegate_revocations 1.0" in worker.get("/metrics")[1]
        assert worker.events("keys_changed") == worker.events("policy_reloaded") == 0
    assert elapsed < 3, "a tenth of a second as a rule; two seconds where the file system tells of nothing"
    workers.put("")
    assert all(worker.ask(ask_for_sales(mine)).allowed for worker in workers.each)


@pytest.mark.parametrize(
    ("entry", "blocked", "neighbour"),
    [
        ("issuers:\n  - {issuer: okta}\n", {"token": "t-1"}, None),
        ("tokens:\n  - {issuer: okta, id: t-1}\n", {"token": "t-1"}, {"token": "t-2"}),
        (
            "subjects:\n  - {trust: extracts, subject: spiffe://acme.example/extract}\n",
            {"name": "extract"},
            {"name": "other"},
        ),
        ("trusts:\n  - {trust: extracts}\n", {"name": "extract"}, None),
        ("issued_before:\n  - {issuer: okta, before: BEFORE}\n", {"issued": -400}, {"issued": -10}),
        (
            "issued_before:\n  - {issuer: okta, subject: alice, before: BEFORE}\n",
            {"issued": -400},
            {"issued": -10},
        ),
    ],
)
def test_each_kind_of_entry(
    *,
    workers: Workers,
    pki: Pki,
    entry: str,
    blocked: dict[str, str | int],
    neighbour: dict[str, str | int] | None,
) -> None:
    """What it names is refused, and its neighbour is not."""

    def ask(worker: Scopegate, which: dict[str, str | int]) -> str:
        match which:
            case {"token": identifier}:
                return outcome(by_token(worker, jti=identifier))
            case {"name": name}:
                return outcome(by_certificate(worker, leaves[str(name)]))
            case {"issued": seconds}:
                issued = int(now()) + int(seconds)
                return outcome(by_token(worker, iat=issued, nbf=issued))
        raise AssertionError(which)

    leaves = {name: pki.leaf(name) for name in ("extract", "other")}
    for worker in workers.each:
        assert ask(worker, blocked) == "granted"
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now() - 200))
    workers.put(entry.replace("BEFORE", moment))
    for worker in workers.each:
        assert ask(worker, blocked) == "revoked"
        if neighbour is not None:
            assert ask(worker, neighbour) == "granted"


def test_a_certificate_is_blocked_by_its_serial_number(workers: Workers, pki: Pki) -> None:
    """Alone and beside a person's token; the same workload's next certificate is good."""
    leaf, renewed = pki.leaf(), pki.leaf()
    serial = f"{leaf.certificate.serial_number:X}"
    workers.put(f"certificates:\n  - {{trust: extracts, serial: '{serial}'}}\n")
    for worker in workers.each:
        assert outcome(by_certificate(worker, leaf)) == "revoked"
        assert outcome(by_certificate(worker, renewed)) == "granted"


@pytest.mark.parametrize("damage", ["broken", "emptied", "removed", "binary"])
def test_a_broken_file_keeps_the_old_one_and_says_so(workers: Workers, damage: str) -> None:
    """In the log with the line, in a metric, and on /readyz; the good one that follows is in force."""
    worker, file = workers.each[0], workers.file
    workers.put("subjects:\n  - {issuer: okta, subject: alice}\n")
    before = worker.events("key_source_failed")
    match damage:
        case "broken":
            revoke(file.parent, "subjects:\n  - {issuer: okta}\n")
        case "emptied":
            replace(file, "")
        case "binary":
            replace(file, b"\xff\xfe\x00")
        case "removed":
            file.unlink()
    said = worker.wait_for("key_source_failed", count=before + 1, kind="revocations")["error"]
    assert str(file) in said
    if damage == "broken":
        assert said == f"{file}:3: subjects[0]: `subject` is missing"
    assert outcome(by_token(worker)) == "revoked"
    assert outcome(by_token(worker, "bob")) == "granted"
    failing = 'scopegate_key_source_failing{kind="revocations",name="revocations"}'
    assert f"{failing} 1.0" in worker.get("/metrics")[1]
    status, text = worker.get("/readyz")
    assert status == 200
    (source,) = [source for source in json.loads(text)["sources"] if source["kind"] == "revocations"]
    assert (source["loaded"], source["last_error"]) == (True, said)
    workers.put("subjects:\n  - {issuer: okta, subject: bob}\n")
    assert (outcome(by_token(worker)), outcome(by_token(worker, "bob"))) == ("granted", "revoked")
    assert f"{failing} 0.0" in worker.get("/metrics")[1]


def test_entries_about_nobody_are_said(workers: Workers) -> None:
    """They do not keep the others from being in force."""
    workers.put("subjects:\n  - {issuer: otka, subject: bob}\n  - {issuer: okta, subject: alice}\n")
    for worker in workers.each:
        problems = worker.wait_for("key_source_problems", kind="revocations")["problems"]
        assert [text.partition("revocations.yaml")[2] for text in problems] == [
            ":3: the policy has no issuer `otka`: the entry blocks nobody"
        ]
        assert (outcome(by_token(worker)), outcome(by_token(worker, "bob"))) == ("revoked", "granted")


@pytest.mark.parametrize("damage", ["missing", "broken"])
def test_without_its_revocations_a_worker_lets_nobody_in(tmp_path: Path, pki: Pki, damage: str) -> None:
    """A server that has never read the file does not know who is blocked; it begins when it can."""
    policy = write(tmp_path, pki)
    file = tmp_path / "revocations.yaml"
    if damage == "missing":
        file.unlink()
    else:
        file.write_text("nonsense")
    with Scopegate(policy) as worker:
        worker.wait_for("policy_loaded")
        answer = by_token(worker)
        assert (answer.reason, answer.status) == ("not_ready", 503)
        status, text = worker.get("/readyz")
        assert status == 503
        assert any(f"the file of `revocations`: {file}" in line for line in json.loads(text)["missing"])
        assert worker.health() == "NOT_SERVING"
        revoke(tmp_path, "subjects:\n  - {issuer: okta, subject: alice}\n")
        worker.wait_for("ready")
        assert (outcome(by_token(worker)), outcome(by_token(worker, "bob"))) == ("revoked", "granted")


def test_a_policy_that_names_a_missing_file_is_refused(tmp_path: Path, pki: Pki) -> None:
    """Where a good one is in force."""
    policy = write(tmp_path, pki, revocations=None)
    with Scopegate(policy) as worker:
        worker.wait_for("ready")
        replace(policy, POLICY.format(more="", revocations=REVOCATIONS))
        worker.wait_for("policy_refused")
        assert "revocations.yaml: does not exist" in worker.wait_for("policy_problem")["problem"]
        assert by_token(worker).allowed
        revoke(tmp_path, "subjects:\n  - {issuer: okta, subject: alice}\n")
        worker.wait_for("policy_reloaded")
        assert outcome(by_token(worker)) == "revoked"


def test_a_config_map_of_revocations_is_noticed(tmp_path: Path, pki: Pki) -> None:
    """kubelet swaps a link above the file."""
    mount = tmp_path / "mount"
    for name, entries in (("..1", ""), ("..2", "subjects:\n  - {issuer: okta, subject: alice}\n")):
        (mount / name).mkdir(parents=True)
        revoke(mount / name, entries)
    (mount / "..data").symlink_to("..1")
    (mount / "revocations.yaml").symlink_to("..data/revocations.yaml")
    policy = write(tmp_path, pki, revocations=None)
    replace(policy, policy.read_text() + "revocations: {file: mount/revocations.yaml}\n")
    with Scopegate(policy) as worker:
        worker.wait_for("ready")
        assert by_token(worker).allowed
        (mount / "..data_tmp").symlink_to("..2")
        os.replace(mount / "..data_tmp", mount / "..data")  # noqa: PTH105 - as kubelet does it
        worker.wait_for("revocations_changed")
        assert outcome(by_token(worker)) == "revoked"


def test_a_new_revocation_list_is_in_force_at_once(tmp_path: Path, pki: Pki) -> None:
    """PEM, then DER; a bad one keeps the old one; what was remembered is refused, and the neighbour is not."""
    leaf, neighbour = pki.leaf(), pki.leaf()
    crl = tmp_path / "below.crl"
    crl.write_bytes(pki.crl())
    policy = write(tmp_path, pki, more=", crls: [below.crl]")
    with Scopegate(policy) as worker:
        worker.wait_for("ready")
        assert (outcome(by_certificate(worker, leaf)), outcome(by_certificate(worker, neighbour))) == (
            "granted",
            "granted",
        )
        replace(crl, pki.crl(leaf, number=2))
        worker.wait_for("keys_changed", count=1)
        denied = by_certificate(worker, leaf)
        assert (denied.reason, denied.status) == ("certificate_revoked", 401)
        assert by_certificate(worker, neighbour).allowed

        replace(crl, crl_pem(make_authority("Other").crl()))
        said = worker.wait_for("key_source_failed", kind="trust_bundle", name="extracts")["error"]
        assert "not signed by an authority of this trust" in said
        assert outcome(by_certificate(worker, leaf)) == "certificate_revoked"

        replace(crl, crl_der(pki.below.crl(this_update=now() - 5, next_update=now() + 600, number=3)))
        worker.wait_for("keys_changed", count=2)
        assert by_certificate(worker, leaf).allowed
        metrics = worker.get("/metrics")[1]
        assert 'scopegate_revocation_list_due_timestamp_seconds{name="extracts"}' in metrics


def test_a_list_that_gets_stale_stops_its_clients(tmp_path: Path, pki: Pki) -> None:
    """Without anybody touching a file; people with tokens go on."""
    leaf = pki.leaf()
    (tmp_path / "below.crl").write_bytes(pki.crl())
    with Scopegate(write(tmp_path, pki, more=", crls: [below.crl]")) as worker:
        worker.wait_for("ready")
        # Only now: a server may take longer to start than such a list lives.
        replace(tmp_path / "below.crl", pki.crl(number=2, seconds=6))
        worker.wait_for("keys_changed")
        assert by_certificate(worker, leaf).allowed
        eventually(lambda: not by_certificate(worker, leaf).allowed)
        denied = by_certificate(worker, leaf)
        assert (denied.reason, denied.status) == ("certificate_revocation_unknown", 503)
        assert by_token(worker).allowed
        (source,) = [
            source
            for source in json.loads(worker.get("/readyz")[1])["sources"]
            if source["kind"] == "trust_bundle"
        ]
        assert any("stale revocation list" in problem for problem in source["problems"])
        replace(tmp_path / "below.crl", pki.crl(number=3))
        worker.wait_for("keys_changed", count=2)
        assert by_certificate(worker, leaf).allowed


@contextmanager
def asking(worker: Scopegate, leaf: Leaf) -> Iterator[list[str]]:
    """Requests all the while, and what came of each."""
    outcomes: list[str] = []
    ended = Event()

    def work() -> None:
        while not ended.is_set():
            outcomes.append(outcome(by_certificate(worker, leaf)))

    thread = Thread(target=work)
    thread.start()
    try:
        yield outcomes
        asked = len(outcomes)
        eventually(lambda: len(outcomes) > asked + 20)
    finally:
        ended.set()
        thread.join()


def test_the_roots_rotate_as_a_spiffe_bundle(tmp_path: Path, pki: Pki) -> None:
    """The old root, both, the new one alone: by replacing one file, without a restart."""
    other = Pki()
    old, new = pki.leaf(authority=pki.root), other.leaf(authority=other.root)
    policy = write(tmp_path, pki)
    roots = tmp_path / "roots.pem"
    roots.write_bytes(spiffe_bundle(svid_key(pki.root)))
    with Scopegate(policy) as worker:
        worker.wait_for("ready")
        assert [outcome(by_certificate(worker, leaf)) for leaf in (old, new)] == [
            "granted",
            "certificate_untrusted",
        ]
        with asking(worker, old) as outcomes:
            replace(roots, spiffe_bundle(svid_key(pki.root), svid_key(other.root), spiffe_sequence=2))
            worker.wait_for("keys_changed", count=1)
        assert set(outcomes) == {"granted"}
        assert [outcome(by_certificate(worker, leaf)) for leaf in (old, new)] == ["granted", "granted"]
        with asking(worker, new) as outcomes:
            replace(roots, spiffe_bundle(svid_key(other.root), spiffe_sequence=3))
            worker.wait_for("keys_changed", count=2)
        assert set(outcomes) == {"granted"}
        assert [outcome(by_certificate(worker, leaf)) for leaf in (old, new)] == [
            "certificate_untrusted",
            "granted",
        ]
