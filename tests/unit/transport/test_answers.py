"""Writing Envoy's answer: explicit verdicts, overwriting headers, problem documents that leak nothing."""

import json

import envoy_data_plane.envoy.service.auth.v3 as peer_auth
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st

from authz._pb.envoy.config.core.v3.base_pb2 import HeaderValueOption
from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from authz.check import Outcome
from authz.errors import Reason
from authz.rendering.rewrites import Rewrites
from authz.transport.answers import AnswerWriter
from authz.transport.status import STATUS
from tests.unit.transport.outcomes import EMMA, NOTHING_MORE, allowed, denied, rewrites

ID = b"0123456789abcdef0123456789abcdef"
DENIALS = sorted(set(Reason) - {Reason.GRANTED})


def _writer(public_url: str | None = None) -> AnswerWriter:
    return AnswerWriter(policy_version="v1", public_url=public_url)


def _denial(reason: Reason, public_url: str | None = None) -> CheckResponse:
    return CheckResponse.FromString(ID.join(_writer(public_url).prepare_outcome(denied(reason))))


def _allow(constant: Rewrites | None = None, extra: Rewrites = NOTHING_MORE) -> CheckResponse:
    return CheckResponse.FromString(ID.join(_writer().prepare_outcome(allowed(constant, extra))))


def _headers(options: "list[HeaderValueOption]") -> dict[str, str]:
    return {option.header.key: option.header.value for option in options}


@pytest.mark.parametrize("reason", DENIALS)
def test_a_denial_carries_an_explicit_status_and_a_client_error(reason: Reason) -> None:
    """Envoy allows on a zero or absent status and answers 200 if told so: neither occurs for any reason."""
    answer = _denial(reason)
    assert answer.HasField("status")
    assert answer.status.code == STATUS[reason].grpc != 0
    assert answer.WhichOneof("http_response") == "denied_response"
    assert answer.denied_response.status.code == STATUS[reason].http >= 400


@pytest.mark.parametrize("reason", DENIALS)
def test_a_denial_is_a_problem_document(reason: Reason) -> None:
    """RFC 9457: the body says type, title, status, reason and decision id, and nothing else."""
    denial = _denial(reason).denied_response
    assert json.loads(denial.body) == {
        "type": f"urn:scopegate:reason:{reason.value}",
        "title": STATUS[reason].title,
        "status": STATUS[reason].http,
        "reason": reason.value,
        "decision_id": ID.decode(),
    }
    headers = _headers(denial.headers)
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-scope-decision-id"] == ID.decode()


@pytest.mark.parametrize("reason", DENIALS)
def test_a_challenge_comes_with_401_only(reason: Reason) -> None:
    """RFC 9110 section 15.5.2: a 401 carries `WWW-Authenticate`; nothing else does."""
    headers = _headers(_denial(reason).denied_response.headers)
    assert ("www-authenticate" in headers) == (STATUS[reason].http == 401)


def test_no_error_code_where_no_credential_was_sent() -> None:
    """RFC 6750 section 3.1: a client that did not know better is told the scheme only."""
    headers = _headers(_denial(Reason.CREDENTIAL_MISSING).denied_response.headers)
    assert headers["www-authenticate"] == 'Bearer realm="scopegate"'


def test_a_bad_token_is_named_as_such() -> None:
    """RFC 6750 section 3.1: `invalid_token`, with a description that is fixed for the reason."""
    headers = _headers(_denial(Reason.TOKEN_EXPIRED).denied_response.headers)
    assert headers["www-authenticate"] == (
        'Bearer realm="scopegate", error="invalid_token", error_description="The token has expired"'
    )


def test_a_missing_certificate_is_no_invalid_token() -> None:
    """The token was not the problem."""
    headers = _headers(_denial(Reason.CERTIFICATE_MISSING).denied_response.headers)
    assert headers["www-authenticate"] == 'Bearer realm="scopegate"'


@pytest.mark.parametrize(
    ("public_url", "metadata"),
    [
        ("https://bi.example", "https://bi.example/.well-known/oauth-protected-resource"),
        ("https://bi.example/", "https://bi.example/.well-known/oauth-protected-resource"),
        ("https://bi.example:8443/a", "https://bi.example:8443/.well-known/oauth-protected-resource/a"),
    ],
)
def test_a_public_url_names_the_resource_metadata(public_url: str, metadata: str) -> None:
    """RFC 9728 section 3.1: the well-known part stands between host and path."""
    headers = _headers(_denial(Reason.CREDENTIAL_MISSING, public_url).denied_response.headers)
    assert headers["www-authenticate"] == f'Bearer realm="scopegate", resource_metadata="{metadata}"'


def test_a_warehouse_that_takes_basic_asks_for_it_first() -> None:
    """RFC 7617 section 2.1: drivers that send a password wait to be asked; other warehouses never ask for one."""
    writer = AnswerWriter(policy_version="v1", public_url=None, basic=["sales"])

    def asked(warehouse: str | None) -> str:
        answer = CheckResponse.FromString(
            writer.serialize_denial(Reason.CREDENTIAL_MISSING, ID, warehouse=warehouse)
        )
        return _headers(answer.denied_response.headers)["www-authenticate"]

    assert asked("ledger") == asked(None) == 'Bearer realm="scopegate"'
    assert asked("sales") == 'Basic realm="scopegate", charset="UTF-8", Bearer realm="scopegate"'


@pytest.mark.parametrize("reason", DENIALS)
def test_the_operators_detail_never_leaves(reason: Reason) -> None:
    """What is for the log stays out of every part of the answer."""
    assert b"operator" not in ID.join(_writer().prepare_outcome(denied(reason, principal=EMMA)))
    assert b"emma" not in ID.join(_writer().prepare_outcome(denied(reason, principal=EMMA)))


def test_a_denial_tells_the_proxy_why() -> None:
    """Dynamic metadata for Envoy's access log: the reason, not the person."""
    assert MessageToDict(_denial(Reason.NO_GRANT).dynamic_metadata) == {
        "decision_id": ID.decode(),
        "reason": "no_grant",
        "warehouse": "sales",
        "policy_version": "v1",
    }


def test_a_grant_is_never_serialized_as_a_denial() -> None:
    """A denial with reason `granted` would carry status 0; asking for one is a defect."""
    with pytest.raises(ValueError, match="no denial"):
        _writer().serialize_denial(Reason.GRANTED, ID)


def test_an_allow_without_rewrites_is_a_defect() -> None:
    """An answer that lets a request through without its scope must not exist."""
    outcome = allowed()
    object.__setattr__(outcome, "rewrites", None)
    with pytest.raises(ValueError, match="without principal or rewrites"):
        ID.join(_writer().prepare_outcome(outcome))


@pytest.mark.parametrize(
    ("constant", "extra"),
    [
        (rewrites(remove_headers=("X-Scope-Region",)), NOTHING_MORE),
        (rewrites(), rewrites(set_headers=(), remove_headers=("x-scope-id",))),
        (rewrites(remove_headers=("x-late",)), rewrites(set_headers=(("x-late", "1"),), remove_headers=())),
        (rewrites(set_query=(("a", "1"),), remove_query=("a",)), NOTHING_MORE),
        (rewrites(remove_query=("a",)), rewrites(set_headers=(), remove_headers=(), set_query=(("a", "1"),))),
    ],
)
def test_a_name_that_is_set_and_removed_is_a_defect(constant: Rewrites, extra: Rewrites) -> None:
    """Envoy removes last, so the scope would be gone: such an answer is refused, not sent."""
    with pytest.raises(ValueError, match="both set and removed"):
        ID.join(_writer().prepare_outcome(allowed(constant, extra)))


def test_an_allow_sets_and_removes_what_the_rewrites_say() -> None:
    """Headers in `value` with the overwriting action, removals, the path and query parameters."""
    answer = _allow(
        rewrites(path="/api/sales", set_query=(("region", "EU"),), remove_query=("__x",)),
        rewrites(set_headers=(), remove_headers=("x-scope-spoof",), set_query=(("__scope", "ab12"),)),
    )
    assert answer.HasField("status")
    assert answer.status.code == 0
    ok = answer.ok_response
    assert _headers(ok.headers) == {"x-scope-region": "EU,UK", "x-scope-id": "ab12", ":path": "/api/sales"}
    for option in [*ok.headers, *ok.response_headers_to_add]:
        assert option.append_action == HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        assert not option.header.raw_value
        assert not option.HasField("append")
    assert list(ok.headers_to_remove) == ["authorization", "cookie", "x-scope-spoof"]
    assert [(p.key, p.value) for p in ok.query_parameters_to_set] == [("region", "EU"), ("__scope", "ab12")]
    assert list(ok.query_parameters_to_remove) == ["__x"]
    assert _headers(ok.response_headers_to_add) == {"x-scope-decision-id": ID.decode()}


def test_an_allow_tells_the_proxy_who_and_what() -> None:
    """Dynamic metadata for limits and the access log: pseudonym and scope id beside the decision."""
    answer = _allow(
        rewrites(metadata={"tier": "gold"}), rewrites(set_headers=(), metadata={"partition": "9f"})
    )
    assert MessageToDict(answer.dynamic_metadata) == {
        "decision_id": ID.decode(),
        "reason": "granted",
        "warehouse": "sales",
        "policy_version": "v1",
        "principal": EMMA.key,
        "scope_id": "5c0e" * 8,
        "tier": "gold",
        "partition": "9f",
    }


def test_a_prepared_answer_carries_the_new_id_only() -> None:
    """The part that is kept between requests holds no decision id of an earlier one."""
    writer, outcome, other = _writer(), allowed(), b"f" * 32
    first, second = (i.join(writer.prepare_outcome(outcome)) for i in (ID, other))
    assert ID not in second
    assert second == first.replace(ID, other)
    first, second = (writer.serialize_denial(Reason.NO_GRANT, i) for i in (ID, other))
    assert second == first.replace(ID, other)


def test_answers_for_one_request_are_not_kept() -> None:
    """A decision that read the request is made anew each time: keeping its answer would only fill the memory."""
    writer = _writer()
    ID.join(writer.prepare_outcome(allowed(per_request=True)))
    assert not writer.allows


def test_extra_headers_of_a_request_are_set() -> None:
    """Headers that depend on the request go the same way as the constant ones."""
    answer = _allow(rewrites(), rewrites(set_headers=(("x-scope-time", "1"),), remove_headers=()))
    assert _headers(answer.ok_response.headers)["x-scope-time"] == "1"


@pytest.mark.parametrize("outcome", [denied(), allowed()])
def test_the_independent_implementation_reads_the_same(outcome: Outcome) -> None:
    """envoy-data-plane's classes see one status, one response and the same strings."""
    data = ID.join(_writer("https://bi.example").prepare_outcome(outcome))
    theirs = peer_auth.CheckResponse.parse(data)
    ours = CheckResponse.FromString(data)
    assert theirs.status is not None
    assert theirs.status.code == ours.status.code
    assert (theirs.denied_response is None) == (ours.WhichOneof("http_response") == "ok_response")
    assert CheckResponse.FromString(bytes(theirs)) == ours


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)


@settings(max_examples=100)
@given(
    headers=st.dictionaries(TOKEN, st.text(max_size=40), max_size=4),
    queries=st.dictionaries(TOKEN, TOKEN, max_size=3),
    removed=st.sets(TOKEN, max_size=3),
    where=st.sampled_from(["kept", "appended"]),
)
def test_concatenated_parts_are_one_message(
    headers: dict[str, str], queries: dict[str, str], removed: set[str], where: str
) -> None:
    """Whatever is rewritten, in the kept part or the appended one, is read back exactly once and in order."""
    part = rewrites(
        set_headers=tuple(headers.items()),
        remove_headers=tuple(sorted(removed - set(headers))),
        set_query=tuple(queries.items()),
    )
    empty = rewrites(set_headers=(), remove_headers=())
    answer = _allow(empty, part) if where == "appended" else _allow(part, empty)
    ok = answer.ok_response
    assert [(o.header.key, o.header.value) for o in ok.headers] == list(headers.items())
    assert [(p.key, p.value) for p in ok.query_parameters_to_set] == list(queries.items())
    assert list(ok.headers_to_remove) == sorted(removed - set(headers))
    assert answer.status.code == 0
