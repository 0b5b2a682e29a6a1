"""Claims that are kept: the same to everybody who reads them, with common texts kept once."""

import json

from hypothesis import given
from hypothesis import strategies as st

from authz.identity.sharing import share
from tests.tokens import claims

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5))
def test_what_is_kept_says_the_same(made: dict[str, object]) -> None:
    """Value by value, type by type, in the same order."""
    assert json.dumps(share(made)) == json.dumps(made)


def test_texts_of_two_tokens_are_one() -> None:
    """Names, groups at any depth, the audience; what is a person's own is left alone."""
    first, second = (
        share(json.loads(json.dumps(claims(realm_access={"roles": ["analysts"]}, email="ann@acme.example"))))
        for _ in range(2)
    )
    assert all(mine is theirs for mine, theirs in zip(first, second, strict=True))
    for name in ("groups", "realm_access"):
        assert first[name] is not second[name]
    assert first["groups"][0] is second["groups"][0]  # type: ignore[index]
    assert first["realm_access"]["roles"][0] is second["realm_access"]["roles"][0]  # type: ignore[index]
    assert first["aud"] is second["aud"]
    assert first["email"] is not second["email"]
