"""docs/warehouses.md, about filters in a query: its policy loads, and each request becomes what it says."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from authz.errors import Denied
from authz.policy.decision import Allow
from authz.policy.evaluate import evaluate
from authz.policy.policyset import FilterForm, PolicySet
from authz.rendering.render import render_request
from authz.rendering.targets.filtered import PREFERENCES
from authz.request import AccessRequest
from tests.allows import principal
from tests.policies import policy
from tests.tokens import NOW

TEXT = (Path(__file__).parents[2] / "docs" / "warehouses.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## APIs that speak PostgREST's or OData's query language\n")[2].partition("\n## ")[
    0
]
REQUESTS = re.findall(r"^\| `(/[^`]*)` \| `([^`]+)` \|$", SECTION, re.MULTILINE)
ANALYST = replace(principal(), groups=frozenset({"analysts"}))
REST = """
version: 1
issuers: {okta: {issuer: https://acme.okta.com, audiences: [a], groups_claim: groups}}
dimensions: {region: {type: string}, day: {type: date}}
grants:
  - {id: eu, to: {groups: [analysts]}, on: all, scope: {region: [EU, UK], day: {from: 2026-01-01}}}
"""


def _policy() -> PolicySet:
    (example,) = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    return policy(REST + example)


def _becomes(target: str) -> str:
    path, _, asked = target.partition("?")
    request = AccessRequest(method="GET", host="api.example", path=path, query=quote(asked, safe="=&$(),*'"))
    rules = _policy()
    try:
        warehouse = rules.routes.find(request)
        decision = evaluate(rules, ANALYST, warehouse, request, NOW)
        assert isinstance(decision, Allow), decision
        rewrites = render_request(decision, ANALYST, request, rules.version, None)
    except Denied as denied:
        return denied.reason.value
    assert rewrites.path is not None
    return unquote(rewrites.path)


@pytest.mark.parametrize(("asked", "becomes"), REQUESTS)
def test_each_request_becomes_what_the_page_says(asked: str, becomes: str) -> None:
    """For the analyst of the page."""
    assert _becomes(asked) == becomes


def test_the_page_has_both_languages_and_their_refusals() -> None:
    """So that a table that is not read any more is noticed."""
    assert len(REQUESTS) >= 14
    assert {"route_unknown", "parameter_denied", "column_hidden"} <= {becomes for _, becomes in REQUESTS}


def test_the_page_names_every_preference_that_is_open() -> None:
    """The others are examples."""
    (row,) = re.findall(r"^\| `Prefer` \| ([^|]+) \| ([^|]+) \|$", SECTION, re.MULTILINE)
    for form, text in zip((FilterForm.POSTGREST, FilterForm.ODATA), row, strict=True):
        open_ = set(re.findall(r"`([^`]+)`", text.partition("; not")[0]))
        assert open_ == {name.removeprefix("odata.") for name in PREFERENCES[form]}
