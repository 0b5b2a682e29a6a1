"""Case files: a policy, people, requests, and what the answer must be.

```yaml
policy: policies/sales.yaml        # beside this file
at: 2026-03-10T12:00:00Z           # the time of every case that does not say another
people:                            # facts, as if they were proven
  ann: {subject: ann, groups: [analysts-emea]}
  extract: {spiffe: spiffe://acme.example/tableau/extract}
cases:
  - name: an analyst sees her regions
    who: ann                       # a name, a list of names (a token and a certificate), or facts
    ask: GET /api/orders           # or {method, host, path, headers, warehouse}
    expect: allowed                # or denied, with a reason
    rows: [{region: [EU, UK]}]     # all, none, or alternatives; only what is named is compared
    columns: {customer_email: hidden}
    headers: {x-scope-hidden: customer_email, x-scope-subject: null}
```

Every allow needs a denied neighbour in its file: a policy that lets everybody in passes every other case.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from authz.cli.asking import Answer, Target, ask
from authz.cli.who import Proof, StatedFacts, stated_principal
from authz.config.load import load_policy
from authz.errors import Reason
from authz.policy.decision import Allow, Deny
from authz.policy.policyset import PolicySet
from authz.policy.problems import Problems
from authz.policy.yamltext import SourceText, read_yaml
from authz.scopes.rowfilter import to_json


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Person(Part):
    subject: str | None = None
    issuer: str | None = None
    groups: list[str] = []
    claims: dict[str, object] = {}
    spiffe: str | None = None
    dns: str | None = None
    email: str | None = None
    trust: str | None = None


def _short_request(value: object) -> object:
    """`GET /api/orders`, `sales`, or the whole mapping."""
    if not isinstance(value, str):
        return value
    method, space, path = value.partition(" ")
    return {"method": method, "path": path} if space else {"warehouse": value}


class Request(Part):
    warehouse: str | None = None
    method: str | None = None
    host: str | None = None
    path: str | None = None
    headers: dict[str, str | list[str]] = {}
    source_address: str = ""


class Case(Part):
    name: str
    who: str | list[str] | Person
    ask: Annotated[Request, BeforeValidator(_short_request)]
    at: str | None = None
    expect: Literal["allowed", "denied"]
    reason: Reason | None = None
    rules: list[str] | None = None
    """Grants and restrictions that made an allow, or the rules that a denial names, in the order of the policy."""
    rows: Literal["all", "none"] | list[dict[str, object]] | None = None
    columns: dict[str, str] | None = None
    headers: dict[str, str | None] = {}
    query: dict[str, str] | None = None
    path: str | None = None
    until: str | None = None
    per_request: bool | None = None
    detail: str | None = None
    """A part of the operator's text."""


class CaseFile(Part):
    policy: str
    at: str
    people: dict[str, Person] = {}
    cases: Annotated[list[Case], Field(min_length=1)]


def read_case_file(path: Path) -> CaseFile:
    """Read as strictly as a policy. Raises `ValueError`."""
    problems = Problems()
    document = read_yaml(SourceText(path.name, path.read_text()), problems)
    if len(problems):
        raise ValueError("\n".join(problem.text for problem in problems))
    return CaseFile.model_validate(document)


def answer_of(
    file: CaseFile, case: Case, folder: Path, load: Callable[[Path], PolicySet] = load_policy
) -> Answer:
    """What the policy says to a case."""
    policy = load(folder / file.policy)
    stated = _stated(file, case)
    return ask(
        policy,
        Target(
            warehouse=case.ask.warehouse,
            method=case.ask.method,
            host=case.ask.host,
            path=case.ask.path,
            headers={
                name: (value,) if isinstance(value, str) else tuple(value)
                for name, value in case.ask.headers.items()
            },
            source_address=case.ask.source_address,
        ),
        lambda accepts, _: stated_principal(stated, policy, accepts),
        Proof.STATED,
        _seconds(case.at or file.at),
    )


def differences(case: Case, answer: Answer) -> Iterator[str]:
    """What is not as expected; nothing if all is."""
    decision = answer.decision
    if isinstance(decision, Deny):
        yield from _differ("decision", case.expect, "denied")
        yield from _differ("reason", case.reason, decision.reason)
        yield from _differ("rules", case.rules, list(decision.rules))
        if case.detail is not None and case.detail not in decision.detail:
            yield f"detail: expected `{case.detail}` in `{decision.detail}`"
    else:
        yield from _differ("decision", case.expect, "allowed")
        yield from _allow_differences(case, answer, decision)
    if case.until is not None and abs(_seconds(case.until) - decision.valid_until) >= 1:
        yield f"until: expected {case.until}, got {decision.valid_until}"
    yield from _differ("per_request", case.per_request, decision.per_request)


def _allow_differences(case: Case, answer: Answer, decision: Allow) -> Iterator[str]:
    yield from _differ("rules", case.rules, [*decision.grants, *decision.restrictions])
    yield from _differ("rows", case.rows, plain_rows(decision))
    columns = {name: mask.value for name, mask in decision.scope.columns.items()}
    yield from _differ("columns", case.columns, columns)
    assert answer.rewrites is not None
    assert answer.request_rewrites is not None
    sent = dict(answer.rewrites.set_headers + answer.request_rewrites.set_headers)
    for name, value in case.headers.items():
        if sent.get(name) != value:
            yield f"header {name}: expected {value!r}, got {sent.get(name)!r}"
    yield from _differ("query", case.query, dict(answer.request_rewrites.set_query))
    yield from _differ("path", case.path, answer.request_rewrites.path)


def plain_rows(decision: Allow) -> object:
    """The canonical JSON without types, and lists of values without `in`."""
    rows = to_json(decision.scope.rows)
    if not isinstance(rows, list):
        return rows
    return [{name: _plain(constraint) for name, constraint in alternative.items()} for alternative in rows]


def _plain(constraint: Mapping[str, object]) -> object:
    if "in" in constraint:
        return constraint["in"]
    return {key: value for key, value in constraint.items() if key != "type"}


def _differ(what: str, expected: object, got: object) -> Iterator[str]:
    if expected is not None and expected != got:
        yield f"{what}: expected {expected!r}, got {got!r}"


def _stated(file: CaseFile, case: Case) -> StatedFacts:
    if isinstance(case.who, Person):
        return StatedFacts(**case.who.model_dump())
    facts: dict[str, object] = {}
    for name in [case.who] if isinstance(case.who, str) else case.who:
        facts |= file.people[name].model_dump(exclude_unset=True)
    return StatedFacts(**facts)  # type: ignore[arg-type]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
