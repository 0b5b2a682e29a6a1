"""The rules of a policy file as pydantic types. Their docstrings are the reference, as in `authz.policy.document`."""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from authz.policy.fields import Labels, Mask, Maybe, On, Part, RuleId, Scope, Text


class SelectorPart(Part):
    """Whom a rule is for: every key that is named must hold, any one of its values suffices."""

    groups: Maybe[list[Text]] = None
    """Groups of the token."""
    subjects: Maybe[list[Text]] = None
    """Subjects of the token; with `issuers`, if more than one issuer is configured (so with `groups`)."""
    issuers: Maybe[list[Text]] = None
    """Configured names of issuers."""
    spiffe: Maybe[list[Text]] = None
    """SPIFFE IDs, exact or ending in `/*`."""
    dns: Maybe[list[Text]] = None
    """DNS names of client certificates."""
    emails: Maybe[list[Text]] = None
    """E-mail addresses of client certificates."""
    certificates: Maybe[list[Text]] = None
    """Names of `client_certificates` entries."""


class ValidityPart(Part):
    """When a grant exists: dates (their first moment in UTC) or timestamps with a zone."""

    from_: Annotated[Any, Field(alias="from"), WithJsonSchema({"type": "string"})] = None
    """From this moment on."""
    until: Annotated[Any, WithJsonSchema({"type": "string"})] = None
    """Until just before this moment."""


class GrantPart(Part):
    """Gives access within a scope. Several grants that match combine with OR, each one whole."""

    id: RuleId
    """Unique among all rules; stands in answers and in the audit trail."""
    to: Maybe[SelectorPart] = None
    """Who; may be left out where `when` says it."""
    on: On
    """Warehouses, or `all`."""
    scope: Scope
    """A term for each dimension of each of these warehouses."""
    clear: Maybe[Labels] = None
    """Labels whose columns are shown as they are."""
    mask: dict[Text, Mask] = Field(default={})
    """Label to mask: `hash`, `last4`, `year` or `null`."""
    hide: Maybe[Labels] = None
    """Labels whose columns are hidden, as are all that no key of this grant names."""
    when: Maybe[Text] = None
    """A CEL condition."""
    valid: Maybe[ValidityPart] = None
    """When the grant exists."""


class RestrictionPart(Part):
    """Narrows what the grants gave. Without `to` for everybody, without `on` for every warehouse."""

    id: RuleId
    """Unique among all rules."""
    to: Maybe[SelectorPart] = None
    """Who; everybody, if left out."""
    on: On = "all"
    """Warehouses, or `all`."""
    scope: Scope = Field(default={})
    """Terms for some dimensions, each of which every one of these warehouses has."""
    mask: dict[Text, Mask] = Field(default={})
    """Label to mask."""
    hide: Maybe[Labels] = None
    """Labels whose columns are hidden."""
    when: Maybe[Text] = None
    """A CEL condition."""


class DenyPart(Part):
    """Ends it, whatever the grants gave. With `to`, `when` or both."""

    id: RuleId
    """Unique among all rules."""
    to: Maybe[SelectorPart] = None
    """Who."""
    on: On = "all"
    """Warehouses, or `all`."""
    when: Maybe[Text] = None
    """A CEL condition."""
