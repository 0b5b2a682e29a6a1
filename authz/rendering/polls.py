"""Whose a Trino query is: a keyed tag in the path under which its answers are fetched.

To Trino, whoever has a `nextUri` may read on, also without a token, and no option changes that. So the first answer's
addresses get a prefix that only Scopegate can compute, over warehouse, principal and query; each fetch is checked
against its own principal's tag, and Trino carries the prefix on (`X-Forwarded-Prefix`). Nothing is kept anywhere:
every worker that has the same keys computes the same tags.

Trino's client protocol: https://trino.io/docs/current/develop/client-protocol.html
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from authz.identity.strictjson import StrictJsonError, parse_object
from authz.scopes.datascope import canonical_json
from authz.signing.keys import SigningKeys

MAX_FIRST_ANSWER_BYTES: Final = 64 * 1024
"""A first answer is about 730 bytes."""

_QUERY: Final = r"[0-9]{8}_[0-9]{6}_[0-9]{5}_[a-z0-9]{5}"
_QUERY_ID: Final = re.compile(_QUERY + r"\Z", re.ASCII)
# The id stands in two places: partialCancel has it one segment further on.
_POLL: Final = re.compile(
    r"/~(?P<tag>[A-Za-z0-9_-]{24})/v1/statement/"
    rf"(?:(?:queued|executing)/(?P<query>{_QUERY})|executing/partialCancel/(?P<partial>{_QUERY})/[0-9]{{1,9}})"
    r"/[xy][0-9a-f]{40}/[0-9]{1,12}\Z",
    re.ASCII,
)
_ADDRESS: Final = re.compile(r"(https?://[^/?#\s]+)(/[!-~]*)\Z")
_ADDRESSES: Final = ("nextUri", "partialCancelUri", "infoUri")
_CONTEXT: Final = b"scopegate-trino-poll-v1\0"


class FirstAnswerError(ValueError):
    """An answer that cannot be bound to anybody. The message quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Poll:
    """A path under which the answers of a query are fetched, or its end is asked for."""

    tag: str
    query: str


@dataclass(frozen=True, slots=True)
class QueryOwner:
    """Who asked, where: the name of the warehouse, and `Principal.key`."""

    warehouse: str
    principal: str


def parse_poll(path: str) -> Poll | None:
    """The poll that a path is, or None."""
    found = _POLL.match(path)
    return None if found is None else Poll(found["tag"], found["query"] or found["partial"])


def is_owned_by(owner: QueryOwner, poll: Poll, keys: SigningKeys) -> bool:
    """Whether the tag is the owner's, by any of the published keys: a query outlives the change of a key.

    Takes the same time for every tag.
    """
    tags = [_tag(owner, poll.query, key.secret) for key in keys.published]
    return any([hmac.compare_digest(tag, poll.tag) for tag in tags])  # noqa: C419 - all of them, always


def bind_first_answer(body: bytes, owner: QueryOwner, keys: SigningKeys) -> bytes:
    """Trino's answer to a statement, with its addresses bound to the owner.

    Raises `FirstAnswerError` for whatever is no first answer: one with rows in it, one whose id and addresses
    disagree, one that is longer than any.
    """
    if len(body) > MAX_FIRST_ANSWER_BYTES:
        raise FirstAnswerError(f"{len(body)} bytes, at most {MAX_FIRST_ANSWER_BYTES} are a first answer")
    try:
        answer = parse_object(body)
    except StrictJsonError:
        raise FirstAnswerError("no JSON object that can be read in one way") from None
    query = answer.get("id")
    if not isinstance(query, str) or not _QUERY_ID.match(query):
        raise FirstAnswerError("no query id")
    if answer.get("data") is not None:
        raise FirstAnswerError("rows in a first answer")
    prefix = f"/~{_tag(owner, query, keys.signing.secret)}"
    bound = {
        name: _bound(name, answer[name], prefix, query) for name in _ADDRESSES if answer.get(name) is not None
    }
    return canonical_json({**answer, **bound}).encode("ascii")


def _bound(name: str, address: object, prefix: str, query: str) -> str:
    found = _ADDRESS.match(address) if isinstance(address, str) else None
    if found is None:
        raise FirstAnswerError(f"`{name}` is no address")
    origin, path = found.groups()
    if name != "infoUri" and f"/{query}/" not in path:
        # What is polled is the query that the tag is for, or the tag is worth nothing.
        raise FirstAnswerError(f"`{name}` is of another query")
    if name == "nextUri" and not path.startswith(f"/v1/statement/queued/{query}/"):
        raise FirstAnswerError("`nextUri` does not lead to the queue")
    return f"{origin}{prefix}{path}"


def _tag(owner: QueryOwner, query: str, secret: bytes) -> str:
    """24 characters of base64url: 144 bits, with none to spare that could be varied."""
    who = canonical_json([owner.warehouse, owner.principal]).encode("ascii")
    own_key = hmac.digest(secret, _CONTEXT + who, hashlib.sha256)
    return urlsafe_b64encode(hmac.digest(own_key, query.encode("ascii"), hashlib.sha256)[:18]).decode("ascii")
