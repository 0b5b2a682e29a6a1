"""`scopegate serve` with a defect: whoever asks for /ledger/defect has its audit sink fail, with all that it knows."""

import asyncio
import sys

import authz.app
from authz.audit.record import Noted
from authz.audit.sink import AuditSink
from authz.cli.serve import serve, settings_of

DEFECT = "/ledger/defect"


class Defective:
    """A sink whose exception quotes the principal, with every claim."""

    def __init__(self, kept: AuditSink) -> None:
        self._kept = kept

    def offer(self, noted: Noted) -> "asyncio.Future[bool] | None":
        _, occasion = noted
        outcome = occasion.case.outcome
        if occasion.case.path == DEFECT and outcome.principal is not None:
            # Nobody awaits it: asyncio speaks up when it is collected.
            forgotten = asyncio.get_running_loop().create_future()
            forgotten.set_exception(ValueError(f"forgotten: {outcome.principal!r}"))
            del forgotten
            raise ValueError(f"cannot keep {occasion!r}: {outcome!r}")
        return self._kept.offer(noted)

    def reopen(self) -> None:
        self._kept.reopen()

    def close(self) -> None:
        self._kept.close()


def main(arguments: list[str]) -> int:
    opened = authz.app._audit_sink
    authz.app._audit_sink = lambda settings, metrics: Defective(opened(settings, metrics))  # type: ignore[assignment]
    return authz.app.run(settings_of(serve.make_context("serve", arguments).params), "zttp")


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
