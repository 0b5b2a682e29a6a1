"""Where an issuer's keys are."""

from dataclasses import replace
from urllib.parse import urlsplit

from authz.identity.issuer import KeyLocation, KeyOrigin
from authz.identity.presets.preset import Preset
from authz.policy.identityparts import IssuerPart
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken

_PLACES = ("jwks_file", "jwks_url", "secrets")


def key_location(context: Context, path: Path, part: IssuerPart, preset: Preset) -> KeyLocation | None:
    """Where the keys of an issuer are, None after a problem."""
    found = _location(context, path, part, preset)
    return None if found is None else replace(found, key_use=preset.key_use)


def _location(context: Context, path: Path, part: IssuerPart, preset: Preset) -> KeyLocation | None:
    if is_broken(part.jwks_file, part.jwks_url, part.secrets, part.allow_http):
        return None
    named = [key for key in _PLACES if getattr(part, key) is not None]
    if len(named) > 1:
        _report_two(context, path, named)
        return None
    if preset.shared_secrets or part.secrets is not None:
        return _secrets(context, path, part, preset)
    if part.jwks_file is not None:
        file = context.file((*path, "jwks_file"), part.jwks_file)
        return _at(context, path, part, KeyOrigin.FILE, file)
    url = part.jwks_url or preset.jwks_url
    if url is not None:
        _check_url(context, (*path, "jwks_url"), url, part, discovery=False)
        return _at(context, path, part, KeyOrigin.URL, url)
    if not preset.discovers:
        context.report.add(
            "missing",
            path,
            "`jwks_url` or `jwks_file` is missing",
            f"with `preset: {preset.name}` keys are not discovered: say where they are",
        )
        return None
    place = preset.discovery or preset.issuer or ""
    _check_url(context, (*path, "issuer"), place, part, discovery=True)
    return _at(context, path, part, KeyOrigin.DISCOVERY, place)


def _report_two(context: Context, path: Path, named: list[str]) -> None:
    words = "places for one key set" if "secrets" not in named else "kinds of keys"
    context.report.add(
        "conflict",
        (*path, named[1]),
        f"`{named[0]}` and `{named[1]}` are two {words}",
        "keep one of them",
        key=True,
    )


def _secrets(context: Context, path: Path, part: IssuerPart, preset: Preset) -> KeyLocation | None:
    """Whoever can verify with a secret can sign with it: it belongs to presets that have nothing better."""
    if not preset.shared_secrets:
        context.report.add(
            "conflict",
            (*path, "secrets"),
            f"`secrets`, with `preset: {preset.name}`",
            "its keys are public: nothing secret is configured here",
            key=True,
        )
        return None
    other = next((key for key in ("jwks_file", "jwks_url") if getattr(part, key) is not None), None)
    if other is not None:
        context.report.add(
            "conflict",
            (*path, other),
            f"`{other}`, with `preset: {preset.name}`",
            "its tokens are signed with secrets, which never stand in a key set: name their files under `secrets`",
            key=True,
        )
        return None
    if part.secrets is None:
        context.report.add(
            "missing",
            path,
            "`secrets` is missing",
            "write `secrets: {ID of the secret: file}`",
        )
        return None
    files = {kid: context.file((*path, "secrets", kid), file) for kid, file in part.secrets.items()}
    return KeyLocation(
        origin=KeyOrigin.SECRETS, place=", ".join(files.values()), secrets=tuple(files.items())
    )


def _at(context: Context, path: Path, part: IssuerPart, origin: KeyOrigin, place: str) -> KeyLocation | None:
    if is_broken(part.allow_private_addresses, part.ca_file, part.refresh):
        return None
    return KeyLocation(
        origin=origin,
        place=place,
        allow_http=part.allow_http,
        allow_private_addresses=part.allow_private_addresses,
        ca_file=None if part.ca_file is None else context.file((*path, "ca_file"), part.ca_file),
        refresh_seconds=part.refresh.total_seconds(),
    )


def _check_url(context: Context, path: Path, url: str, part: IssuerPart, *, discovery: bool) -> None:
    """OpenID Connect Discovery section 4: the issuer is a URL without query and fragment."""
    add = context.report.add
    instead = "; or say where its keys are, with `jwks_url` or `jwks_file`" if discovery else ""
    authority = url.removeprefix("https://").removeprefix("http://").partition("/")[0]
    if "@" in authority:
        # The text is not repeated: what stands before the `@` is a password.
        add("credentials", path, "the URL carries credentials", "a key set is public; leave them out")
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        add("value", path, f"got `{url}`, expected a URL", f"write `https://…`{instead}")
        return
    if parts.scheme not in {"https", "http"} or not host:
        add("value", path, f"got `{url}`, expected a URL to fetch keys from", f"write `https://…`{instead}")
    elif parts.fragment or (discovery and parts.query):
        add("value", path, f"got `{url}`, expected a URL without {'fragment' if parts.fragment else 'query'}")
    elif parts.scheme == "http" and not part.allow_http:
        add(
            "insecure",
            path,
            "keys fetched without TLS can be anybody's",
            "use `https://`, or `allow_http: true` in development",
        )
