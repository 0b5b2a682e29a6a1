"""Every provider's tokens, as a policy configures the provider: its own are taken, their neighbours are not."""

from dataclasses import replace
from functools import cache

import pytest

from authz.errors import Denied, Reason
from authz.identity.authenticator import Authenticator
from authz.identity.credentials import read_credentials
from authz.identity.issuer import KeyOrigin
from authz.identity.keyset import KeySet, SharedSecret, parse_jwks
from authz.identity.presets.catalog import PRESETS
from authz.identity.principal import Principal
from authz.identity.unaccounted import unaccounted
from authz.policy.parse import SourceText, parse_policy
from authz.policy.policyset import PolicySet
from authz.request import AccessRequest
from tests.preset_tokens import Specimen, neighbours, policy_of, specimen, specimens
from tests.tokens import NOW

NAMES = list(specimens())


@cache
def policy(name: str) -> PolicySet:
    return parse_policy([SourceText("scopegate.yaml", policy_of(specimen(name)))])


def keys(each: Specimen) -> KeySet:
    if each.secret is not None:
        secret = SharedSecret(kid=each.secret["kid"], value=each.secret["value"].encode())
        return KeySet(keys=frozenset({secret}))
    return parse_jwks(each.jwks(), use=policy(each.name).issuers["issuer-0"].keys.key_use)


def authenticate(each: Specimen, token: str, now: float = NOW) -> Principal:
    loaded = policy(each.name)
    warehouse = loaded.warehouses["sales"]
    authenticator = Authenticator(issuers=loaded.issuers, key_sets={"issuer-0": keys(each)}, bundles={})
    name = "authorization" if each.place is None else each.place["header"]
    value = f"Bearer {token}" if each.place is None else token
    request = AccessRequest(method="GET", host="edge.example", path="/api/x", headers={name: (value,)})
    return authenticator.authenticate(read_credentials(request, warehouse.accepts), warehouse.accepts, now)


def test_every_preset_has_a_specimen() -> None:
    """A table that no token is held against is a guess."""
    assert {each.preset for each in specimens().values()} == set(PRESETS)
    assert all(len(each.neighbours) > 0 for each in specimens().values())


@pytest.mark.parametrize(("name", "neighbour"), list(neighbours()))
def test_a_neighbour_is_refused(name: str, neighbour: str) -> None:
    """Signed by the right key all the same: what differs is one thing that it says."""
    each = specimen(name)
    change = dict(each.neighbours[neighbour])
    expected = Reason(change.pop("reason"))
    with pytest.raises(Denied) as caught:
        authenticate(each, each.token(NOW, **change))
    assert caught.value.reason is expected, caught.value


@pytest.mark.parametrize("name", NAMES)
def test_a_token_of_its_shape_is_taken(name: str) -> None:
    """Subject and groups are those that the preset says; the subject is no claim that anybody can change."""
    each = specimen(name)
    principal = authenticate(each, each.token(NOW))
    assert principal.subject == each.principal["subject"]
    assert sorted(principal.groups) == sorted(each.principal["groups"])
    issuer = policy(name).issuers["issuer-0"]
    assert issuer.subject_claim not in issuer.profile.mutable


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_of_a_specimen_is_accounted_for(name: str) -> None:
    """Nobody is told about what a provider documents; and one claim more is reported."""
    each = specimen(name)
    claims = authenticate(each, each.token(NOW)).claims
    issuer = policy(name).issuers["issuer-0"]
    assert unaccounted(claims, issuer) == ()
    assert unaccounted({**claims, "clearance": "top"}, issuer) == ("clearance",)
    assert unaccounted({**claims, "clearance": "top"}, replace(issuer, groups_claim="clearance.list")) == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_token_of_one_provider_is_not_one_of_another(name: str) -> None:
    """Also with the same key: by the issuer at the latest."""
    each = specimen(name)
    for other in specimens().values():
        if other.preset == each.preset or other.secret is not None or each.secret is not None:
            continue
        with pytest.raises(Denied):
            authenticate(each, other.token(NOW))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("claim", ["exp", "aud"])
def test_no_preset_makes_do_without_end_and_audience(name: str, claim: str) -> None:
    """Whatever a provider may leave out, these two must be there."""
    each = specimen(name)
    with pytest.raises(Denied):
        authenticate(each, each.token(NOW, claims={claim: None}))


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_that_a_preset_requires_is_required(name: str) -> None:
    """Left out, or of another type."""
    each = specimen(name)
    for claim in policy(name).issuers["issuer-0"].profile.required:
        for value in (None, {"of": ["another", "type"]}):
            if claim == "kubernetes.io" and value is not None:
                continue
            with pytest.raises(Denied):
                authenticate(each, each.token(NOW, claims={claim: value}))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_only_tableau_signs_with_a_secret(preset: object) -> None:
    """HS256 for one preset, and nothing else for it."""
    shared = [each.name for each in PRESETS.values() if each.shared_secrets]
    assert shared == ["tableau_connected_app"]
    for each in PRESETS.values():
        assert each.shared_secrets == ("HS256" in each.algorithms) == (each.algorithms == ("HS256",))


def test_a_tableau_token_opens_one_request() -> None:
    """Its `jti` is used up; another token of the same person is another."""
    each = specimen("tableau_connected_app")
    loaded = policy(each.name)
    accepts = loaded.warehouses["sales"].accepts
    authenticator = Authenticator(issuers=loaded.issuers, key_sets={"issuer-0": keys(each)}, bundles={})

    def ask(token: str, now: float = NOW) -> Principal:
        request = AccessRequest(
            method="GET", host="edge.example", path="/api/x", headers={"authorization": (f"Bearer {token}",)}
        )
        return authenticator.authenticate(read_credentials(request, accepts), accepts, now)

    first = each.token(NOW)
    assert ask(first).subject == "ann"
    for later in (0.0, 1.0, 359.0):
        with pytest.raises(Denied) as caught:
            ask(first, NOW + later)
        assert caught.value.reason is Reason.TOKEN_REPLAYED
    same_id_otherwise = each.token(NOW, claims={"sub": "ben"})
    with pytest.raises(Denied) as caught:
        ask(same_id_otherwise)
    assert caught.value.reason is Reason.TOKEN_REPLAYED
    assert ask(each.token(NOW, claims={"jti": "another"})).subject == "ann"
    assert loaded.issuers["issuer-0"].keys.origin is KeyOrigin.SECRETS
