"""What people type wrong in a policy: each mistake is one change to a good policy.

`python -m tests.policy_mistakes` prints every mistake with what Scopegate says to it; the committed copy is
tests/golden/policy-messages.txt.
"""

from collections.abc import Iterator
from pathlib import Path

from authz.policy.parse import SourceText, parse_policy
from authz.policy.problems import PolicyError
from tests.policies import SMALL

GOLDEN = Path(__file__).parent / "golden" / "policy-messages.txt"

OKTA = "  okta: {issuer: https://acme.okta.com/oauth2/default, audiences: [api://warehouse], groups_claim: groups}\n"
TRUST = "  extracts: {roots: tls/clients-ca.pem, identity: spiffe, trust_domain: acme.example}\n"
SCOPE = "scope: {region: [EU, UK], ordered_at: {last: 400d}}"
GRANT = f"  - {{id: emea-analysts, to: {{groups: [analysts-emea]}}, on: [sales], {SCOPE}}}\n"
RULE = "  - {id: contractors-no-pii, when: '\"contractors\" in principal.groups', hide: [pii]}\n"
ROUTES = "    routes: [{prefix: /api/}]\n"
UPSTREAM = "    upstream: http://warehouse:8080\n"
COLUMNS = "    columns: {region: region, ordered_at: ordered_at}\n"
LABELS = "    labels: {customer_email: pii}\n"
CACHE = "    cache: {ttl: 60s}\n"
CLICKHOUSE_TABLES = "    tables: {sales.orders: {columns: {region: r, ordered_at: o}}}\n"
DIMENSIONS = "  ordered_at: {type: date}\n"
AMOUNT = (DIMENSIONS, f"{DIMENSIONS}  amount: {{type: decimal}}\n")
OTHER = "  other: {routes: [{prefix: /other/}], upstream: http://other, columns: {region: r}}\ngrants:\n"


def _issuer(text: str) -> tuple[str, str]:
    return OKTA, f"  okta: {{{text}}}\n"


def _term(term: str) -> tuple[str, str]:
    return "region: [EU, UK]", f"region: {term}"


def _dates(term: str) -> tuple[str, str]:
    return "ordered_at: {last: 400d}", f"ordered_at: {term}"


def _warehouse(line: str) -> tuple[str, str]:
    return CACHE, f"{CACHE}    {line}\n"


def _tables(line: str, tables: str = "orders: {columns: {region: r, ordered_at: o}}") -> tuple[str, str]:
    """In place of the columns; the labels, which are each table's own then, go, too."""
    return COLUMNS + LABELS, f"    tables: {{{tables}}}\n    {line}\n"


def _trino(
    line: str,
    tables: str = "a.b.c: {columns: {region: r, ordered_at: o}, labels: {e: pii}}",
    user: str = "    user: {qualified: true}\n",
) -> tuple[str, str]:
    """A warehouse of that kind that is right but for what is given."""
    return ROUTES + UPSTREAM + COLUMNS + LABELS + CACHE, (
        f"    kind: trino\n    routes: [{{prefix: /}}]\n{UPSTREAM}    tables: {{{tables}}}\n{user}    {line}\n"
    )


def _postgrest(
    line: str, tables: str = "a.orders: {columns: {region: r, ordered_at: o}, labels: {e: pii}}"
) -> tuple[str, str]:
    before, after = _trino(line, tables)
    return before, after.replace("kind: trino", "kind: postgrest")


def _filter(
    filter_: str, routes: str = "{path: /orders}", columns: str = COLUMNS, more: str = ""
) -> tuple[tuple[str, str], ...]:
    """A warehouse with a filter in its own query language that is right but for what is given."""
    after = f"    routes: [{routes}]\n{UPSTREAM}{columns}{more}    filter: {{{filter_}}}\n{CACHE}"
    return (
        (ROUTES + UPSTREAM + COLUMNS + LABELS + CACHE, after),
        ("hide: [pii]", "scope: {region: [EU]}"),
    )


def _rule(text: str) -> tuple[str, str]:
    return RULE, f"{RULE}{text}\n"


def _when(text: str) -> tuple[str, str]:
    return RULE, f"  - id: r\n    hide: [pii]\n    when: {text}\n"


_GRANTEES = "to: {groups: [analysts-emea]}"

MISTAKES: dict[str, tuple[tuple[str, str], ...]] = {
    # the text
    "a tab indents": (("\n  region:", "\n\tregion:"),),
    "a bracket stays open": (("[analysts-emea]", "[analysts-emea"),),
    "a colon in a plain text": (('when: \'"contractors" in', "when: a: b in"),),
    "a quote stays open": (("roots: tls/clients-ca.pem", "roots: 'tls/clients-ca.pem"),),
    "bad indentation": (("dimensions:\n  region", " dimensions:\n  region"),),
    "a duplicate key": ((CACHE, f"{CACHE}{CACHE}"),),
    "a duplicate name": ((OKTA, f"{OKTA}{OKTA}"),),
    "a merge key": ((COLUMNS, f"{COLUMNS}    <<: {{dialect: trino}}\n"),),
    "a tag": (("prefix: /api/", "prefix: !path /api/"),),
    "two documents": (("dimensions:\n", "---\ndimensions:\n"),),
    "an unknown alias": (_term("*eu"),),
    "a reserved character": (_term("[@EU]"),),
    "a control character": (_term("[E\x07U]"),),
    "a line separator": (_term("[E\u2028U]"),),
    "a list for a policy": ((SMALL, "- version: 1\n"),),
    "nothing at all": ((SMALL, "# nothing yet\n"),),
    # the shape
    "no version": (("version: 1\n", ""),),
    "another version": (("version: 1\n", "version: 2\n"),),
    "a quoted version": (("version: 1\n", "version: '1'\n"),),
    "an unknown section": (("grants:\n", "grant:\n"),),
    "an empty section": ((RULE, ""),),
    "a list for a mapping": ((OKTA, f"  - {OKTA.strip()}\n"),),
    "a mapping for a list": (("  - {id: contractors-no-pii, when:", "  contractors: {id: no-pii, when:"),),
    "no warehouses": ((SMALL[SMALL.index("warehouses:") :], ""),),
    "nobody to believe": ((SMALL[SMALL.index("issuers:") : SMALL.index("dimensions:")], ""),),
    "an upper-case name": (("  sales:\n", "  Sales:\n"), ("on: [sales]", "on: [Sales]")),
    "a name with a space": (("  okta:", "  okta prod:"),),
    "a key with nothing behind it": (_when("\n"),),
    "an empty selector key": ((_GRANTEES, "to:"),),
    # issuers
    "an unknown key": (("groups_claim:", "group_claim:"),),
    "a text for a list": (("audiences: [api://warehouse]", "audiences: api://warehouse"),),
    "a comma list": (("audiences: [api://warehouse]", "audiences: 'a, b'"),),
    "no audiences": (("audiences: [api://warehouse], ", ""),),
    "empty audiences": (("audiences: [api://warehouse]", "audiences: []"),),
    "a number for a text": (("groups_claim: groups", "groups_claim: 7"),),
    "a symmetric algorithm": (("groups_claim: groups", "algorithms: [HS256]"),),
    "a misspelt algorithm": (("groups_claim: groups", "algorithms: [RS-256]"),),
    "an issuer that is no URL": (("issuer: https://acme.okta.com/oauth2/default", "issuer: acme"),),
    "an issuer without TLS": (("issuer: https://acme", "issuer: http://acme"),),
    "an issuer with credentials": (("https://acme", "https://me:hunter2@acme"),),
    "an issuer with a query": (("oauth2/default", "oauth2?tenant=acme"),),
    "an issuer with a space": (
        ("oauth2/default", "oauth2/default "),
        ("issuer: https", "issuer: ' https"),
        ("default ,", "default',"),
    ),
    "two key sources": (("groups_claim: groups", "jwks_file: a.json, jwks_url: https://a.example/jwks"),),
    "two issuers alike": ((OKTA, OKTA + OKTA.replace("okta:", "corp:")),),
    "a leeway without unit": (("groups_claim: groups", "leeway: 60"),),
    "a long leeway": (("groups_claim: groups", "leeway: 1h"),),
    "a short refresh": (("groups_claim: groups", "refresh: 1s"),),
    "a YAML 1.1 boolean": (("groups_claim: groups", "allow_http: yes"),),
    "a number out of bounds": (("groups_claim: groups", "max_groups: 0"),),
    "a fraction": (("groups_claim: groups", "max_groups: 1.5"),),
    "a number that is too large": (("groups_claim: groups", "max_groups: 1000000"),),
    "a duration beyond all bounds": (("groups_claim: groups", "refresh: 999999999w"),),
    "a key set without TLS": (("groups_claim: groups", "jwks_url: http://acme.example/jwks"),),
    "an issuer that is half a URL": (("https://acme.okta.com/oauth2/default", "'https://[acme'"),),
    "an issuer with a fragment": (("oauth2/default", "oauth2#default"),),
    "an empty text": (("groups_claim: groups", "groups_claim: ''"),),
    "a singular": (("audiences:", "audience:"),),
    # client certificates
    "no trust domain": ((", trust_domain: acme.example", ""),),
    "a trust domain with a scheme": (("trust_domain: acme.example", "trust_domain: spiffe://acme.example"),),
    "a trust domain for DNS names": (
        ("identity: spiffe", "identity: dns"),
        ("spiffe: [spiffe://acme.example/tableau/extract]", "dns: [a.example]"),
    ),
    "an unknown identity": (("identity: spiffe", "identity: spife"),),
    # dimensions
    "a bare type": (("region: {type: string}", "region: string"),),
    "an unknown type": (("type: date", "type: datetime"),),
    "a reserved dimension": (("dimensions:\n", "dimensions:\n  subject: {type: string}\n"),),
    # warehouses
    "a prefix without slash": (("/api/", "api/"),),
    "a glob": (("/api/", "/api/*"),),
    "a dot segment": (("/api/", "/api/../x"),),
    "an empty segment": (("/api/", "/api//x"),),
    "an encoded path": (("/api/", "/caf%C3%A9/"),),
    "a path with a query": (("/api/", "/api?x"),),
    "prefix and path": (("{prefix: /api/}", "{prefix: /api/, path: /api}"),),
    "neither prefix nor path": (("{prefix: /api/}", "{hosts: [a.example]}"),),
    "a bare route": (("[{prefix: /api/}]", "[/api/]"),),
    "a wildcard host": (("{prefix: /api/}", "{prefix: /api/, hosts: ['*.acme.example']}"),),
    "a host with port": (("{prefix: /api/}", "{prefix: /api/, hosts: ['a.example:8443']}"),),
    "a lower-case method": (("{prefix: /api/}", "{prefix: /api/, methods: [get]}"),),
    "a tunnel": (("{prefix: /api/}", "{prefix: /api/, methods: [CONNECT]}"),),
    "two warehouses on one route": (("grants:\n", OTHER.replace("/other/", "/api/")),),
    "an upstream without scheme": (("http://warehouse:8080", "warehouse:8080"),),
    "an upstream with a path": (("http://warehouse:8080", "http://warehouse:8080/base"),),
    "an upstream with credentials": (("http://warehouse:8080", "http://me:hunter2@warehouse:8080"),),
    "credentials without scheme": (("http://warehouse:8080", "me:hunter2@warehouse:8080"),),
    "no columns": ((COLUMNS, ""),),
    "neither columns nor tables of a Trino": ((COLUMNS, "    kind: trino\n"),),
    "tables without a dimension": (_tables("", "orders: {}, customers: {labels: {email: pii}}"),),
    "empty tables": ((COLUMNS, "    kind: trino\n    tables: {}\n"),),
    "columns beside tables": (_warehouse("tables: {orders: {columns: {region: r, ordered_at: o}}}"),),
    "columns of a Trino": (_warehouse("kind: trino"),),
    "labels beside tables": ((COLUMNS, "    tables: {orders: {columns: {region: r, ordered_at: o}}}\n"),),
    "a dialect of another kind": (_trino("dialect: mysql"),),
    "headers of a Trino": (_trino("headers: [json]"),),
    "guardrails of a plain API": (
        _tables("guardrails: {max_rows: 10}", "o: {columns: {region: r, ordered_at: o}, labels: {e: pii}}"),
    ),
    "guardrails that are switched on": (_trino("guardrails: on"),),
    "a pattern that no table fits": (_trino("guardrails: {tables: [system.jdbc]}"),),
    "a partition of another table": (_trino("guardrails: {partitions: {a.b.d: {column: dt}}}"),),
    "a function in capitals": (_trino("guardrails: {denied_functions: [LENGTH]}"),),
    "a range of hours": (_trino("guardrails: {partitions: {a.b.c: {column: dt, within: 36h}}}"),),
    "a statement that writes": (_trino("guardrails: {statements: [select, insert]}"),),
    "the form sql of several tables": (_tables("headers: [sql]"),),
    "user of a plain warehouse": (_warehouse("user: {claim: email}"),),
    "user without a claim's name": (_trino("", user='    user: {claim: "a b", qualified: true}\n'),),
    "people of two sources": (_trino("", user=""),),
    "a Trino under a path": (
        _trino(""),
        ("routes: [{prefix: /}]", "routes: [{prefix: /v1/}, {path: /v1/info, methods: [GET]}]"),
    ),
    "a cache of a Trino": (_trino("cache: {ttl: 60s}"),),
    "a cache of a ClickHouse": (_warehouse("kind: clickhouse"), (COLUMNS + LABELS, CLICKHOUSE_TABLES)),
    "labels of a ClickHouse": (
        (CACHE, "    kind: clickhouse\n"),
        (COLUMNS + LABELS, CLICKHOUSE_TABLES.replace("o}}", "o}, labels: {e: pii}}")),
    ),
    "a login at Trino with a space": (_trino('trino: {proxy: "a b"}'),),
    "Trino's part of another kind": (_warehouse("trino: {proxy: a}"),),
    "a database's part of another kind": (_warehouse("postgrest: {role: a}"),),
    "two tables of one view": (
        _postgrest(
            "",
            "a.orders: {columns: {region: r, ordered_at: o}}, b.orders: {columns: {region: r, ordered_at: o}}",
        ),
    ),
    "a role with a hyphen": (_postgrest("postgrest: {role: a-b}"),),
    "one role for both": (_postgrest("postgrest: {role: a, owner: a}"),),
    "a Trino table in two parts": (_trino("", "sales.orders: {columns: {region: r, ordered_at: o}}"),),
    "a Trino table in capitals": (_trino("", "a.b.Orders: {columns: {region: r, ordered_at: o}}"),),
    "a table that forgets a dimension": (
        _trino("", "a.b.c: {columns: {region: r, ordered_at: o}}, a.b.d: {columns: {region: r}}"),
    ),
    "a dimension unfiltered that has a column": (
        _trino("", "a.b.c: {columns: {region: r, ordered_at: o}, unfiltered: [region]}"),
    ),
    "unknown dimensions of a table": (_trino("", "a.b.c: {columns: {regoin: r}, unfiltered: [orderd_at]}"),),
    "a column of a table with a line break": (
        _trino("", 'a.b.c: {columns: {region: "a\\nb", ordered_at: o}, labels: {"x\\ty": pii}}'),
    ),
    "a filter in an unknown language": _filter("form: graphql"),
    "a filter without a language": _filter("next_links: true"),
    "a filter under a prefix": _filter("form: postgrest", "{prefix: /api/}, {path: /orders}"),
    "a filter for what is written": _filter("form: odata", "{path: /orders, methods: [GET, POST]}"),
    "filters beside what no filter holds for": _filter(
        "form: odata",
        "{path: /Orders(1)}, {path: /Orders/$count}, {path: /o/Orders/}, {path: /o/$metadata}, {path: /$batch}",
    ),
    "a filter for a function": _filter("form: postgrest", "{path: /rpc/orders}, {path: /$metadata}"),
    "a filter beside parameters": _filter("form: odata", more="    query: {region: r}\n"),
    "a filter of several tables": _filter(
        "form: odata", columns="    tables: {orders: {columns: {region: r, ordered_at: o}}}\n"
    ),
    "a filter beside labels": (_filter("form: postgrest", more=LABELS)[0],),
    "next links of a PostgREST": _filter("form: postgrest, next_links: true"),
    "properties that are no names": _filter(
        "form: odata", columns="    columns: {region: Customer/Region, ordered_at: '1st'}\n"
    ),
    "a column that cannot be quoted": _filter(
        "form: postgrest", columns="    columns: {region: 'a\"b', ordered_at: '*'}\n"
    ),
    "a filter of another kind": _filter("form: odata", more="    kind: cube\n"),
    "empty columns": ((COLUMNS, "    columns: {}\n"),),
    "an unknown dimension": (
        ("{region: region, ordered_at: ordered_at}", "{regoin: region, ordered_at: ordered_at}"),
    ),
    "an unknown dialect": (_warehouse("dialect: postgresql"),),
    "an unknown header form": (_warehouse("headers: [jsn]"),),
    "no form at all": (_warehouse("headers: []"),),
    "an owned parameter": (_warehouse("query: {region: __scope}"),),
    "a parameter twice": (_warehouse("query: {region: r, ordered_at: R}"),),
    "a bad parameter": (_warehouse("query: {region: 'r&x'}"),),
    "a parameter of no dimension": (_warehouse("query: {product: p}"),),
    "identity in a shared cache": (_warehouse("identity_headers: true"),),
    "a bare ttl": (("{ttl: 60s}", "60s"),),
    "a ttl without unit": (("{ttl: 60s}", "{ttl: 60}"),),
    "no time to live": (("{ttl: 60s}", "{ttl: 0s}"),),
    "an owned vary header": (("{ttl: 60s}", "{ttl: 60s, vary: [Authorization]}"),),
    "a bad vary header": (("{ttl: 60s}", "{ttl: 60s, vary: ['*']}"),),
    "a rate without unit": (("120/min", "120"),),
    "a rate in minutes": (("120/min", "120/m"),),
    "no requests": (("120/min", "0/min"),),
    "an unknown issuer": (_warehouse("issuers: [octa]"),),
    "an unknown trust": (_warehouse("certificates: [extract]"),),
    "issuers that are not asked": (
        _warehouse("{authentication: certificate, issuers: [okta]}"[1:-1].replace(", ", "\n    ", 1)),
    ),
    "both without certificates": (
        ("client_certificates:\n", ""),
        (TRUST, ""),
        _warehouse("authentication: both"),
        ("{spiffe: [spiffe://acme.example/tableau/extract]}", "{subjects: [x]}"),
    ),
    "an upstream with a word for a port": (("warehouse:8080", "warehouse:http"),),
    "an upstream that is no host": (("warehouse:8080", "ware house:8080"),),
    "an upstream without port digits": (("warehouse:8080", "warehouse:0"),),
    "a column with a line break": ((COLUMNS, '    columns: {region: "a\\nb", ordered_at: o}\n'),),
    "a labelled column without a name": (("labels: {customer_email: pii}", "labels: {'': pii}"),),
    "an upper-case label": (
        ("labels: {customer_email: pii}", "labels: {customer_email: PII}"),
        ("hide: [pii]", "hide: [PII]"),
    ),
    "a list of labelled columns": (
        ("labels: {customer_email: pii}", "labels: [customer_email]"),
        (", hide: [pii]", ", scope: {region: [EU]}"),
    ),
    "a bare limit": (("{per_principal: 120/min}", "120/min"),),
    "a limit in the wrong place": (("limits: {per_principal: 120/min}", "per_principal: 120/min"),),
    "a switch for a cache": (("{ttl: 60s}", "on"),),
    "a warehouse that is called like a key": (
        ("  sales:\n", "  cache:\n    tll: 1s\n"),
        ("on: [sales]", "on: [cache]"),
    ),
    # grants
    "no id": (("id: emea-analysts, ", ""),),
    "an id with a space": (("id: emea-analysts", "id: emea analysts"),),
    "an id twice": (("id: contractors-no-pii", "id: emea-analysts"),),
    "nobody": ((f"{_GRANTEES}, ", ""),),
    "an empty to": ((_GRANTEES, "to: {}"),),
    "a text for groups": ((_GRANTEES, "to: {groups: analysts-emea}"),),
    "a misspelt selector": ((_GRANTEES, "to: {group: [analysts-emea]}"),),
    "whose groups": ((OKTA, OKTA + OKTA.replace("okta", "corp")),),
    "groups without issuers": (("issuers:\n", ""), (OKTA, "")),
    "a SPIFFE ID without scheme": (("spiffe://acme.example/tableau", "acme.example/tableau"),),
    "a SPIFFE wildcard": (("/tableau/extract", "/tab*/extract"),),
    "another trust domain": (("spiffe://acme.example/tableau", "spiffe://acme.exmaple/tableau"),),
    "DNS names without their trust": (
        ("{spiffe: [spiffe://acme.example/tableau/extract]}", "{dns: [extract.acme.example]}"),
    ),
    "a wildcard DNS name": (
        ("identity: spiffe, trust_domain: acme.example", "identity: dns"),
        ("{spiffe: [spiffe://acme.example/tableau/extract]}", "{dns: ['*.acme.example']}"),
    ),
    "an unknown warehouse": (("on: [sales], scope: {region: all", "on: [sale], scope: {region: all"),),
    "a text for on": (("on: [sales], scope: {region: all", "on: sales, scope: {region: all"),),
    "all in a list of warehouses": (("on: [sales], scope: {region: all", "on: [all], scope: {region: all"),),
    "no warehouse": (("on: [sales], scope: {region: all", "on: [], scope: {region: all"),),
    "no scope": ((f", {SCOPE}", ""),),
    "a missing dimension": (("region: all, ordered_at: all", "region: all"),),
    "two missing dimensions": (("scope: {region: all, ordered_at: all}", "scope: {}"),),
    "an unknown dimension in a scope": (
        ("region: all, ordered_at: all", "region: all, orderd_at: all, ordered_at: all"),
    ),
    "a dimension that another warehouse lacks": (
        ("grants:\n", OTHER),
        ("on: [sales], scope: {region: all", "on: all, scope: {region: all"),
    ),
    "a dimension that the warehouse lacks": (
        AMOUNT,
        ("region: all, ordered_at: all", "region: all, ordered_at: all, amount: all"),
    ),
    # scope terms
    "a bare value": (_term("EU"),),
    "bare values": (_term("'EU, UK'"),),
    "a capital all": (_term("ALL"),),
    "an asterisk": (_term("'*'"),),
    "nothing for a dimension": (_term("~"),),
    "a number for a word": (_term("[1]"),),
    "a boolean for a word": (_term("[true]"),),
    "a null for a word": (_term("[null]"),),
    "an empty word": (_term("['']"),),
    "a word for a date": (_dates("[yesterday]"),),
    "a date that does not exist": (_dates("[2026-02-30]"),),
    "all among dates": (_dates("[all]"),),
    "a window of words": (_term("{last: 400d}"),),
    "a window without unit": (_dates("{last: 400}"),),
    "a window of hours on dates": (_dates("{last: 36h}"),),
    "an empty window": (_dates("{last: 0d}"),),
    "a window shorter than its step": (_dates("{last: 1d, step: 7d}"),),
    "a misspelt window": (_dates("{lsat: 400d}"),),
    "two forms in one": (_dates("{last: 400d, from: 2026-01-01}"),),
    "an empty term": (_dates("{}"),),
    "an inverted range": (_dates("{from: 2026-12-31, through: 2026-01-01}"),),
    "two upper bounds": (_dates("{through: 2026-12-31, before: 2027-01-01}"),),
    "a bound of another type": (_dates("{from: 7}"),),
    "a claim that is no name": (_term("{claim: [department]}"),),
    "a claim with too many values": (_term("{claim: department, max_values: 0}"),),
    # columns
    "an unknown label": (("hide: [pii]", "hide: [pi]"),),
    "an unknown mask": ((f"on: [sales], {SCOPE}", f"on: [sales], {SCOPE}, mask: {{pii: sha256}}"),),
    "a label treated twice": ((f"on: [sales], {SCOPE}", f"on: [sales], {SCOPE}, clear: [pii], hide: [pii]"),),
    "an empty list of labels": (("hide: [pii]", "hide: []"),),
    # validity
    "a date that is none": ((SCOPE, f"{SCOPE}, valid: {{until: soon}}"),),
    "a time without zone": ((SCOPE, f"{SCOPE}, valid: {{until: 2026-01-31T18:00:00}}"),),
    "an inverted validity": ((SCOPE, f"{SCOPE}, valid: {{from: 2026-02-01, until: 2026-01-01}}"),),
    "an empty validity": ((SCOPE, f"{SCOPE}, valid: {{}}"),),
    "an open end left open": ((SCOPE, f"{SCOPE}, valid: {{from: 2026-02-01, until: }}"),),
    "an hour that does not exist": ((SCOPE, f"{SCOPE}, valid: {{until: 2026-01-31T25:00:00Z}}"),),
    "an id in a list": (("id: emea-analysts", "id: [emea-analysts]"),),
    "a number for an id": (("id: emea-analysts", "id: 1"),),
    "a boolean for a condition": (_when("true"),),
    # restrictions and denies
    "a restriction that clears": (("hide: [pii]", "clear: [pii]"),),
    "a restriction of nothing": ((", hide: [pii]", ""),),
    "a restriction that some warehouses cannot obey": (
        ("grants:\n", OTHER),
        ("hide: [pii]", "scope: {ordered_at: {last: 30d}}"),
    ),
    "a deny of everybody": (_rule("denies:\n  - {id: closed}"),),
    "a deny that hides": (_rule("denies:\n  - {id: closed, to: {groups: [x]}, hide: [pii]}"),),
    # conditions
    "a condition with a typo": (_when("'\"x\" in principal.gruops'"),),
    "a condition that is no boolean": (_when("principal.subject"),),
    "a condition of types that do not meet": (_when("principal.subject == 7"),),
    "a condition with a syntax error": (_when("'\"x\" in in principal.groups'"),),
    "a mistake in a block of lines": (
        _when('|\n      "x" in principal.groups\n        && principal.gruops == []'),
    ),
    "a mistake in a folded block": (
        _when('>-\n      "x" in principal.groups\n      && principal.gruops == []'),
    ),
    "a mistake in a double-quoted text": (_when(r'"\"x\" in principal.gruops"'),),
    "a mistake in a plain text on two lines": (
        _when("principal.subject == 'x' ||\n      principal.gruops == []"),
    ),
    "a regular expression that is none": (_when("principal.subject.matches('(')"),),
    # presets
    "an unknown preset": (_issuer("preset: otka, domain: acme.okta.com, audiences: [api://warehouse]"),),
    "a preset without its parameter": (_issuer("preset: entra, audiences: [x]"),),
    "two parameters that are missing": (_issuer("preset: keycloak, audiences: [x]"),),
    "a tenant by its name": (_issuer("preset: entra, tenant: acme.onmicrosoft.com, audiences: [x]"),),
    "a tenant in capitals": (
        _issuer("preset: entra, tenant: 8F6B1C1E-52A1-4D0C-9D2B-7D3B0A4F9E11, audiences: [x]"),
    ),
    "a domain as a URL": (_issuer("preset: okta, domain: 'https://acme.okta.com/', audiences: [x]"),),
    "a parameter of another preset": (
        _issuer("preset: okta, domain: acme.okta.com, tenant: acme, audiences: [x]"),
    ),
    "a parameter without preset": (
        _issuer("issuer: https://acme.okta.com, domain: acme.okta.com, audiences: [x]"),
    ),
    "an issuer beside a preset that knows it": (
        _issuer("preset: google, issuer: https://accounts.google.com, audiences: [x]"),
    ),
    "an issuer of one's own beside its parameters": (
        _issuer(
            "preset: ping, issuer: https://sso.acme.example, audiences: [x],"
            " environment: 3c5f0a52-7a0e-4a0b-9a44-2f8c1d7e6b90"
        ),
    ),
    "a preset without issuer": (_issuer("preset: kubernetes, audiences: [x]"),),
    "a preset without audiences": (_issuer("preset: google"),),
    "an owner as a number": (_issuer("preset: github_actions, owner_id: 65000000, audiences: [x]"),),
    "a trust domain as a SPIFFE ID": (
        _issuer(
            "preset: spiffe_jwt_svid, trust_domain: 'spiffe://acme.example', jwks_file: f, audiences: [x]"
        ),
    ),
    "keys that are not discovered": (
        _issuer("preset: spiffe_jwt_svid, trust_domain: acme.example, audiences: [x]"),
    ),
    "secrets that are missing": (
        _issuer("preset: tableau_connected_app, client_id: 4d1f2c9a-6d0f-4d0e-8a53-1f6f0f1c7b2a"),
    ),
    "a key set of secrets": (
        _issuer(
            "preset: tableau_connected_app, client_id: 4d1f2c9a-6d0f-4d0e-8a53-1f6f0f1c7b2a, jwks_file: keys.json"
        ),
    ),
    "secrets and a key set": (
        _issuer(
            "preset: tableau_connected_app, client_id: 4d1f2c9a-6d0f-4d0e-8a53-1f6f0f1c7b2a,"
            " jwks_file: keys.json, secrets: {a: b}"
        ),
    ),
    "what a preset leaves no choice of": (
        _issuer(
            "preset: tableau_connected_app, client_id: 4d1f2c9a-6d0f-4d0e-8a53-1f6f0f1c7b2a, secrets: {a: b},"
            " audiences: [x], algorithms: [RS256]"
        ),
    ),
    "secrets of another preset": (
        _issuer("preset: okta, domain: acme.okta.com, audiences: [x], secrets: {a: b}"),
    ),
    "a token for one use and for ever": (
        ("groups_claim: groups}\nclient", "groups_claim: groups, single_use: true}\nclient"),
    ),
    "a claim of an unknown type": (
        ("groups_claim: groups}\nclient", "groups_claim: groups, claims: {region: text}}\nclient"),
    ),
    "a list of claims": (
        ("groups_claim: groups}\nclient", "groups_claim: groups, claims: [region]}\nclient"),
    ),
    "two presets for one issuer": (
        (
            OKTA,
            "  a: {preset: google, audiences: [x]}\n  b: {issuer: https://accounts.google.com, audiences: [y]}\n",
        ),
    ),
    # where tokens may stand
    "credentials as a word": (_warehouse("credentials: bearer"),),
    "no credentials": (_warehouse("credentials: []"),),
    "an unknown place": (_warehouse("credentials: [query]"),),
    "a place of an unknown kind": (_warehouse("credentials: [{query: token}]"),),
    "a place without a name": (_warehouse("credentials: [{}]"),),
    "a place of two kinds": (_warehouse("credentials: [{header: x-token, cookie: token}]"),),
    "one place twice": (_warehouse("credentials: [basic, bearer, {basic: email}]"),),
    "a header that is removed before": (_warehouse("credentials: [{header: X-Forwarded-Access-Token}]"),),
    "a header of ours": (_warehouse("credentials: [{header: x-scope-token}]"),),
    "a header of HTTP": (_warehouse("credentials: [{header: Host}]"),),
    "authorization as a header": (_warehouse("credentials: [{header: Authorization}]"),),
    "a header with a space": (_warehouse("credentials: [{header: my token}]"),),
    "a cookie with a sign": (_warehouse("credentials: [{cookie: 'a=b'}]"),),
    "credentials that are not looked at": (
        _warehouse("authentication: certificate\n    credentials: [basic]"),
    ),
    "an answer that varies by a token": (
        ("cache: {ttl: 60s}", "cache: {ttl: 60s, vary: [x-token]}\n    credentials: [{header: x-token}]"),
    ),
    # the edge
    "a listener without host": (_rule("edge: {listen: ':8443'}"),),
    "a listener without port": (_rule("edge: {listen: 0.0.0.0}"),),
    "a port out of range": (_rule("edge: {listen: '0.0.0.0:84430'}"),),
    "an admin interface for everybody": (_rule("edge: {admin: '0.0.0.0:9901'}"),),
    "an admin interface by name": (_rule("edge: {admin: 'localhost:9901'}"),),
    "a socket for a listener": (_rule("edge: {listen: 'unix:/run/envoy.sock'}"),),
    "a public URL that is half a one": (_rule("edge: {public_url: 'https://['}"),),
    "a relative socket": (_rule("edge: {scopegate: ['unix:scopegate.sock']}"),),
    "a public URL without TLS": (_rule("edge: {public_url: http://data.acme.example}"),),
    "a timeout of minutes": (_rule("edge: {check_timeout: 2m}"),),
    # what is signed
    "a signed form and nobody who signs": (_warehouse("headers: [assertion]"),),
    "keys without files": (_rule("assertion: {keys: []}"),),
    "no keys at all": (_rule("assertion: {issuer: 'https://edge.acme.example'}"),),
    "a key file twice": (_rule("assertion: {keys: [a.pem, b.pem, a.pem], issuer: me}"),),
    "an unknown key signs": (_rule("assertion: {keys: [new.pem, old.pem], sign_with: nwe.pem, issuer: me}"),),
    "an assertion of a second": (_rule("assertion: {keys: [a.pem], ttl: 1s, issuer: me}"),),
    "an assertion of an hour": (_rule("assertion: {keys: [a.pem], ttl: 1h, issuer: me}"),),
    "an assertion of half seconds": (_rule("assertion: {keys: [a.pem], ttl: 10500ms, issuer: me}"),),
    "an issuer with a line end": (_rule('assertion: {keys: [a.pem], issuer: "a\\nb"}'),),
    "a symmetric algorithm to sign with": (
        _rule("assertion: {keys: [a.pem], algorithm: HS256, issuer: me}"),
    ),
    "no issuer and no public URL": (_rule("assertion: {keys: [a.pem]}"),),
    "certificates required of nobody": (_rule("edge: {require_client_certificate: true}"),),
}


def text_of(name: str) -> str:
    """The policy with one mistake. Raises `AssertionError` if the change does not apply any more."""
    text = SMALL
    for old, new in MISTAKES[name]:
        assert old in text, (name, old)
        text = text.replace(old, new)
    return text


def messages(text: str) -> list[str]:
    """What Scopegate says to a policy, with the column behind the line."""
    try:
        parse_policy([SourceText("p.yaml", text)])
    except PolicyError as error:
        return [
            problem.text
            if problem.column is None
            else problem.text.replace(":", f":{problem.line}:{problem.column}:", 1).replace(
                f":{problem.line}: ", " ", 1
            )
            for problem in error.problems
        ]
    return ["no problem"]


def report() -> Iterator[str]:
    """The golden text."""
    for name in MISTAKES:
        yield f"# {name}\n"
        for message in messages(text_of(name)):
            yield f"{message}\n"
        yield "\n"


if __name__ == "__main__":
    print("".join(report()), end="")
