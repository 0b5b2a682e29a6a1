"""What a policy may say about opaque tokens."""

from pathlib import Path

import pytest

from authz.identity.introspectionrules import Introspection
from authz.policy.parse import SourceText, parse_policy
from authz.policy.policyset import PolicySet
from authz.policy.problems import PolicyError

POLICY = """\
version: 1
issuers:
  okta:
    issuer: https://issuer.example
    audiences: [api://warehouse]
    introspection: {INTROSPECTION}
  other: {issuer: https://other.example, audiences: [api://warehouse]OTHER}
dimensions: {region: {type: string}}
warehouses:
  sales: {routes: [{prefix: /}], upstream: "http://w:80", columns: {region: region}WAREHOUSE}
grants:
  - {id: all, to: {subjects: [a], issuers: [okta]}, on: [sales], scope: {region: [EU]}}
EDGE"""
GOOD = "url: https://issuer.example/introspect, client_id: us, client_secret_file: secret"


def parse(introspection: str = GOOD, other: str = "", warehouse: str = "", edge: str = "") -> PolicySet:
    text = POLICY.replace("INTROSPECTION", introspection).replace("OTHER", other)
    return parse_policy([SourceText("p.yaml", text.replace("WAREHOUSE", warehouse).replace("EDGE", edge))])


def problems(**changes: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse(**changes)
    return [problem.text for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("introspection", "expected"),
    [
        ("url: https://x.example", "introspection"),
        ("url: https://x.example, client_id: us", "`client_secret_file` or `private_key_jwt` is missing"),
        (f"{GOOD}, private_key_jwt: {{key_file: k}}", "are two ways to say who asks"),
        (GOOD.replace("https:", "http:"), "tokens sent without TLS can be anybody's"),
        (GOOD.replace("https://", "ftp://"), "expected a URL to ask at"),
        (GOOD.replace("https://", "https://us:pass@"), "the URL carries credentials"),
        (f"{GOOD}, cache: 61s", "expected `1s` to `60s`"),
        (f"{GOOD}, cache: 500ms", "expected `1s` to `60s`"),
        (f"{GOOD}, timeout: 5ms", "expected at least `10ms`"),
        (f"{GOOD}, timeout: 500ms", "not less than the edge's `check_timeout`"),
        (f"{GOOD}, client_secret: abc", "client_secret"),
    ],
)
def test_a_mistake_is_said_at_its_place(introspection: str, expected: str) -> None:
    """One message for one mistake, with the line; what stands before an `@` is never repeated."""
    found = problems(introspection=introspection)
    assert all(text.startswith("p.yaml:6: issuers.okta") for text in found), found
    assert any(expected in text for text in found), found
    assert "pass@" not in "".join(found)


def test_two_issuers_of_one_warehouse_cannot_both_be_asked() -> None:
    """A token does not say whose it is, and is shown to nobody but its own issuer."""
    other = f", introspection: {{{GOOD}}}"
    (text,) = problems(other=other)
    assert text.startswith("p.yaml:10: warehouses.sales: ")
    assert "`okta` and `other` have `introspection`" in text
    assert parse(other=other, warehouse=", issuers: [okta]").issuers["other"].introspection is not None


def test_tokens_that_open_one_request_are_not_introspected() -> None:
    """An answer that is kept for a while would keep a used token."""
    (text,) = problems(
        introspection=f"{GOOD}}}\n    single_use: true\n    max_lifetime: {{10m".replace("{10m", "10m #")
    )
    assert "tokens that open one request only" in text


def test_what_is_said_is_what_is_asked() -> None:
    """With the defaults of the reference."""
    assert parse().issuers["okta"].introspection == Introspection(
        url="https://issuer.example/introspect",
        client_id="us",
        secret_file="secret",
        cache_seconds=30.0,
        timeout_seconds=0.3,
    )
    key = "url: https://x.example, client_id: us, private_key_jwt: {key_file: k.pem, kid: a}, cache: 1m, timeout: 1s"
    made = parse(key, edge="edge: {check_timeout: 2s}").issuers["okta"].introspection
    assert made is not None
    assert (made.key_file, made.key_id, made.cache_seconds, made.timeout_seconds) == ("k.pem", "a", 60.0, 1.0)
    assert parse().issuers["other"].introspection is None


def test_the_example_of_the_documentation_is_a_good_policy() -> None:
    """As it stands, and with the key in place of the secret."""
    text = (Path(__file__).parents[4] / "docs" / "identity.md").read_text(encoding="utf-8")
    example = text.partition("```yml\n")[2].partition("```")[0]
    rest = "\n".join(line for line in POLICY.splitlines() if not line.startswith("EDGE"))
    rest = rest[rest.index("dimensions:") :].replace("WAREHOUSE", "").replace("okta", "corp")
    for introspection in (
        example,
        example.replace(
            "client_secret_file: secrets/introspection",
            'private_key_jwt: {key_file: tls/introspection.key, kid: "1"}',
        ),
    ):
        policy = parse_policy([SourceText("p.yaml", f"version: 1\n{introspection}{rest}\n")])
        assert policy.issuers["corp"].introspection is not None
