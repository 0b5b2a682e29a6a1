"""Whose a Trino query is: tags that only their owner's principal can use, and what is no first answer."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.rendering.polls import (
    MAX_FIRST_ANSWER_BYTES,
    FirstAnswerError,
    QueryOwner,
    bind_first_answer,
    is_owned_by,
    parse_poll,
)
from authz.signing.keys import SigningKeys, signing_keys
from tests.signingkeys import ec_signing_key, one_key, rsa_pem

QUERY = "20261123_080910_00012_ab3de"
OTHER = "20261123_080910_00013_ab3de"
SLUG = "x" + "0123456789" * 4
OWNER = QueryOwner("lake", "a" * 32)
KEYS = one_key()


def first_answer(**changes: Any) -> bytes:
    made = {
        "id": QUERY,
        "infoUri": f"https://edge.example/ui/query.html?{QUERY}",
        "nextUri": f"https://edge.example/v1/statement/queued/{QUERY}/{SLUG}/1",
        "stats": {"state": "QUEUED"},
        "warnings": [],
    }
    return json.dumps({**made, **changes}).encode()


def bound(owner: QueryOwner = OWNER, keys: SigningKeys = KEYS, **changes: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(bind_first_answer(first_answer(**changes), owner, keys))
    return answer


def path_of(answer: dict[str, Any], name: str = "nextUri") -> str:
    address: str = answer[name]
    return address.removeprefix("https://edge.example")


def test_the_owner_may_poll_under_the_bound_address() -> None:
    """Origin and the rest of the path are Trino's."""
    path = path_of(bound())
    assert path.endswith(f"/v1/statement/queued/{QUERY}/{SLUG}/1")
    poll = parse_poll(path)
    assert poll is not None
    assert is_owned_by(OWNER, poll, KEYS)


@pytest.mark.parametrize(
    "thief",
    [
        QueryOwner("lake", "b" * 32),
        QueryOwner("lake2", "a" * 32),
        QueryOwner("lake", "a" * 31),
        QueryOwner('lake","a', "a" * 31),
    ],
)
def test_nobody_else_may(thief: QueryOwner) -> None:
    """Neither another person, nor the same one at another warehouse."""
    poll = parse_poll(path_of(bound()))
    assert poll is not None
    assert not is_owned_by(thief, poll, KEYS)


def test_the_tag_of_one_query_opens_no_other() -> None:
    """Not even the owner's own."""
    tagged = path_of(bound())
    poll = parse_poll(tagged.replace(QUERY, OTHER))
    assert poll is not None
    assert not is_owned_by(OWNER, poll, KEYS)


def test_a_query_outlives_the_change_of_a_key_and_not_its_end() -> None:
    """Published keys verify; the one that signs makes new tags."""
    old, new = ec_signing_key("old"), ec_signing_key("new")
    before = signing_keys([old], old)
    poll = parse_poll(path_of(bound(keys=before)))
    assert poll is not None
    assert is_owned_by(OWNER, poll, signing_keys([new, old], new))
    assert not is_owned_by(OWNER, poll, signing_keys([new], new))


def test_equal_keys_make_equal_tags_on_every_worker() -> None:
    """Parsed from the same file; an RSA key's are others."""
    assert bound(keys=one_key()) == bound(keys=one_key())
    assert bound(keys=one_key(rsa_pem())) != bound()


TAG = "A" * 24


@pytest.mark.parametrize(
    "path",
    [
        f"/~{TAG}/v1/statement/queued/{QUERY}/{SLUG}/1",
        f"/~{TAG}/v1/statement/executing/{QUERY}/{SLUG}/123456789012",
        f"/~{TAG}/v1/statement/executing/partialCancel/{QUERY}/0/{SLUG}/1",
        f"/~{TAG}/v1/statement/executing/partialCancel/{QUERY}/123456789/y{SLUG[1:]}/1",
    ],
)
def test_a_poll_is_known_by_its_whole_path(path: str) -> None:
    """The id stands in two places."""
    poll = parse_poll(path)
    assert poll is not None
    assert (poll.tag, poll.query) == (TAG, QUERY)


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/statement/queued/{QUERY}/{SLUG}/1",
        f"/~{TAG}/~{TAG}/v1/statement/queued/{QUERY}/{SLUG}/1",
        f"/~{TAG}A/v1/statement/queued/{QUERY}/{SLUG}/1",
        f"/~{TAG[1:]}/v1/statement/queued/{QUERY}/{SLUG}/1",
        f"/~{TAG[1:]}=/v1/statement/queued/{QUERY}/{SLUG}/1",
        f"/~{TAG}/v1/statement/queued/{QUERY}/{SLUG}/1/",
        f"/~{TAG}/v1/statement/queued/{QUERY}/{SLUG}/1\n",
        f"/~{TAG}/v1/statement/queued/{QUERY}/{SLUG}/1/../2",
        f"/~{TAG}/v1/statement/queued/{QUERY.upper()}/{SLUG}/1",
        f"/~{TAG}/v1/statement/queued/{QUERY}/{SLUG}/one",
        f"/~{TAG}/v1/statement/queued/{QUERY}/z{SLUG[1:]}/1",
        f"/~{TAG}/v1/statement/queued/{QUERY}/{SLUG}/\u0661",
        f"/~{TAG}/v1/statement/running/{QUERY}/{SLUG}/1",
        f"/~{TAG}/v1/statement/partialCancel/{QUERY}/0/{SLUG}/1",
        f"/~{TAG}/v1/statement/executing/partialCancel/{QUERY}/{SLUG}/1",
        f"/~{TAG}/V1/statement/queued/{QUERY}/{SLUG}/1",
        f"/~{TAG}/v1/query/{QUERY}",
        f"/~{TAG}/v1/spooled/download/{QUERY}",
        f"/~{TAG}/v1/statement",
        "/",
        "",
    ],
)
def test_what_is_nearly_a_poll_is_none(path: str) -> None:
    """What the grammar does not know, Trino might."""
    assert parse_poll(path) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"id": OTHER},
        {"id": None},
        {"id": QUERY + "\n"},
        {"id": 7},
        {"data": [[1]]},
        {"data": []},
        {"nextUri": f"https://edge.example/v1/statement/queued/{OTHER}/{SLUG}/1"},
        {"nextUri": f"https://edge.example/v1/statement/executing/{QUERY}/{SLUG}/1"},
        {"nextUri": f"/v1/statement/queued/{QUERY}/{SLUG}/1"},
        {"nextUri": f"ftp://edge.example/v1/statement/queued/{QUERY}/{SLUG}/1"},
        {"nextUri": f"https://edge.example /v1/statement/queued/{QUERY}/{SLUG}/1"},
        {"nextUri": 7},
        {"partialCancelUri": f"https://edge.example/v1/statement/executing/partialCancel/{OTHER}/0/{SLUG}/1"},
        {"infoUri": "edge.example"},
        {"warnings": ["x" * MAX_FIRST_ANSWER_BYTES]},
    ],
)
def test_what_is_no_first_answer_is_not_bound(changes: dict[str, Any]) -> None:
    """Rows, other queries, addresses that are none: it does not leave."""
    with pytest.raises(FirstAnswerError):
        bind_first_answer(first_answer(**changes), OWNER, KEYS)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id": 1, "id": 2}', b"\xff\xfe", b"null"])
def test_what_is_no_object_is_not_bound(body: bytes) -> None:
    """Two parsers could read two answers in it."""
    with pytest.raises(FirstAnswerError):
        bind_first_answer(body, OWNER, KEYS)


def test_a_query_that_failed_at_once_has_nothing_to_bind() -> None:
    """It has no further address."""
    answer = json.loads(first_answer(error={"message": "m"}))
    del answer["nextUri"]
    kept = json.loads(bind_first_answer(json.dumps(answer).encode(), OWNER, KEYS))
    assert kept["error"] == {"message": "m"}
    assert "nextUri" not in kept


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300)
    | st.builds(
        lambda a, b: first_answer().replace(a, b), st.binary(min_size=1, max_size=3), st.binary(max_size=3)
    )
)
def test_hostile_answers_are_bound_to_the_owner_or_refused(body: bytes) -> None:
    """Nothing leaves that could be polled by somebody else."""
    try:
        answer = json.loads(bind_first_answer(body, OWNER, KEYS))
    except FirstAnswerError:
        return
    address = answer.get("nextUri")
    if address is not None:
        poll = parse_poll("/~" + address.partition("/~")[2])
        assert poll is None or is_owned_by(OWNER, poll, KEYS)


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=80)
    | st.from_regex(r"/~[A-Za-z0-9_-]{20,26}/v1/statement/(queued|executing)/[0-9a-z_/]{0,90}")
)
def test_hostile_paths_are_nobodys(path: str) -> None:
    """Without the key no tag is right."""
    poll = parse_poll(path)
    assert poll is None or not is_owned_by(OWNER, poll, KEYS)
