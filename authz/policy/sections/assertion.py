"""The `assertion:` section, and the warehouses that cannot do without it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from authz.policy.document import AssertionPart, EdgePart
from authz.policy.policyset import AssertionRule, Warehouse
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken

_PATH: Final[Path] = ("assertion",)
_TTL: Final = (timedelta(seconds=10), timedelta(minutes=10))


def build_assertion(context: Context, part: AssertionPart, edge: EdgePart | None) -> AssertionRule | None:
    """What is signed, or None after a problem."""
    before = len(context.report.problems)
    issuer = _issuer(context, part, edge)
    _check_keys(context, part)
    if not is_broken(part.ttl) and (not _TTL[0] <= part.ttl <= _TTL[1] or part.ttl % timedelta(seconds=1)):
        context.report.add("value", (*_PATH, "ttl"), "expected whole seconds, `10s` to `10m`")
    if issuer is None or len(context.report.problems) != before or is_broken(*part.__dict__.values()):
        return None
    files = tuple(context.file((*_PATH, "keys"), name) for name in part.keys)
    return AssertionRule(
        issuer=issuer,
        key_files=files,
        signs=files[0 if part.sign_with is None else part.keys.index(part.sign_with)],
        algorithm=part.algorithm,
        ttl_seconds=int(part.ttl.total_seconds()),
    )


def check_assertions(context: Context, warehouses: Iterable[Warehouse]) -> None:
    """A warehouse that is to be given something signed needs somebody who signs."""
    if "assertion" in context.report.root:
        return
    for warehouse in warehouses:
        if warehouse.takes_assertion:
            context.report.add(
                "missing",
                ("warehouses", warehouse.name),
                "something is signed for it, and `assertion` is missing",
                "say with which keys: `assertion: {keys: [assertion.pem]}`",
                key=True,
            )


def _issuer(context: Context, part: AssertionPart, edge: EdgePart | None) -> str | None:
    if edge is None or is_broken(part.issuer, edge.public_url):
        return None
    issuer = edge.public_url if part.issuer is None else part.issuer
    if issuer is None:
        context.report.add(
            "missing",
            _PATH,
            "`issuer` is missing, and so is `public_url` under `edge`",
            "warehouses believe one issuer by its name: give it one, such as `https://edge.example`",
            key=True,
        )
        return None
    if not issuer.isprintable():
        context.report.add("value", (*_PATH, "issuer"), "expected printable text")
        return None
    return issuer.rstrip("/") if part.issuer is None else issuer


def _check_keys(context: Context, part: AssertionPart) -> None:
    if is_broken(part.keys):
        return
    for number, name in enumerate(part.keys):
        if name in part.keys[:number]:
            context.report.add(
                "conflict", (*_PATH, "keys", number), f"the file `{name}` twice", "keep one of the two"
            )
    if not is_broken(part.sign_with) and part.sign_with is not None and part.sign_with not in part.keys:
        context.report.unknown((*_PATH, "sign_with"), "key file", part.sign_with, tuple(part.keys))
