"""Verification of a trail: one pass over its lines, in memory that grows with the number of writers only.

What it can know: every line but a chain's last is held by the hash in the next one, and everything up to a seal by
its signature. What it cannot: whether an end without a closing seal is that of a writer that still writes, of one that
crashed, or was cut. A later writer to the same place names the end that it found, and settles it; whoever cut before
that start, no further back than the last seal's reports (`known`), cannot be told from a crash.
"""

import hashlib
import json
import re
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from authz.audit.chain import SEAL_CONTEXT, SIGNATURE_MARK, ZERO_HASH
from authz.audit.findings import ChainReport, End, Fault, Finding, Report
from authz.audit.keys import Verifier
from authz.audit.lines import Predecessor, SealLine, StartLine
from authz.audit.reading import TrailFile, lines_in
from authz.audit.tail import BEGINNING

MAX_FINDINGS: Final = 100
MAX_NOTICES: Final = 100
_MAX_FRAGMENTS: Final = 1_000
_DECISION_END: Final = re.compile(
    rb'(?:"asked":null|(?:"statement":null|"fingerprint":"[0-9a-f]{32}"\}|"trace_id":(?:null|"[0-9a-f]{32}"))\})\}\Z'
)
"""Where a record ends: without a question, without a statement, with one, or without room for one as older ones are. No
text in it can look like this, because a quote in a text is escaped."""
_LOST: Final = re.compile(rb'"lost":([1-9][0-9]{0,17}),')


@dataclass(slots=True)
class _State:
    """How far a writer's chain has been followed."""

    report: ChainReport
    closed: bool = False
    unsigned: bool = False
    found_end: int | None = None
    """The last number that a later writer found."""


_NOBODY: Final = _State(ChainReport(writer="", first_seq=0, next_seq=0, head=ZERO_HASH))


@dataclass(frozen=True, slots=True)
class _Claim:
    """A writer's word about the one before it."""

    by: str
    about: Predecessor
    file: str
    line: int


class Verification:
    """Follows the chains of all writers at once: lines of several may stand between each other."""

    def __init__(
        self,
        keys: Iterable[Verifier],
        known: Mapping[str, tuple[int, str]] | None = None,
        accept: frozenset[Fault] = frozenset(),
    ) -> None:
        self.report = Report()
        self._keys = {key.key_id: key for key in keys}
        self._known = dict(known or {})
        self._accept = accept
        self._seen_known: set[str] = set()
        self._states: dict[str, _State] = {}
        self._claims: list[_Claim] = []
        self._claimed: set[tuple[str, str]] = set()
        self._fragments: dict[str, Finding] = {}
        self._file = ""
        self._line = 0
        self._last_hash = ""

    def read(self, file: TrailFile, progress: Callable[[int], None] = lambda _: None) -> None:
        """Follow the lines of a file."""
        self._file, self._line, self._last_hash = str(file.path), 0, ""
        self.report.files += 1
        try:
            for line in lines_in(file.path, progress):
                self._line += 1
                self._follow(line)
        except (OSError, EOFError, zlib.error) as error:
            self._find(Fault.UNREADABLE, f"it cannot be read to its end: {error}")
        self.report.lines += self._line

    def finish(self) -> Report:
        """What was found."""
        for claim in self._claims:
            self._hold_claim(claim)
        for fragment in self._fragments.values():
            self._add(fragment)
        for state in self._states.values():
            self._judge_end(state)
            self.report.records += state.report.records
            self.report.chains.append(state.report)
        for writer in sorted(set(self._known) - self._seen_known):
            seq, _ = self._known[writer]
            found = self._states.get(writer)
            if found is None or found.report.first_seq <= seq:
                self._add(
                    Finding(
                        fault=Fault.KNOWN_HEAD_MISSING,
                        file="",
                        line=0,
                        writer=writer,
                        seq=seq,
                        detail="an earlier report saw this line",
                    )
                )
        if not self.report.lines:
            self._add(Finding(fault=Fault.EMPTY, file=self._file, line=0, detail="there is no line"))
        return self.report

    def _follow(self, line: bytes) -> None:
        found = BEGINNING.match(line)
        if found is None or line[-1:] != b"\n":
            self._fragment(line)
            return
        content = line[:-1]
        kind, writer, seq = found[1], found[2].decode("ascii"), int(found[3])
        if kind == b"decision" and not _DECISION_END.search(content, max(0, len(content) - 80)):
            self._fragment(line)
            return
        digest = hashlib.sha256(content).hexdigest()
        state = self._states.setdefault(writer, _NOBODY)
        if state is _NOBODY:
            state = self._states[writer] = self._first(kind, writer, seq, content)
        elif not self._is_next(state, kind, seq, found[4].decode("ascii")):
            self._last_hash = digest
            return
        chain = state.report
        chain.next_seq, chain.head, chain.file, chain.line = seq + 1, digest, self._file, self._line
        self._last_hash = digest
        if writer in self._known:
            self._compare_known(writer, seq, digest)
        if kind == b"decision":
            chain.records += 1
            chain.allows += b',"outcome":"allow",' in content
        elif kind == b"seal":
            self._seal(state, seq, content)
        elif kind == b"gap":
            self._gap(chain, content)

    def _first(self, kind: bytes, writer: str, seq: int, content: bytes) -> _State:
        state = _State(ChainReport(writer=writer, first_seq=seq, next_seq=seq, head=ZERO_HASH))
        if kind == b"start" and seq == 0:
            self._start(writer, content)
        elif kind == b"continued":
            self._find(Fault.BEGINNING_MISSING, f"{seq:,} lines before this file are not here", writer, seq)
        else:
            self._find(Fault.SEQUENCE_BROKEN, "the chain begins in its middle", writer, seq)
        return state

    def _is_next(self, state: _State, kind: bytes, seq: int, prev: str) -> bool:
        """Whether to follow this line; says what is wrong with its place."""
        chain = state.report
        if kind == b"start" or seq < chain.next_seq:
            self._find(
                Fault.SEQUENCE_BROKEN,
                f"stands twice or too late: #{chain.next_seq} was due",
                chain.writer,
                seq,
            )
            return False
        if state.closed:
            self._find(Fault.GONE_ON, "stands behind the closing seal", chain.writer, seq)
        if seq > chain.next_seq:
            missing = seq - chain.next_seq
            self._find(
                Fault.SEQUENCE_BROKEN,
                f"{missing:,} line{'s are' if missing > 1 else ' is'} missing: #{chain.next_seq} was due",
                chain.writer,
                seq,
            )
        elif prev != chain.head:
            self._find(
                Fault.CHAIN_BROKEN,
                f"the line before ({chain.file}:{chain.line}) is not the one that was written",
                chain.writer,
                seq,
            )
        if state.found_end is not None and seq > state.found_end:
            self._find(
                Fault.GONE_ON, f"a later writer found the end at #{state.found_end}", chain.writer, seq
            )
            state.found_end = None
        return True

    def _start(self, writer: str, content: bytes) -> None:
        try:
            after = StartLine.model_validate_json(content).after
        except ValueError:
            self._find(Fault.NOT_A_LINE, "it is no start line", writer, 0)
            return
        if (self._file, writer) in self._claimed:
            self._find(
                Fault.SEQUENCE_BROKEN, "a writer that began behind this one stands before it", writer, 0
            )
        torn = None if after is None else after.torn
        if torn is not None:
            fragment = self._fragments.pop(torn.sha256, None)
            if fragment is None:
                self._find(Fault.TAIL_CUT, "it found an unfinished line that is not there", writer, 0)
            elif fragment.file == self._file and fragment.line != self._line - 1:
                self._add(fragment)
            else:
                self._notice(
                    f"{fragment.file}:{fragment.line}: an unfinished line of {torn.bytes} bytes, "
                    f"as {writer} found it: a crash"
                )
        if after is None:
            return
        if self._line > 1 and self._last_hash != after.hash:
            self._find(
                Fault.SEQUENCE_BROKEN, "it did not stand behind this line when it was written", writer, 0
            )
        self._claims.append(_Claim(writer, after, self._file, self._line))
        self._claimed.add((self._file, after.writer))
        before = self._states.get(after.writer)
        if before is not None:
            before.found_end = after.seq

    def _seal(self, state: _State, seq: int, content: bytes) -> None:
        chain = state.report
        try:
            seal = SealLine.model_validate_json(content)
        except ValueError:
            self._find(Fault.NOT_A_LINE, "it is no seal", chain.writer, seq)
            return
        signed, _, signature = content.rpartition(SIGNATURE_MARK)
        state.closed = seal.why == "closed"
        if seal.key is None or seal.signature is None or not self._keys:
            state.unsigned = True
            return
        key = self._keys.get(seal.key)
        if key is None:
            self._find(Fault.KEY_UNKNOWN, f"signed with key `{seal.key}`", chain.writer, seq)
        elif signature != b'"%s"}' % seal.signature.encode() or not key.is_signed(
            SEAL_CONTEXT + signed, bytes.fromhex(seal.signature)
        ):
            self._find(Fault.SIGNATURE_INVALID, "this is not what was signed", chain.writer, seq)
        else:
            chain.sealed_through = seq

    def _gap(self, chain: ChainReport, content: bytes) -> None:
        lost = _LOST.search(content)
        chain.gaps += 1
        chain.lost += int(lost[1]) if lost else 0
        self._notice(
            f"{self._file}:{self._line}: {chain.writer}#{chain.next_seq - 1}: the writer says that "
            f"{int(lost[1]) if lost else 0:,} decisions have no record"
        )

    def _fragment(self, line: bytes) -> None:
        content = line.removesuffix(b"\n")
        finding = Finding(
            fault=Fault.NOT_A_LINE,
            file=self._file,
            line=self._line,
            detail="it is not a whole line of a trail"
            if line.endswith(b"\n")
            else "it has no end: a crash, or cut",
        )
        digest = hashlib.sha256(content).hexdigest()
        if not content or digest in self._fragments or len(self._fragments) >= _MAX_FRAGMENTS:
            self._add(finding)
        else:
            self._fragments[digest] = finding

    def _compare_known(self, writer: str, seq: int, digest: str) -> None:
        known_seq, known_hash = self._known[writer]
        if seq == known_seq:
            self._seen_known.add(writer)
            if digest != known_hash:
                self._find(Fault.KNOWN_HEAD_MISSING, "an earlier report saw another line here", writer, seq)

    def _hold_claim(self, claim: _Claim) -> None:
        about = claim.about
        state = self._states.get(about.writer)
        fault, detail = None, ""
        if state is None:
            fault, detail = Fault.PREDECESSOR_MISSING, f"it follows {about.writer}, of which there is no line"
        elif state.report.next_seq - 1 < about.seq:
            fault = Fault.TAIL_CUT
            detail = f"it found {about.writer}#{about.seq}, but that ends at #{state.report.next_seq - 1}"
        elif state.report.next_seq - 1 == about.seq and state.report.head != about.hash:
            fault, detail = Fault.CHAIN_BROKEN, f"it found another {about.writer}#{about.seq}"
        elif state.report.next_seq - 1 == about.seq and not state.closed:
            state.report.end = End.CRASHED
        if fault is not None:
            self._add(
                Finding(fault=fault, file=claim.file, line=claim.line, writer=claim.by, seq=0, detail=detail)
            )

    def _judge_end(self, state: _State) -> None:
        chain = state.report
        if state.closed:
            chain.end = End.CLOSED
        # A chain that a later writer found is held by the hash that this one has signed.
        if state.unsigned or (chain.sealed_through is None and chain.end is End.CLOSED):
            why = "no public key was given" if not self._keys else "it has seals without a signature, or none"
            self._at_end(chain, Fault.UNSIGNED, f"nothing proves who wrote it: {why}")
        behind = chain.next_seq - 1 - (-1 if chain.sealed_through is None else chain.sealed_through)
        if chain.end is End.CRASHED:
            self._notice(
                f"{chain.file}:{chain.line}: {chain.writer} ended without a closing seal, and a later writer found "
                f"this end: a crash; its last {behind:,} lines are held by that writer's word alone"
            )
        elif chain.end is End.OPEN:
            since = "from its beginning" if chain.sealed_through is None else f"since #{chain.sealed_through}"
            self._at_end(
                chain,
                Fault.END_OPEN,
                f"unsealed {since} ({behind:,} lines): it still writes, has crashed, or was cut",
            )

    def _at_end(self, chain: ChainReport, fault: Fault, detail: str) -> None:
        self._add(
            Finding(
                fault=fault,
                file=chain.file,
                line=chain.line,
                writer=chain.writer,
                seq=chain.next_seq - 1,
                detail=detail,
            )
        )

    def _find(self, fault: Fault, detail: str, writer: str | None = None, seq: int | None = None) -> None:
        self._add(
            Finding(fault=fault, file=self._file, line=self._line, writer=writer, seq=seq, detail=detail)
        )

    def _notice(self, text: str) -> None:
        if len(self.report.notices) < MAX_NOTICES:
            self.report.notices.append(text)

    def _add(self, finding: Finding) -> None:
        if finding.fault in self._accept:
            self._notice(finding.text)
        elif len(self.report.findings) < MAX_FINDINGS:
            self.report.findings.append(finding)
        else:
            self.report.more_findings += 1


def verify(
    files: Iterable[TrailFile],
    keys: Iterable[Verifier],
    *,
    known: Mapping[str, tuple[int, str]] | None = None,
    accept: frozenset[Fault] = frozenset(),
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Verify files in the order of writing. Faults of `accept` become notices. `progress` counts bytes."""
    started = time.perf_counter()
    verification = Verification(keys, known, accept)
    for file in files:
        verification.read(file, progress)
    report = verification.finish()
    report.seconds = time.perf_counter() - started
    return report


def known_heads(path: Path) -> dict[str, tuple[int, str]]:
    """The heads in the JSON report of an earlier verification. Raises OSError and ValueError."""
    report: Any = json.loads(path.read_bytes())
    try:
        return {
            str(chain["writer"]): (int(chain["next_seq"]) - 1, str(chain["head"]))
            for chain in report["chains"]
        }
    except (KeyError, TypeError):
        raise ValueError("it is no report of `scopegate audit verify --format json`") from None
