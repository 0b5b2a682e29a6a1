"""What an operator has revoked: each kind of entry blocks what it names, and its neighbour stays allowed."""

import pytest

from authz.errors import Denied, Reason
from authz.identity.principal import CertificateIdentity, Claims, Method, Principal
from authz.identity.revocations import NOTHING_REVOKED, Blocked, Cut, Revocations
from tests.tokens import NOW

ENTRY = Blocked(place="revocations.yaml:3", note="left the company")
NEAR = "spiffe://acme.example/tableau/extract"


def person(**changes: object) -> Principal:
    fields: dict[str, object] = {
        "issuer": "okta",
        "subject": "alice",
        "methods": frozenset({Method.TOKEN}),
        "token_id": "t-1",
        "claims": Claims({"iat": NOW - 10}),
        "expires_at": NOW + 600,
        **changes,
    }
    return Principal(**fields)


def certificate(**changes: object) -> CertificateIdentity:
    fields: dict[str, object] = {
        "trust": "extracts",
        "name": NEAR,
        "spiffe_id": NEAR,
        "fingerprint": "f" * 64,
        "serial": "a1b",
        "not_after": NOW + 600,
        **changes,
    }
    return CertificateIdentity(**fields)


def machine(**changes: object) -> Principal:
    made = certificate(**changes)
    return Principal(
        issuer=made.trust,
        subject=made.name,
        methods=frozenset({Method.CERTIFICATE}),
        certificate=made,
        expires_at=NOW + 600,
    )


def refusal(revocations: Revocations, principal: Principal, now: float) -> Denied | None:
    try:
        revocations.check(principal, now)
    except Denied as denied:
        return denied
    return None


def blocked(revocations: Revocations, principal: Principal, now: float = NOW) -> bool:
    denied = refusal(revocations, principal, now)
    if denied is None:
        return False
    assert denied.reason is Reason.REVOKED
    assert denied.detail.endswith("is blocked by revocations.yaml:3 (left the company)")
    return True


OKTA = ("okta", "alice")
CUT = (Cut(before=NOW, blocked=ENTRY),)


@pytest.mark.parametrize(
    ("revocations", "neighbours"),
    [
        (Revocations(issuers={"okta": ENTRY}), [person(issuer="entra")]),
        (Revocations(subjects={OKTA: ENTRY}), [person(subject="alic"), person(issuer="entra")]),
        (
            Revocations(tokens={("okta", "t-1"): ENTRY}),
            [person(token_id="t-2"), person(token_id=None), person(issuer="entra")],
        ),
        (
            Revocations(cuts={("okta", ""): CUT}),
            [person(claims=Claims({"iat": NOW})), person(issuer="entra")],
        ),
        (
            Revocations(cuts={OKTA: CUT}),
            [person(claims=Claims({"iat": NOW})), person(subject="bob"), person(issuer="entra")],
        ),
    ],
)
def test_a_person_is_blocked_and_the_neighbour_is_not(
    revocations: Revocations, neighbours: list[Principal]
) -> None:
    """With a certificate beside the token, too: that is another fact, and no way around."""
    assert blocked(revocations, person())
    assert blocked(
        revocations,
        person(methods=frozenset({Method.TOKEN, Method.CERTIFICATE}), certificate=certificate()),
    )
    assert not any(blocked(revocations, neighbour) for neighbour in neighbours)
    assert not blocked(revocations, machine())


@pytest.mark.parametrize(
    ("revocations", "neighbours"),
    [
        (Revocations(trusts={"extracts": ENTRY}), [machine(trust="partners")]),
        (
            Revocations(names={("extracts", NEAR): ENTRY}),
            [machine(name=NEAR + "s"), machine(trust="partners")],
        ),
        (
            Revocations(certificates={("extracts", "a1b"): ENTRY}),
            [machine(serial="a1"), machine(trust="partners")],
        ),
    ],
)
def test_a_machine_is_blocked_and_the_neighbour_is_not(
    revocations: Revocations, neighbours: list[Principal]
) -> None:
    """Beside a person's token, too: whatever is presented must be good."""
    assert blocked(revocations, machine())
    assert blocked(revocations, person(certificate=certificate()))
    assert not any(blocked(revocations, neighbour) for neighbour in neighbours)
    assert not blocked(revocations, person())


@pytest.mark.parametrize("claims", [{}, {"iat": None}, {"iat": True}, {"iat": "1790000000"}])
def test_a_token_that_does_not_say_when_it_was_issued_may_be_old(claims: dict[str, object]) -> None:
    """In doubt there is no access; an issuer that never says so cannot be blocked by moment without all of it."""
    assert blocked(Revocations(cuts={("okta", ""): CUT}), person(claims=Claims(claims)))
    assert not blocked(NOTHING_REVOKED, person(claims=Claims(claims)))


def test_the_moment_itself_is_not_before_it() -> None:
    """To the second, in both directions."""
    cut = Revocations(cuts={("okta", ""): CUT})
    assert blocked(cut, person(claims=Claims({"iat": NOW - 1})))
    assert blocked(cut, person(claims=Claims({"iat": NOW - 0.001})))
    assert not blocked(cut, person(claims=Claims({"iat": NOW})))


def test_an_entry_ends_when_it_says() -> None:
    """From `until` on it blocks nobody, in the same snapshot."""
    ending = Blocked(place=ENTRY.place, note=ENTRY.note, until=NOW + 10)
    for revocations in (
        Revocations(subjects={OKTA: ending}),
        Revocations(cuts={OKTA: (Cut(before=NOW, blocked=ending),)}),
    ):
        assert blocked(revocations, person(), NOW + 9)
        assert not blocked(revocations, person(), NOW + 10)


def test_of_several_moments_any_may_block() -> None:
    """One that has ended does not shadow one that holds."""
    ended = Cut(before=NOW + 5, blocked=Blocked(place="x:1", until=NOW - 1))
    for cuts in ((ended, *CUT), (*CUT, ended)):
        assert blocked(Revocations(cuts={OKTA: cuts}), person())
        assert blocked(Revocations(cuts={("okta", ""): cuts}), person())


def test_an_issuer_and_a_trust_of_one_name_are_two() -> None:
    """The name is the policy's, and it may use one twice."""
    person_of = person(issuer="corp")
    machine_of = machine(trust="corp")
    assert blocked(Revocations(issuers={"corp": ENTRY}), person_of)
    assert not blocked(Revocations(issuers={"corp": ENTRY}), machine_of)
    assert blocked(Revocations(trusts={"corp": ENTRY}), machine_of)
    assert not blocked(Revocations(trusts={"corp": ENTRY}), person_of)
    assert not blocked(Revocations(subjects={("corp", NEAR): ENTRY}), machine_of)


def test_entries_about_nothing_that_is_configured_are_reported() -> None:
    """They block nobody, and somebody thinks that they do."""
    revocations = Revocations(
        issuers={"otka": Blocked(place="r:1")},
        subjects={("otka", "a"): Blocked(place="r:2"), OKTA: ENTRY},
        tokens={("otka", "a"): Blocked(place="r:3")},
        cuts={("otka", ""): (Cut(before=NOW, blocked=Blocked(place="r:4")),)},
        trusts={"extract": Blocked(place="r:5")},
        names={("extract", NEAR): Blocked(place="r:6")},
        certificates={("extract", "1"): Blocked(place="r:7"), ("extracts", "1"): ENTRY},
    )
    lines = list(revocations.unknown_names({"okta": 1}, {"extracts": 1}))
    assert lines == [
        *(f"r:{n}: the policy has no issuer `otka`: the entry blocks nobody" for n in (1, 2, 3, 4)),
        *(
            f"r:{n}: the policy has no client certificates `extract`: the entry blocks nobody"
            for n in (5, 6, 7)
        ),
    ]
    assert revocations.size == 9


def test_nothing_revoked_blocks_nobody() -> None:
    """The value without a file."""
    assert not blocked(NOTHING_REVOKED, person())
    assert not blocked(NOTHING_REVOKED, machine())
    assert NOTHING_REVOKED.size == 0
