"""A large policy can be read beside a thread that answers: it is put aside again and again, and read the same."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from authz.policy.canonical import policy_version
from authz.policy.parse import parse_policy
from authz.policy.yamlvalues import SourceText

HEAD = """\
version: 1
issuers:
  okta: {issuer: "https://issuer.example", audiences: ["api://warehouse"], groups_claim: groups}
dimensions: {region: {type: string}}
warehouses:
  sales: {routes: [{prefix: /api/}], upstream: http://warehouse, columns: {region: region}}
grants:
"""
RULES = 300


def test_a_large_policy_is_put_aside_for_each_rule_of_it_in_each_step() -> None:
    """Text, shape, meaning and version: none of them keeps the interpreter for as long as there are rules."""
    grants = "".join(
        f"  - {{id: g{number}, to: {{groups: [g{number}]}}, on: [sales], scope: {{region: [EU]}}}}\n"
        for number in range(RULES)
    )
    breaths = 0

    def breathe() -> None:
        nonlocal breaths
        breaths += 1

    source = [SourceText("scopegate.yaml", HEAD + grants)]
    aside, at_once = parse_policy(source, breathe), parse_policy(source)
    assert (aside.version, aside.grants) == (at_once.version, at_once.grants)
    # At least once a rule: its mappings and lists, its shape, its meaning, its words in the version.
    assert breaths > 4 * RULES


_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), _values, max_size=4))
def test_a_version_in_pieces_is_that_of_the_whole(document: Mapping[str, Any]) -> None:
    """Byte for byte what the encoder makes of it, or every policy would seem to have changed."""
    whole = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert policy_version(document) == sha256(f"scopegate-policy-1\0{whole}".encode()).hexdigest()[:32]
