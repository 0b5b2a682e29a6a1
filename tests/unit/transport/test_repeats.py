"""A question that was asked before is answered from memory: as it would be if it had never been asked."""

from dataclasses import replace

import pytest

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from authz.errors import Doubt, Reason
from authz.identity.revocations import NOTHING_REVOKED, Blocked, Revocations
from authz.policy.decision import Deny
from authz.policy.parse import parse_policy
from authz.policy.yamlvalues import SourceText
from authz.transport.engine import Engine
from authz.transport.questions import MAX_BYTES, read_question
from tests.repeated import (
    KEY,
    POLICY,
    POLICY_SET,
    TRACE,
    Clock,
    RequestId,
    Seen,
    asked,
    engine_of,
    snapshot_of,
    token,
)
from tests.tokens import NOW, claims, mint

OTHER_ID = "00000000-ceea-467f-9e3c-3d2a8f1f0b11"
OTHER_TRACE = "00-ffffffffffffffffffffffffffffffff-00f067aa0ba902b7-00"


def _hits(engine: Engine) -> int:
    repeats = engine.serving.repeats
    return repeats.allows.hits + repeats.denials.hits


def _ask(engine: Engine, seen: Seen, question: CheckRequest) -> Reason:
    engine.decide(question.SerializeToString())
    return seen.occasions[-1].case.reason


def test_what_differs_each_time_is_no_other_question_and_is_recorded() -> None:
    """Request id, trace, stream and port; the record of each time has its own."""
    seen, clock = Seen(), Clock()
    engine = engine_of(seen, clock)
    bearer = token("emea")
    assert _ask(engine, seen, asked(bearer, trace=TRACE)) is Reason.GRANTED
    clock.now += 1
    again = asked(bearer, request_id=OTHER_ID, trace=OTHER_TRACE, stream="77", port=1)
    assert _ask(engine, seen, again) is Reason.GRANTED
    assert _hits(engine) == 1
    first, second = seen.occasions
    assert (first.request_id, first.traceparent, first.at) == (RequestId, TRACE, NOW)
    assert (second.request_id, second.traceparent, second.at) == (OTHER_ID, OTHER_TRACE, NOW + 1)
    assert (first.case.outcome.remembered, second.case.outcome.remembered) == (False, True)
    assert (second.case.method, second.case.host, second.case.path) == ("GET", "warehouse.example", "/api/x")


def test_a_client_that_comes_from_elsewhere_is_recorded_where_it_is() -> None:
    """Nothing that is granted here depends on the address."""
    seen = Seen()
    engine = engine_of(seen, Clock())
    bearer = token("emea")
    for address in ("192.0.2.7", "198.51.100.9"):
        assert _ask(engine, seen, asked(bearer, address=address)) is Reason.GRANTED
    assert _hits(engine) == 1
    assert [occasion.source_address for occasion in seen.occasions] == ["192.0.2.7", "198.51.100.9"]


@pytest.mark.parametrize(
    "other",
    [
        asked(token("emea", sub="bob")),
        asked(token("emea"), "/api/x?page=2"),
        asked(token("emea"), "/api/y?page=1"),
        asked(token("emea"), method="HEAD"),
        asked(token("emea"), warehouse="sales"),
        asked(token("emea"), headers={"x-more": "1"}),
        asked(token("emea"), headers={"x-request-id": "mine"}),
        asked(token("emea"), headers={"X-Request-Id": RequestId}),
    ],
)
def test_whatever_else_differs_makes_another_question(other: CheckRequest) -> None:
    """It is read and decided as if nothing had been asked before."""
    seen = Seen()
    engine = engine_of(seen, Clock())
    for question in (asked(token("emea")), other, other):
        _ask(engine, seen, question)
    repeated = _hits(engine)
    assert seen.occasions[0].case is not seen.occasions[1].case
    assert repeated == (0 if read_question(other.SerializeToString()) is None else _known(other))


def _known(question: CheckRequest) -> int:
    """Whether the codec reads the same of it as is cut out: once then, for it was asked twice."""
    names = [header.key.lower() for header in question.attributes.request.http.header_map.headers]
    return int(names.count("x-request-id") == 1)


def test_an_answer_ends_with_the_token_that_it_rests_on() -> None:
    """The neighbour, a moment before, is still let in."""
    seen, clock = Seen(), Clock()
    engine = engine_of(seen, clock)
    question = asked(token("emea", exp=int(NOW) + 60))
    assert _ask(engine, seen, question) is Reason.GRANTED
    clock.now = NOW + 59
    assert _ask(engine, seen, question) is Reason.GRANTED
    clock.now = NOW + 60 + 60  # with the leeway of an issuer's clock
    assert _ask(engine, seen, question) is Reason.TOKEN_EXPIRED
    assert _hits(engine) == 2


def test_an_answer_ends_with_its_grant() -> None:
    """To the second."""
    seen, clock = Seen(), Clock()
    engine = engine_of(seen, clock)
    question = asked(token("brief"))
    for clock.now, reason in (
        (NOW, Reason.GRANTED),
        (NOW + 99, Reason.GRANTED),
        (NOW + 100, Reason.NO_GRANT),
        (NOW + 101, Reason.NO_GRANT),
    ):
        assert _ask(engine, seen, question) is reason


def test_a_clock_that_is_set_back_asks_anew() -> None:
    """Before it was made an answer says nothing."""
    seen, clock = Seen(), Clock()
    engine = engine_of(seen, clock)
    question = asked(token("emea", nbf=int(NOW) - 10))
    assert _ask(engine, seen, question) is Reason.GRANTED
    clock.now = NOW - 3600
    assert _ask(engine, seen, question) is Reason.TOKEN_NOT_YET_VALID


def test_who_is_revoked_is_refused_at_once() -> None:
    """With the same memories around, as when the file of revocations changes; and let in again when that ends."""
    seen, clock = Seen(), Clock()
    engine = engine_of(seen, clock)
    mine, theirs = asked(token("emea", sub="alice")), asked(token("emea", sub="bob"))
    for question in (mine, theirs):
        assert _ask(engine, seen, question) is Reason.GRANTED
    snapshot = engine.serving.snapshot
    assert snapshot is not None
    blocked = Revocations(subjects={("okta", "alice"): Blocked(place="revocations.yaml:3", until=NOW + 100)})
    # Not as a server does it: the repeated questions are the ones from before.
    object.__setattr__(snapshot, "revocations", blocked)
    assert _ask(engine, seen, mine) is Reason.REVOKED
    assert _ask(engine, seen, theirs) is Reason.GRANTED
    clock.now = NOW + 100
    assert _ask(engine, seen, mine) is Reason.GRANTED
    object.__setattr__(snapshot, "revocations", None)
    assert _ask(engine, seen, mine) is Reason.NOT_READY


def test_whatever_is_exchanged_nothing_is_known_again() -> None:
    """The repeats belong to one policy, one set of keys, one writer of answers, by construction."""
    seen, clock = Seen(), Clock()
    engine = engine_of(seen, clock)
    question = asked(token("emea")).SerializeToString()
    engine.decide(question)
    before = engine.serving
    assert len(before.repeats.allows) == 1
    assert before.snapshot is not None
    for changed in (replace(before), replace(before, snapshot=replace(before.snapshot))):
        assert len(changed.repeats.allows) == 0
        assert changed.repeats.allows.maxsize == before.repeats.allows.maxsize


def test_a_token_that_may_be_used_once_is_used_once() -> None:
    """Its second use is no repetition but a theft."""
    text = POLICY.replace("jwks_file: jwks.json}", "jwks_file: jwks.json, preset: generic}")
    policy = parse_policy([SourceText("scopegate.yaml", text)])
    issuer = policy.issuers["okta"]
    once = replace(issuer, profile=replace(issuer.profile, single_use=True))
    policy = replace(policy, issuers={"okta": once})
    seen = Seen()
    engine = engine_of(seen, Clock(), snapshot_of(policy))
    question = asked(mint(claims(groups=["emea"], jti="t1"), KEY))
    assert _ask(engine, seen, question) is Reason.GRANTED
    assert _ask(engine, seen, question) is Reason.TOKEN_REPLAYED
    assert _hits(engine) == 0


def test_a_rule_that_reads_the_request_reads_each() -> None:
    """The address is not part of what is compared, so nothing that depends on it is remembered."""
    seen = Seen()
    engine = engine_of(seen, Clock())
    bearer = token("office")
    assert _ask(engine, seen, asked(bearer)) is Reason.GRANTED
    assert _ask(engine, seen, asked(bearer, address="198.51.100.9")) is Reason.NO_GRANT
    assert _hits(engine) == 0


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (asked(token("emea")[:-4] + "AAAA"), Reason.TOKEN_SIGNATURE_INVALID),
        (asked("x.y.z"), Reason.TOKEN_MALFORMED),
        (asked(token("emea"), "/elsewhere"), Reason.ROUTE_UNKNOWN),
        (asked(token("nobody")), Reason.NO_GRANT),
        (asked(token("emea", exp=int(NOW) - 3600)), Reason.TOKEN_EXPIRED),
    ],
)
def test_a_flood_of_one_bad_question_is_known_and_pushes_nothing_good_out(
    question: CheckRequest, reason: Reason
) -> None:
    """Denials have a memory of their own."""
    seen = Seen()
    engine = engine_of(seen, Clock())
    for _ in range(3):
        assert _ask(engine, seen, question) is reason
    repeats = engine.serving.repeats
    assert (repeats.denials.hits, len(repeats.denials), len(repeats.allows)) == (2, 1, 0)


def test_an_unknown_key_may_come_and_its_denial_is_not_kept() -> None:
    """A rotation brings it."""
    seen = Seen()
    engine = engine_of(seen, Clock())
    question = asked(mint(claims(groups=["emea"]), KEY, kid="new"))
    for _ in range(2):
        assert _ask(engine, seen, question) is Reason.TOKEN_KEY_UNKNOWN
    assert _hits(engine) == 0


@pytest.mark.parametrize(("name", "digits"), [("x-request-id", OTHER_ID), ("traceparent", OTHER_TRACE)])
def test_a_body_that_looks_like_a_header_is_none(name: str, digits: str) -> None:
    """It stands before them; who knew which id Envoy will give could have as many digits taken out of a statement."""
    bearer = token("emea")
    likeness = CheckRequest()
    digests = set()
    for value in (digits, digits.replace("0", "1")):
        del likeness.attributes.request.http.header_map.headers[:]
        likeness.attributes.request.http.header_map.headers.add(key=name, raw_value=value.encode())
        question = asked(bearer, "/stock/x", method="POST", trace=TRACE)
        question.attributes.request.http.raw_body = likeness.SerializeToString()
        found = read_question(question.SerializeToString())
        assert found is not None
        digests.add(found[0])
    assert len(digests) == 2


@pytest.mark.parametrize("length", [b"\x00", b"\x24", b"\x7f", b"\xff\x03", b"\xff\x06", b"\xff\x7f"])
def test_a_body_that_looks_like_a_credential_takes_nothing_out(length: bytes) -> None:
    """Whatever length it tells, over the headers behind it: each byte of those counts, but the digits."""
    question = asked(token("emea"), "/stock/x", method="POST", trace=TRACE)
    question.attributes.request.http.raw_body = b"\n\rauthorization\x1a" + length
    data = question.SerializeToString()
    known = read_question(data)
    assert known is not None
    digits = [data.rindex(each.encode()) + at for each in (RequestId, TRACE) for at in range(len(each))]
    for at in sorted({*range(data.index(b"\n\rauthorization\x1a"), len(data))} - {*digits}):
        changed = read_question(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert changed is None or changed[0] != known[0]


def test_a_body_is_part_of_the_question() -> None:
    """Two bodies are two questions; the same is one."""
    bearer = token("emea")
    first, second = (asked(bearer, "/stock/x", method="POST") for _ in range(2))
    first.attributes.request.http.raw_body, second.attributes.request.http.raw_body = b"a", b"b"
    digests = [read_question(each.SerializeToString()) for each in (first, second, first)]
    assert all(digest is not None for digest in digests)
    assert len({digest and digest[0] for digest in digests}) == 2


@pytest.mark.parametrize("data", [b"", b"\x0a", b"\x0a\x00", b"\xff" * 40, b"\x0a\x7f" * 30, bytes(3)])
def test_what_is_no_question_is_left_to_the_codec(data: bytes) -> None:
    """Nothing is raised for it."""
    assert read_question(data) is None


def test_a_long_question_is_left_to_the_codec() -> None:
    """What a digest costs would be the client's to choose."""
    short, long = (asked(token("emea"), headers={"x-long": "x" * size}) for size in (8_000, MAX_BYTES))
    assert read_question(short.SerializeToString()) is not None
    assert read_question(long.SerializeToString()) is None


def test_a_cut_at_any_place_is_left_to_the_codec() -> None:
    """Whatever is not whole is no question."""
    data = asked(token("emea"), trace=TRACE).SerializeToString()
    assert read_question(data) is not None
    assert all(read_question(data[:end]) is None for end in range(len(data)))


def test_the_policy_of_these_tests_is_what_they_say() -> None:
    """`brief` ends a hundred seconds after the tests' present."""
    (brief,) = (grant for grant in POLICY_SET.grants if grant.id == "brief")
    assert brief.valid_until == NOW + 100
    assert NOTHING_REVOKED.size == 0


class Asking:
    """A settler that counts what it is asked; `helps` says whether it could settle anything."""

    def __init__(self) -> None:
        self.helps = True
        self.asked = 0

    def can_settle(self, _: Doubt) -> bool:
        return self.helps

    async def settle(self, _: Doubt) -> str | None:
        self.asked += 1
        return "the issuer does not answer"


async def test_a_doubt_is_settled_each_time_that_it_can_be() -> None:
    """The keys of a rotation let the same token in; what an issuer says of its trouble is not kept."""
    seen, settler = Seen(), Asking()
    engine = engine_of(seen, Clock())
    engine.serving = replace(engine.serving, settler=settler)
    bad = asked(token("emea")[:-4] + "AAAA").SerializeToString()
    details = []
    for settler.helps in (True, False, False, True):
        await engine.settle(bad)
        decision = seen.occasions[-1].case.outcome.decision
        assert isinstance(decision, Deny)
        details.append("does not answer" in decision.detail)
    assert details == [True, False, False, True]
    assert settler.asked == 2
    assert len(engine.serving.repeats.denials) == 1
