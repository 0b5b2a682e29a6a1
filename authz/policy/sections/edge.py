"""The `edge:` section."""

import ipaddress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from authz.policy.document import EdgePart
from authz.policy.policyset import EdgeSettings
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken
from authz.policy.sections.units import WrongError, parse_address

_PATH: Path = ("edge",)
_TIMEOUT = (timedelta(milliseconds=10), timedelta(seconds=30))


def build_edge(context: Context, part: EdgePart) -> EdgeSettings | None:
    report = context.report
    before = len(report.problems)
    _check_address(context, "listen", part.listen, sockets=False)
    _check_address(context, "admin", part.admin)
    _check_admin(context, part.admin)
    if not is_broken(part.scopegate):
        for number, address in enumerate(part.scopegate):
            _check_address(context, "scopegate", address, number)
    _check_public_url(context, part.public_url)
    if not is_broken(part.check_timeout) and not _TIMEOUT[0] <= part.check_timeout <= _TIMEOUT[1]:
        report.add("value", (*_PATH, "check_timeout"), "expected `10ms` to `30s`")
    _check_client_ca(context, part)
    if len(report.problems) != before or is_broken(*part.__dict__.values()):
        return None
    return EdgeSettings(
        listen=part.listen,
        public_url=None if part.public_url is None else part.public_url.rstrip("/"),
        certificate=_file(context, "certificate", part.certificate),
        private_key=_file(context, "private_key", part.private_key),
        client_ca=None if part.client_ca is None else _file(context, "client_ca", part.client_ca),
        require_client_certificate=part.require_client_certificate,
        forward_client_chain=part.forward_client_chain,
        scopegate=tuple(part.scopegate),
        admin=part.admin,
        per_address=part.per_address,
        check_timeout_seconds=part.check_timeout.total_seconds(),
        upstream_ca=_file(context, "upstream_ca", part.upstream_ca),
        cache_directory=None
        if part.cache_directory is None
        else _file(context, "cache_directory", part.cache_directory),
    )


def _check_client_ca(context: Context, part: EdgePart) -> None:
    if is_broken(part.client_ca) or part.client_ca is not None:
        return
    for key, wanted in (
        ("require_client_certificate", part.require_client_certificate),
        ("forward_client_chain", part.forward_client_chain),
    ):
        if not is_broken(wanted) and wanted:
            context.report.add(
                "missing",
                (*_PATH, key),
                "`client_ca` is missing",
                "without it no certificate can be verified",
            )


def _file(context: Context, key: str, name: str) -> str:
    return context.file((*_PATH, key), name)


def _check_address(context: Context, key: str, raw: Any, *number: int, sockets: bool = True) -> None:
    if is_broken(raw):
        return
    try:
        parse_address(raw, sockets=sockets)
    except WrongError as wrong:
        context.report.add("value", (*_PATH, key, *number), str(wrong), wrong.help)


def _check_admin(context: Context, raw: Any) -> None:
    """Whoever reaches Envoy's admin interface reads its secrets and stops it (Pomerium CVE-2022-24797)."""
    if is_broken(raw) or raw.startswith("unix:"):
        return
    host = raw.rpartition(":")[0].strip("[]")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        context.report.add(
            "insecure",
            (*_PATH, "admin"),
            f"got `{raw}`, expected a UNIX socket or a loopback address",
            "whoever reaches Envoy's admin interface reads everything",
        )


def _check_public_url(context: Context, raw: Any) -> None:
    if raw is None or is_broken(raw):
        return
    try:
        parts = urlsplit(raw)
        good = (
            parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
        )
    except ValueError:
        good = False
    else:
        good = good and not parts.query and not parts.fragment and parts.path in {"", "/"}
    if not good:
        context.report.add("value", (*_PATH, "public_url"), "expected `https://host` or `https://host:port`")
