"""A chain of lines: each holds the hash of the one before it by the same writer, and seals sign the head."""

import hashlib
import json
import re
import secrets
import socket
from collections.abc import Mapping
from typing import Final

from authz.audit.keys import Signer

ZERO_HASH: Final = "0" * 64
SEAL_CONTEXT: Final = b"scopegate-audit-seal-v1\n"
"""In front of what is signed, so that no signature for another purpose is a seal."""
SIGNATURE_MARK: Final = b',"signature":'

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._-]+")


def new_writer_id(host: str | None = None) -> str:
    """The host's name (the pod's, in Kubernetes) and 64 random bits: two starts never have the same."""
    name = _FOREIGN.sub("-", socket.gethostname() if host is None else host)[:63] or "host"
    return f"{name}.{secrets.token_hex(8)}"


class Chain:
    """Numbers and links the lines of one writer. `seq` is that of the next line, `head` the hash of the last."""

    __slots__ = ("_signer", "head", "seq", "writer")

    def __init__(self, writer: str, signer: Signer | None) -> None:
        self.writer = writer
        self.seq = 0
        self.head = ZERO_HASH
        self._signer = signer

    def add(self, kind: str, body: str) -> bytes:
        """The next line, with its newline. `body` is the JSON of its own members, in ASCII, without braces."""
        line = (
            f'{{"v":1,"kind":"{kind}","writer":"{self.writer}","seq":{self.seq},"prev":"{self.head}",{body}}}'
        )
        return self._link(line.encode("ascii"))

    def add_object(self, kind: str, members: Mapping[str, object]) -> bytes:
        """`add`, for members that are not JSON yet."""
        return self.add(kind, json.dumps(members, separators=(",", ":"))[1:-1])

    def seal(self, at: float, why: str) -> bytes:
        """A line that signs the chain up to and with itself; without a key it only says that it was there."""
        key = "null" if self._signer is None else f'"{self._signer.key_id}"'
        beginning = f'{{"v":1,"kind":"seal","writer":"{self.writer}","seq":{self.seq},"prev":"{self.head}"'
        signed = f'{beginning},"at":{at!r},"why":"{why}","key":{key}'.encode("ascii")
        signature = b"null"
        if self._signer is not None:
            signature = b'"%s"' % self._signer.sign(SEAL_CONTEXT + signed).hex().encode("ascii")
        return self._link(signed + SIGNATURE_MARK + signature + b"}")

    def _link(self, line: bytes) -> bytes:
        self.head = hashlib.sha256(line).hexdigest()
        self.seq += 1
        return line + b"\n"

    def position(self) -> tuple[int, str]:
        """Where the chain is, for `return_to`."""
        return self.seq, self.head

    def return_to(self, position: tuple[int, str]) -> None:
        """Take back every line since `position`: they could not be written."""
        self.seq, self.head = position
