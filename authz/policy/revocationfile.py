"""The file of revocations: its text becomes `Revocations`, or every problem in it is reported with its line."""

import re
from collections.abc import Callable
from typing import Any, Final

from authz.identity.revocations import Blocked, Cut, Named, Revocations
from authz.policy.problems import PolicyError, Problems, Spot, did_you_mean, in_file_order
from authz.policy.report import Path, Report
from authz.policy.sections.units import WrongError, parse_moment, shown
from authz.policy.yamltext import read_yaml
from authz.policy.yamlvalues import SourceText, YamlList, YamlMap

MAX_REVOCATIONS: Final = 100_000
"""A file of so many takes seconds to read, in which checks are slower; ten thousand take half a second."""
MAX_TEXT: Final = 2_048
"""Longest text, in characters: that of a SPIFFE ID."""

_OPTIONAL: Final = ("reason", "until")
_SECTIONS: Final = ("version", "subjects", "tokens", "certificates", "issuers", "trusts", "issued_before")
_SERIAL: Final = re.compile(r"(?:0[xX])?([0-9A-Fa-f]+(?::[0-9A-Fa-f]{2})*)\Z", re.ASCII)


def parse_revocations(source: SourceText) -> Revocations:
    """Parse a file of revocations. Raises `PolicyError` with every problem; nothing else, whatever the text."""
    problems = Problems()
    root = read_yaml(source, problems)
    if isinstance(root, YamlMap):
        made = _Reader(Report(root, problems)).read()
        if not len(problems):
            return made
    elif not len(problems):
        what = "the file is empty" if root is None else f"got {shown(root)}, expected a mapping"
        problems.add(
            "empty", Spot(source.name, 1, 1), "", what, "begin with `version: 1`; alone it revokes nothing"
        )
    raise PolicyError(in_file_order(problems, [source.name]))


class _Reader:
    """Reads one document, and goes on after each problem."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._issuers: dict[str, Blocked] = {}
        self._trusts: dict[str, Blocked] = {}
        self._subjects: dict[Named, Blocked] = {}
        self._names: dict[Named, Blocked] = {}
        self._tokens: dict[Named, Blocked] = {}
        self._certificates: dict[Named, Blocked] = {}
        self._cuts: dict[Named, tuple[Cut, ...]] = {}
        self._left = MAX_REVOCATIONS

    def read(self) -> Revocations:
        root = self._report.root
        for key in root:
            if key not in _SECTIONS:
                self._add(
                    "unknown_key", (key,), f"unknown key `{key}`", did_you_mean(key, _SECTIONS), key=True
                )
        version = root.get("version")
        if version != 1 or isinstance(version, bool):
            what = (
                f"got {shown(version)}, expected the number `1`"
                if "version" in root
                else "`version` is missing"
            )
            self._add("value" if "version" in root else "missing", ("version",), what, "write `version: 1`")
        self._section("subjects", self._subject)
        self._section("tokens", self._token)
        self._section("certificates", self._certificate)
        self._section("issuers", self._issuer)
        self._section("trusts", self._trust)
        self._section("issued_before", self._cut)
        return Revocations(
            issuers=self._issuers,
            subjects=self._subjects,
            tokens=self._tokens,
            cuts=self._cuts,
            trusts=self._trusts,
            names=self._names,
            certificates=self._certificates,
        )

    def _section(self, name: str, read: Callable[[Path, YamlMap], None]) -> None:
        found = self._report.root.get(name, YamlList())
        if not isinstance(found, YamlList):
            self._add(
                "wrong_type", (name,), f"got {shown(found)}, expected a list", "write its entries with `- `"
            )
            return
        self._left -= len(found)
        if found and self._left < 0:
            self._add("too_large", (name,), f"more than {MAX_REVOCATIONS} entries in this file")
            return
        for number, entry in enumerate(found):
            path = (name, number)
            if isinstance(entry, YamlMap):
                read(path, entry)
            else:
                self._add("wrong_type", path, f"got {shown(entry)}, expected a mapping")

    def _subject(self, path: Path, entry: YamlMap) -> None:
        by_trust = "trust" in entry and "issuer" not in entry
        owner, subject = "trust" if by_trust else "issuer", "subject"
        found = self._fields(path, entry, owner, subject)
        if found is not None:
            kept = self._names if by_trust else self._subjects
            self._block(kept, (found[owner], found[subject]), path, entry)

    def _token(self, path: Path, entry: YamlMap) -> None:
        found = self._fields(path, entry, "issuer", "id")
        if found is not None:
            self._block(self._tokens, (found["issuer"], found["id"]), path, entry)

    def _certificate(self, path: Path, entry: YamlMap) -> None:
        found = self._fields(path, entry, "trust", "serial")
        if found is None:
            return
        serial = _SERIAL.match(found["serial"])
        digits = "" if serial is None else serial[1].replace(":", "").lstrip("0").lower()
        if not digits:
            self._add(
                "value",
                (*path, "serial"),
                f"got {shown(entry['serial'])}, expected a serial number in hexadecimal",
                "as `openssl x509 -noout -serial` shows it",
            )
            return
        self._block(self._certificates, (found["trust"], digits), path, entry)

    def _issuer(self, path: Path, entry: YamlMap) -> None:
        found = self._fields(path, entry, "issuer")
        if found is not None:
            self._block(self._issuers, found["issuer"], path, entry)

    def _trust(self, path: Path, entry: YamlMap) -> None:
        found = self._fields(path, entry, "trust")
        if found is not None:
            self._block(self._trusts, found["trust"], path, entry)

    def _cut(self, path: Path, entry: YamlMap) -> None:
        names = ("issuer", "subject", "before") if "subject" in entry else ("issuer", "before")
        found = self._fields(path, entry, *names)
        before = None if found is None else self._moment(path, entry, "before")
        blocked = None if before is None else self._blocked(path, entry)
        if found is not None and before is not None and blocked is not None:
            key = (found["issuer"], found.get("subject", ""))
            self._cuts[key] = (*self._cuts.get(key, ()), Cut(before=before, blocked=blocked))

    def _fields(self, path: Path, entry: YamlMap, *required: str) -> dict[str, str] | None:
        """The texts behind the required keys, or None after a problem."""
        known = (*required, *_OPTIONAL)
        good = True
        for key in entry:
            if key not in known:
                self._add(
                    "unknown_key", (*path, key), f"unknown key `{key}`", did_you_mean(key, known), key=True
                )
                good = False
        for key in required:
            good = self._is_text(path, entry, key) and good
        return {key: entry[key] for key in required} if good else None

    def _is_text(self, path: Path, entry: YamlMap, key: str) -> bool:
        if key not in entry:
            self._add("missing", path, f"`{key}` is missing")
            return False
        value = entry[key]
        if not isinstance(value, str):
            self._add("wrong_type", (*path, key), f"got {shown(value)}, expected text", "quote it")
            return False
        if not value or len(value) > MAX_TEXT or not value.isprintable():
            self._add("value", (*path, key), f"expected 1 to {MAX_TEXT} printable characters")
            return False
        return True

    def _block(self, kept: dict[Any, Blocked], key: Named | str, path: Path, entry: YamlMap) -> None:
        blocked = self._blocked(path, entry)
        if blocked is not None:
            # Of two entries for one thing, the one that holds longer: a block is never shortened by another.
            kept[key] = max(kept.get(key, blocked), blocked, key=lambda each: each.until)

    def _blocked(self, path: Path, entry: YamlMap) -> Blocked | None:
        if "reason" in entry and not self._is_text(path, entry, "reason"):
            return None
        until = self._moment(path, entry, "until") if "until" in entry else float("inf")
        if until is None:
            return None
        spot = self._report.spot(path)
        return Blocked(place=f"{spot.file}:{spot.line}", until=until, note=entry.get("reason", ""))

    def _moment(self, path: Path, entry: YamlMap, key: str) -> float | None:
        try:
            return parse_moment(entry[key])
        except WrongError as wrong:
            self._add("value", (*path, key), str(wrong), wrong.help)
            return None

    def _add(
        self,
        code: str,
        path: Path,
        message: str,
        help: str | None = None,  # noqa: A002 - the word of the report
        *,
        key: bool = False,
    ) -> None:
        self._report.add(code, path, message, help, key=key)
