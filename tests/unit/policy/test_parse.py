"""A policy from its texts: what is built, how files are merged, and that every problem is reported at once."""

from datetime import timedelta
from decimal import Decimal

import pytest

from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.issuer import DEFAULT_ALGORITHMS, KeyOrigin
from authz.identity.trust import CertificateNames
from authz.policy.parse import SourceText, parse_policy
from authz.policy.policyset import CacheRule, HeaderForm, Place, PolicySet, RateLimit, Route, Selector
from authz.policy.problems import PolicyError
from authz.policy.terms import ALL_VALUES, Fixed, FromClaim, Last, ScopeTerm
from authz.request import AccessRequest
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import Between, OneOf
from tests.policies import SMALL, policy

TWO_TYPES = SMALL.replace(
    "ordered_at: {type: date}", "ordered_at: {type: timestamp}\n  amount: {type: decimal}"
).replace("ordered_at: ordered_at", "ordered_at: ordered_at, amount: amount")


def problems(*texts: str) -> list[str]:
    sources = [SourceText(f"{number}.yaml", text) for number, text in enumerate(texts)]
    with pytest.raises(PolicyError) as caught:
        parse_policy(sources)
    return [problem.text for problem in caught.value.problems]


def term(text: str, dimension: str = "region") -> ScopeTerm:
    old = {"region": "[EU, UK]", "ordered_at": "{last: 400d}"}[dimension]
    return policy(SMALL.replace(f"{dimension}: {old}", f"{dimension}: {text}")).grants[0].scope[dimension]


def changed(old: str, new: str) -> PolicySet:
    assert old in SMALL
    return policy(SMALL.replace(old, new))


def test_every_problem_is_reported_at_once_in_the_order_of_the_file() -> None:
    """A mistake of the shape does not hide those of meaning, in the same rule neither."""
    text = (
        SMALL.replace("audiences: [api://warehouse]", "audience: x")
        .replace("upstream: http://warehouse:8080", "upstream: warehouse")
        .replace("{groups: [analysts-emea]}, on: [sales]", "{groups: analysts}, on: [sale]")
        .replace("hide: [pii]", "hide: [pi], clear: [pii]")
    )
    found = problems(text)
    assert [line.split(":")[1] for line in found] == sorted((line.split(":")[1] for line in found), key=int)
    assert [line.split(": ")[1] for line in found] == [
        "issuers.okta",
        "issuers.okta.audience",
        "warehouses.sales.upstream",
        "grants[0].to.groups",
        "grants[0].on[0]",
        "restrictions[0].hide[0]",
        "restrictions[0].clear",
    ]


def test_a_broken_part_is_known_by_name() -> None:
    """Rules that use a warehouse with a mistake in it make none themselves."""
    text = SMALL.replace("columns: {region: region, ordered_at: ordered_at}", "columns: region")
    assert problems(text) == ["0.yaml:13: warehouses.sales.columns: got `region`, expected a mapping"]


def test_an_unreadable_file_is_all_that_is_reported_of_it() -> None:
    """What the others use of it is not unknown, only not read."""
    first, rest = SMALL[: SMALL.index("grants:")], SMALL[SMALL.index("grants:") :]
    assert len(problems(first.replace("issuers:", "issuers: ["), rest)) == 1


def test_the_example_is_built_whole() -> None:
    """Each part with its defaults."""
    built = policy()

    issuer = built.issuers["okta"]
    assert issuer.issuer == "https://acme.okta.com/oauth2/default"
    assert issuer.audiences == {"api://warehouse"}
    assert (issuer.groups_claim, issuer.subject_claim) == ("groups", "sub")
    assert issuer.algorithms == set(DEFAULT_ALGORITHMS)
    assert (issuer.keys.origin, issuer.keys.place) == (KeyOrigin.DISCOVERY, issuer.issuer)
    assert issuer.leeway_seconds == 60
    assert not issuer.keys.allow_http
    assert not issuer.keys.allow_private_addresses

    trust = built.trusts["extracts"]
    assert (trust.roots, trust.identity, trust.trust_domain) == (
        "tls/clients-ca.pem",
        CertificateNames.SPIFFE,
        "acme.example",
    )

    warehouse = built.warehouses["sales"]
    assert warehouse.routes == (Route(prefix="/api/"),)
    assert warehouse.upstream == "http://warehouse:8080"
    assert warehouse.columns == {"region": "region", "ordered_at": "ordered_at"}
    assert warehouse.labels == {"customer_email": "pii"}
    assert warehouse.accepts == AcceptedCredentials(
        authentication=Authentication.ANY, issuers=frozenset({"okta"}), trusts=frozenset({"extracts"})
    )
    assert warehouse.headers == (HeaderForm.JSON, HeaderForm.SQL)
    assert warehouse.cache == CacheRule(ttl_seconds=60)
    assert warehouse.per_principal == RateLimit(requests=120, seconds=60)
    assert not warehouse.identity_headers

    first, second = built.grants
    assert first.to == Selector(groups=frozenset({"analysts-emea"}))
    assert first.on == {"sales"}
    assert first.scope == {
        "region": Fixed(OneOf(("EU", "UK"))),
        "ordered_at": Last(timedelta(days=400), timedelta(days=1)),
    }
    assert first.place == Place("scopegate.yaml", 18, "grants[0]")
    assert second.scope == {"region": ALL_VALUES, "ordered_at": ALL_VALUES}

    (restriction,) = built.restrictions
    assert restriction.to is None
    assert restriction.on == {"sales"}
    assert restriction.columns == {"pii": ColumnMask.HIDDEN}
    assert restriction.when is not None
    assert restriction.when.place == Place("scopegate.yaml", 21, "restrictions[0].when")
    assert built.routes.find(AccessRequest(method="GET", host="x", path="/api/")) is warehouse
    assert built.places["issuers.okta"] == Place("scopegate.yaml", 3, "issuers.okta")


def test_nothing_of_the_pydantic_types_is_left() -> None:
    """The rest of the program sees immutable values only."""
    built = policy()
    with pytest.raises(AttributeError):
        built.version = "x"  # type: ignore[misc]
    assert isinstance(built.grants, tuple)
    assert isinstance(built.grants[0].on, frozenset)


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("all", ALL_VALUES),
        ("[]", Fixed(None)),
        ("[UK, EU, UK]", Fixed(OneOf(("EU", "UK")))),
        ("[NO, on, 'true']", Fixed(OneOf(("NO", "on", "true")))),
        ("{from: A, before: M}", Fixed(Between(low="A", high="M", high_open=True))),
        ("{after: A}", Fixed(Between(low="A", low_open=True))),
        ("{claim: department}", FromClaim(("department",))),
        ("{claim: tableau.regions, max_values: 5}", FromClaim(("tableau", "regions"), 5)),
        ("{claim: https://acme.example/regions}", FromClaim(("https://acme", "example/regions"))),
    ],
)
def test_scope_terms_of_a_text(text: str, built: ScopeTerm) -> None:
    """Every form there is."""
    assert term(text) == built


@pytest.mark.parametrize(
    ("text", "step"),
    [("{last: 400d}", "1d"), ("{last: 52w, step: 7d}", "7d"), ("{last: 1d}", "1d")],
)
def test_windows_over_dates_move_by_whole_days(text: str, step: str) -> None:
    """By one, unless the policy says more."""
    built = term(text, "ordered_at")
    assert isinstance(built, Last)
    assert built.step == timedelta(days=int(step[:-1]))


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("{last: 30d}", timedelta(hours=1)),
        ("{last: 24h}", timedelta(hours=1)),
        ("{last: 23h}", timedelta(minutes=1)),
        ("{last: 59m}", timedelta(seconds=1)),
        ("{last: 59m, step: 10m}", timedelta(minutes=10)),
    ],
)
def test_windows_over_timestamps_move_by_a_step_that_suits_them(text: str, step: timedelta) -> None:
    """So that answers can be shared in between."""
    moved = SMALL.replace("type: date", "type: timestamp").replace("{last: 400d}", text)
    built = policy(moved).grants[0].scope["ordered_at"]
    assert isinstance(built, Last)
    assert built.step == step


def test_decimals_are_read_as_they_are_written() -> None:
    """`0.1` is a tenth."""
    text = TWO_TYPES.replace("[EU, UK]", "[EU], amount: {through: 0.1}").replace(
        "region: all", "region: all, amount: all"
    )
    assert policy(text).grants[0].scope["amount"] == Fixed(Between(high=Decimal("0.1")))


def test_what_a_grant_says_of_labels() -> None:
    """Cleared, masked, hidden; YAML's null is the mask of that name."""
    labels = "labels: {a: pii, b: money, c: secret, d: born}"
    scope = "scope: {region: [EU, UK], ordered_at: {last: 400d}}"
    text = SMALL.replace("labels: {customer_email: pii}", labels).replace(
        scope, f"{scope}, clear: [pii], mask: {{money: null, born: year}}, hide: [secret]"
    )
    assert policy(text).grants[0].columns == {
        "pii": ColumnMask.CLEAR,
        "money": ColumnMask.NULL,
        "born": ColumnMask.YEAR,
        "secret": ColumnMask.HIDDEN,
    }


def test_validity_is_in_seconds() -> None:
    """A date is its first moment in UTC."""
    scope = "ordered_at: {last: 400d}}"
    built = changed(
        scope,
        f"{scope}, valid: {{from: 1970-01-02, until: 1970-01-02T01:00:00+01:00}}".replace("02T01", "03T01"),
    )
    assert (built.grants[0].valid_from, built.grants[0].valid_until) == (86_400.0, 172_800.0)


def test_a_grant_may_say_who_in_a_condition_alone() -> None:
    """Then its selector names nobody, and the condition decides."""
    built = changed("to: {groups: [analysts-emea]}", "when: principal.subject == 'x'")
    assert built.grants[0].to == Selector()
    assert built.grants[0].when is not None


def test_on_all_is_every_warehouse() -> None:
    """The explicit word."""
    other = "  other:\n    routes: [{path: /x}]\n    upstream: https://other\n    columns: {region: r, ordered_at: o}\ngrants:\n"
    text = SMALL.replace("grants:\n", other).replace("on: [sales]", "on: all")
    built = policy(text)
    assert built.grants[0].on == {"sales", "other"}
    assert built.restrictions[0].on == {"sales", "other"}


@pytest.mark.parametrize(
    ("line", "authentication", "issuers", "trusts"),
    [
        ("authentication: token", Authentication.TOKEN, {"okta"}, set()),
        ("authentication: certificate", Authentication.CERTIFICATE, set(), {"extracts"}),
        ("authentication: both", Authentication.BOTH, {"okta"}, {"extracts"}),
        ("issuers: [okta]", Authentication.ANY, {"okta"}, {"extracts"}),
    ],
)
def test_which_credentials_a_warehouse_takes(
    line: str, authentication: Authentication, issuers: set[str], trusts: set[str]
) -> None:
    """Kinds that are not asked for are not accepted either."""
    accepts = changed("    cache: {ttl: 60s}", f"    {line}").warehouses["sales"].accepts
    assert (accepts.authentication, accepts.issuers, accepts.trusts) == (authentication, issuers, trusts)


def test_identity_is_told_unless_answers_are_shared() -> None:
    """An answer that is made for one person must not reach another."""
    assert changed("    cache: {ttl: 60s}\n", "").warehouses["sales"].identity_headers
    assert (
        not changed("    cache: {ttl: 60s}\n", "    identity_headers: false\n")
        .warehouses["sales"]
        .identity_headers
    )


def test_relative_files_start_from_the_file_that_names_them() -> None:
    """Absolute ones stay; without a base, names stay as they are written."""
    text = SMALL + "edge: {client_ca: tls/ca.pem, certificate: /abs.crt}\n"
    built = parse_policy([SourceText("conf/scopegate.yaml", text, base="conf")])
    assert built.trusts["extracts"].roots == "conf/tls/clients-ca.pem"
    assert (built.edge.client_ca, built.edge.certificate) == ("conf/tls/ca.pem", "/abs.crt")
    assert policy(text).edge.client_ca == "tls/ca.pem"


class TestFilesTogether:
    """Several files are one policy."""

    HEAD = SMALL[: SMALL.index("grants:")]
    RULES = SMALL[SMALL.index("grants:") :]

    def test_a_name_in_two_files_is_an_error_that_names_both(self) -> None:
        """Neither overwrites the other."""
        again = "issuers:\n  okta: {issuer: https://evil.example, audiences: [x]}\n"
        assert problems(SMALL, again) == [
            "1.yaml:2: issuers: `okta` is defined twice; the first is in 0.yaml:3"
        ]

    def test_an_id_in_two_files_is_an_error_that_names_both(self) -> None:
        """With paths as they are in the whole policy."""
        grant = self.RULES.splitlines()[1]
        assert problems(SMALL, f"grants:\n{grant}\n") == [
            "1.yaml:2: grants[2].id: the id `emea-analysts` is taken; grants[0] has it, in 0.yaml:18"
        ]

    def test_a_list_and_a_mapping_do_not_merge(self) -> None:
        """The second file is told so."""
        assert problems(SMALL, "grants: {x: 1}\n")[0].startswith(
            "1.yaml:1: grants: got a mapping, where 0.yaml:17 has a list"
        )

    def test_versions_must_agree(self) -> None:
        """One is enough, and two must be the same."""
        assert problems(SMALL, "version: 2\n") == [
            "1.yaml:1: version: got the number `2`, where 0.yaml:1 has the number `1`"
        ]
        assert problems(self.HEAD.replace("version: 1\n", ""), self.RULES) == [
            "0.yaml:1: `version` is missing; write `version: 1`"
        ]

    def test_they_are_what_one_file_would_be(self) -> None:
        """The version of the policy, too, however it is split."""
        split = parse_policy(
            [
                SourceText("a.yaml", self.HEAD),
                SourceText("b.yaml", self.RULES),
                SourceText("c.yaml", "# none\n"),
            ]
        )
        assert split.version == policy().version
        assert split.grants[0].place == Place("b.yaml", 2, "grants[0]")

    def test_mappings_and_lists_are_joined(self) -> None:
        """Each thing keeps the place of its own file."""
        more = "issuers:\n  corp: {issuer: https://corp.example, audiences: [x]}\ngrants: []\nedge: {listen: '127.0.0.1:1'}\n"
        text = SMALL.replace("{groups: [analysts-emea]}", "{issuers: [okta], groups: [analysts-emea]}")
        built = parse_policy([SourceText("a", text), SourceText("b", more)])
        assert list(built.issuers) == ["okta", "corp"]
        assert built.places["issuers.corp"] == Place("b", 2, "issuers.corp")
        assert built.edge.listen == "127.0.0.1:1"

    def test_what_an_alias_shares_is_not_changed_by_a_merge(self) -> None:
        """One list under two names stays two lists."""
        first = SMALL.replace("restrictions:\n", "denies: &none []\nrestrictions:\n")
        built = parse_policy(
            [SourceText("a", first), SourceText("b", "denies:\n  - {id: d, when: 'true'}\n")]
        )
        assert [deny.id for deny in built.denies] == ["d"]


class TestVersion:
    """A hash of what a policy says."""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("[EU, UK]", "[EU, US]"),
            ("ttl: 60s", "ttl: 61s"),
            ("  - {id: emea-analysts", "  - {id: emea-analyst"),
            ("[EU, UK]", "['1']"),
        ],
    )
    def test_another_content_is_another_version(self, old: str, new: str) -> None:
        """Whatever changed."""
        assert changed(old, new).version != policy().version

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("grants:\n", "# who may see what\ngrants:\n\n"),
            ("[EU, UK]", "['EU', \"UK\"]"),
            ("{region: region, ordered_at: ordered_at}", "{ordered_at: ordered_at, region: region}"),
            ("    cache: {ttl: 60s}\n", "    cache:\n      ttl: 60s\n"),
        ],
    )
    def test_the_same_content_in_other_words_is_the_same_version(self, old: str, new: str) -> None:
        """Comments, quotes, styles and the order of keys do not count."""
        assert changed(old, new).version == policy().version

    def test_it_depends_on_the_kind_of_a_value(self) -> None:
        """A number is not the text that looks like it."""
        numbers = TWO_TYPES.replace("[EU, UK]", "[EU], amount: [1]").replace(
            "region: all", "region: all, amount: all"
        )
        assert policy(numbers).version != policy(numbers.replace("amount: [1]", "amount: ['1']")).version
