"""Whatever a client sends where a token may stand is read as one token or denied; whatever a token says, too."""

import base64
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.errors import Denied, Reason
from authz.identity.accepts import BEARER, AcceptedCredentials, Authentication, Basic, Cookie, Header
from authz.identity.claims import verify_claims
from authz.identity.credentials import Credentials, read_credentials
from authz.identity.issuer import Issuer
from authz.identity.unaccounted import mistyped, unaccounted
from authz.policy.parse import SourceText, parse_policy
from authz.request import AccessRequest
from tests.preset_tokens import policy_of, specimen, specimens
from tests.tokens import NOW

EXAMPLES = settings(max_examples=150, deadline=None)
PLACES = (BEARER, Basic("email"), Header("x-token"), Cookie("token"))
ACCEPTS = AcceptedCredentials(
    authentication=Authentication.ANY, issuers=frozenset(), trusts=frozenset(), places=PLACES
)
REASONS = {Reason.REQUEST_AMBIGUOUS, Reason.CREDENTIAL_MALFORMED, Reason.CREDENTIAL_CROSS_SITE}

anything = st.text(st.characters(exclude_categories=[]), max_size=40)
encoded = st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode("ascii"))
near = st.one_of(
    anything,
    st.sampled_from(["abc.def.ghi", "Bearer abc.def.ghi", "token=abc.def.ghi", "x=1; token=abc.def.ghi; y"]),
    st.builds(
        "{} {}".format,
        st.sampled_from(["Bearer", "bearer", "Basic", "basic", "Negotiate"]),
        anything | encoded,
    ),
    st.builds("{}token{}={}".format, anything, st.sampled_from(["", " ", "\t"]), anything),
)
headers = st.dictionaries(
    st.sampled_from(["authorization", "x-token", "cookie", "origin", "sec-fetch-site", "sec-fetch-mode"]),
    st.lists(near, min_size=1, max_size=2).map(tuple),
    max_size=4,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@EXAMPLES
@given(headers, st.sampled_from(["GET", "POST"]))
def test_any_headers_are_one_token_or_none_or_denied(
    given_headers: dict[str, tuple[str, ...]], method: str
) -> None:
    """Nothing else comes out of any place, and never two; a token is visible ASCII."""
    request = AccessRequest(method=method, host="edge.example", path="/", headers=given_headers)
    try:
        credentials = read_credentials(request, ACCEPTS)
    except Denied as denied:
        reason = denied.reason
    else:
        _check_read(credentials, given_headers)
        return
    assert reason in REASONS


def _check_read(credentials: Credentials, given_headers: dict[str, tuple[str, ...]]) -> None:
    token = credentials.token
    if token is None:
        assert not {"authorization", "x-token"} & given_headers.keys()
        return
    assert token
    assert token.isascii()
    assert token.isprintable()
    assert " " not in token
    places = {"authorization", "x-token", "cookie"} & given_headers.keys()
    assert len(places) == 1 or places == {"cookie", *(places - {"cookie"})}
    assert (credentials.user is None) or given_headers["authorization"][0].lower().startswith("basic ")


@EXAMPLES
@given(headers)
def test_a_place_that_is_not_configured_changes_nothing(given_headers: dict[str, tuple[str, ...]]) -> None:
    """With bearer alone, the other headers may say what they like."""
    bearer = AcceptedCredentials(authentication=Authentication.ANY, issuers=frozenset(), trusts=frozenset())

    def read(chosen: dict[str, tuple[str, ...]]) -> str | Reason | None:
        request = AccessRequest(method="GET", host="edge.example", path="/", headers=chosen)
        try:
            return read_credentials(request, bearer).token
        except Denied as denied:
            return denied.reason

    alone = {name: values for name, values in given_headers.items() if name == "authorization"}
    assert read(given_headers) == read(alone)


@cache
def issuer_of(name: str) -> Issuer:
    policy = parse_policy([SourceText("scopegate.yaml", policy_of(specimen(name)))])
    return policy.issuers["issuer-0"]


@EXAMPLES
@given(st.sampled_from(list(specimens())), st.data())
def test_any_claims_are_verified_or_denied(name: str, data: st.DataObject) -> None:
    """Whatever stands in the claims that a preset looks at, nothing but a denial comes of it."""
    each, issuer = specimen(name), issuer_of(name)
    claims = dict(each.claims_at(NOW))
    known = sorted(
        {*claims, *issuer.profile.required, *issuer.profile.pinned, *issuer.profile.overage, "cnf", "nonce"}
    )
    for claim in data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True)):
        claims[claim] = data.draw(json_values)
    try:
        verified = verify_claims(claims, issuer, NOW)
    except Denied:
        pass
    else:
        assert verified.subject == claims[issuer.subject_claim]
        for claim, values in {**issuer.profile.pinned, **issuer.profile.kinds}.items():
            assert claims[claim] in values
    assert set(unaccounted(claims, issuer)) <= set(claims)
    assert set(mistyped(claims, issuer)) <= set(claims)
