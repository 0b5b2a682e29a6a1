"""The rules that may apply to a principal, found without looking at the others."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from authz.identity.principal import Principal
from authz.policy.policyset import DenyRule, Grant, Restriction, Selector
from authz.policy.selection import spiffe_forms

RuleT = TypeVar("RuleT", Grant, Restriction, DenyRule)

_Places = int | list[int]
"""Of rules on a shelf. One has no list of its own: 10,000 lists take 3 ms to free, all at once, with the policy before."""
_Postings = dict[str, _Places]


class _Shelf(Generic[RuleT]):
    """The rules of one kind on one warehouse, each filed under every value of the one key that selects best.

    Filing is no decision: whoever takes a candidate from here holds its whole selector against the principal.
    """

    __slots__ = (
        "_certificates",
        "_dns",
        "_emails",
        "_everybody",
        "_groups",
        "_issuers",
        "_spiffe",
        "_subjects",
        "rules",
    )

    def __init__(self) -> None:
        self.rules: list[RuleT] = []
        self._subjects: _Postings = {}
        self._spiffe: _Postings = {}
        self._dns: _Postings = {}
        self._emails: _Postings = {}
        self._groups: _Postings = {}
        self._certificates: _Postings = {}
        self._issuers: _Postings = {}
        self._everybody: list[int] = []

    def add(self, rule: RuleT) -> None:
        place = len(self.rules)
        self.rules.append(rule)
        filed = self._drawer(rule.to)
        if filed is None:
            self._everybody.append(place)
            return
        drawer, values = filed
        for value in values:
            others = drawer.get(value)
            if others is None:
                drawer[value] = place
            elif isinstance(others, int):
                drawer[value] = [others, place]
            else:
                others.append(place)

    def _drawer(self, to: Selector | None) -> tuple[_Postings, frozenset[str]] | None:
        """The key with the fewest principals for each value comes first: a person, a machine, a group, an issuer."""
        if to is None:
            return None
        keys = (
            (self._subjects, to.subjects),
            (self._spiffe, to.spiffe),
            (self._dns, to.dns),
            (self._emails, to.emails),
            (self._groups, to.groups),
            (self._certificates, to.certificates),
            (self._issuers, to.issuers),
        )
        for drawer, values in keys:
            if values is not None:
                return drawer, values
        return None

    def candidates(self, principal: Principal) -> list[RuleT]:
        """In the order of the policy, each rule once."""
        places = set(self._everybody)
        for found in self._found(principal):
            places.update((found,) if isinstance(found, int) else found)
        return [self.rules[place] for place in sorted(places)]

    def _found(self, principal: Principal) -> Iterator[_Places]:
        if self._subjects:
            yield self._subjects.get(principal.subject, [])
        if self._issuers:
            yield self._issuers.get(principal.issuer, [])
        if self._groups:
            yield from self._found_by_group(principal.groups)
        certificate = principal.certificate
        if certificate is None:
            return
        yield self._certificates.get(certificate.trust, [])
        if self._spiffe and certificate.spiffe_id is not None:
            for form in spiffe_forms(certificate.spiffe_id):
                yield self._spiffe.get(form, [])
        if certificate.dns_name is not None:
            yield self._dns.get(certificate.dns_name, [])
        if certificate.email is not None:
            yield self._emails.get(certificate.email, [])

    def _found_by_group(self, groups: frozenset[str]) -> Iterator[_Places]:
        """Over the smaller side: a token may have a thousand groups, a policy a hundred thousand."""
        if len(groups) <= len(self._groups):
            for group in groups:
                if group in self._groups:
                    yield self._groups[group]
        else:
            for group, places in self._groups.items():
                if group in groups:
                    yield places


class RuleIndex:
    """The rules of a policy by warehouse and by whom they are for, built once for each policy."""

    __slots__ = ("_denies", "_grants", "_narrowed_by_group", "_restrictions")

    def __init__(self, rules: Iterable[Grant | Restriction | DenyRule] = ()) -> None:
        """Raises `ValueError` as `add` does."""
        self._grants: dict[str, _Shelf[Grant]] = {}
        self._restrictions: dict[str, _Shelf[Restriction]] = {}
        self._denies: dict[str, _Shelf[DenyRule]] = {}
        self._narrowed_by_group: set[str] = set()
        for rule in rules:
            self.add(rule)

    def add(self, rule: Grant | Restriction | DenyRule) -> None:
        """File one more, behind the others of its kind; before the index belongs to a policy, and not afterwards.

        Raises `ValueError` for a restriction or deny rule without a warehouse: it would silently be lost.
        """
        if isinstance(rule, Grant):
            _file(self._grants, rule)
            return
        if not rule.on:
            raise ValueError(f"rule `{rule.id}` is on no warehouse")
        if isinstance(rule, Restriction):
            _file(self._restrictions, rule)
        else:
            _file(self._denies, rule)
        if _reads_groups(rule):
            self._narrowed_by_group |= rule.on

    def grants_for(self, principal: Principal, warehouse: str) -> list[Grant]:
        """Every grant on a warehouse that may be for the principal, and few others, in the order of the policy."""
        return _candidates(self._grants, principal, warehouse)

    def restrictions_for(self, principal: Principal, warehouse: str) -> list[Restriction]:
        """Every restriction on a warehouse that may be for the principal, and few others, in policy order."""
        return _candidates(self._restrictions, principal, warehouse)

    def denies_for(self, principal: Principal, warehouse: str) -> list[DenyRule]:
        """Every deny rule on a warehouse that may be for the principal, and few others, in policy order."""
        return _candidates(self._denies, principal, warehouse)

    def is_narrowed_by_group(self, warehouse: str) -> bool:
        """Whether some restriction or deny rule on a warehouse looks at groups."""
        return warehouse in self._narrowed_by_group

    def grants_on(self, warehouse: str) -> list[Grant]:
        """Every grant on a warehouse, for whomever, in the order of the policy. Not to be changed."""
        shelf = self._grants.get(warehouse)
        return [] if shelf is None else shelf.rules


def _reads_groups(rule: Restriction | DenyRule) -> bool:
    named = rule.to is not None and rule.to.groups is not None
    return named or (rule.when is not None and "principal.groups" in rule.when.variables)


def _candidates(shelves: Mapping[str, _Shelf[RuleT]], principal: Principal, warehouse: str) -> list[RuleT]:
    shelf = shelves.get(warehouse)
    return [] if shelf is None else shelf.candidates(principal)


def _file(shelves: dict[str, _Shelf[RuleT]], rule: RuleT) -> None:
    for warehouse in rule.on:
        shelf = shelves.get(warehouse)
        if shelf is None:
            shelf = shelves[warehouse] = _Shelf()
        shelf.add(rule)
