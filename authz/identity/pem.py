"""PEM text (RFC 7468), read strictly: every block, and nothing between the blocks."""

import base64
import binascii
import re
from collections.abc import Sequence
from contextlib import suppress

MAX_PEER_PEM_CHARACTERS = 65_536
MAX_BUNDLE_BYTES = 4_194_304

_BASE64_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z", re.ASCII)
# One block and nothing else, as nearly everybody writes it: read as a whole, for a fifth of what reading by lines costs.
_ONE_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----\n((?:[A-Za-z0-9+/]+\n)*[A-Za-z0-9+/]+={0,2}\n)-----END CERTIFICATE-----\n?\Z",
    re.ASCII,
)


class PemError(ValueError):
    """The text is not PEM blocks of the expected kind only. The message begins with the line number."""


def parse_certificate_blocks(text: str, *, comments: bool = False) -> tuple[bytes, ...]:
    """The DER bytes of every certificate block, in order; see `parse_blocks`."""
    if (one := _ONE_CERTIFICATE.match(text)) is not None:
        with suppress(binascii.Error):
            return (binascii.a2b_base64(one[1].replace("\n", ""), strict_mode=True),)
    return parse_blocks(text, "CERTIFICATE", "certificate", comments=comments)


def parse_blocks(text: str, label: str, kind: str, *, comments: bool = False) -> tuple[bytes, ...]:
    """The DER bytes of every block with this label, in order; `kind` is what messages call it.

    Blank lines may stand between the blocks and, with `comments`, lines that begin with `#`. Anything else raises
    `PemError`: a reader that skips what it does not know would trust half a bundle and never say so.
    """
    begin, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
    blocks: list[bytes] = []
    body: list[str] | None = None
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        stripped = line.strip(" \t")
        if body is None:
            if stripped == begin:
                body = []
            elif stripped and not (comments and stripped.startswith("#")):
                raise PemError(f"line {number}: got something else than a {kind} block")
        elif stripped == end:
            blocks.append(_decode(body, number, kind))
            body = None
        elif _BASE64_LINE.match(stripped):
            body.append(stripped)
        else:
            raise PemError(f"line {number}: a {kind} block has a line that is not base64")
    if body is not None:
        raise PemError(f"a {kind} block has no end")
    return tuple(blocks)


def _decode(lines: Sequence[str], number: int, kind: str) -> bytes:
    try:
        return base64.b64decode("".join(lines), validate=True)
    except (binascii.Error, ValueError):
        raise PemError(f"line {number}: a {kind} block is not base64") from None
