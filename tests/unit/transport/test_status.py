"""The table of statuses: total, and never an allow by accident."""

import pytest

from authz.errors import Reason
from authz.transport.status import STATUS

DENIALS = sorted(set(Reason) - {Reason.GRANTED})


def test_every_reason_has_a_status() -> None:
    """A new reason without a row would be a crash in the answer; the table is total."""
    assert set(STATUS) == set(Reason)


@pytest.mark.parametrize("reason", DENIALS)
def test_a_denial_is_never_a_success(reason: Reason) -> None:
    """Envoy allows on gRPC code 0 and answers 200 with a denial's body on HTTP 200: both are ruled out."""
    assert STATUS[reason].grpc in range(1, 17)
    assert STATUS[reason].http in range(400, 600)


def test_a_grant_is_the_only_success() -> None:
    """Only `granted` carries gRPC code 0."""
    assert [reason for reason, status in STATUS.items() if status.grpc == 0] == [Reason.GRANTED]


@pytest.mark.parametrize("reason", Reason)
def test_titles_are_plain_words(reason: Reason) -> None:
    """Titles stand in a header and a JSON body as they are: printable ASCII without quotes or backslashes."""
    title = STATUS[reason].title
    assert title.isascii()
    assert title.isprintable()
    assert not set(title) & set('"\\')


@pytest.mark.parametrize(
    ("reason", "http"),
    [
        (Reason.CREDENTIAL_MISSING, 401),
        (Reason.TOKEN_EXPIRED, 401),
        (Reason.NO_GRANT, 403),
        (Reason.REQUEST_MALFORMED, 400),
        (Reason.REQUEST_TOO_LARGE, 413),
        (Reason.KEYS_UNAVAILABLE, 503),
        (Reason.INTERNAL_ERROR, 503),
    ],
)
def test_the_classes_of_denial_are_told_apart(reason: Reason, http: int) -> None:
    """401, 403, 400, 413 and 503 mean different things to a client."""
    assert STATUS[reason].http == http
