"""The lines of the demo: who asks, how, and what must come back. The expectations are written by hand."""

from collections.abc import Callable
from dataclasses import dataclass

from authz.demo.cast import CARLOS, EMIL, EMMA, LOOP, SAM, UMA
from authz.demo.client import Question
from authz.demo.expected import AnsweredBy, Email, Expected
from authz.demo.wallet import Wallet

LIMIT_PER_MINUTE = 120
"""`per_principal` of the demo's policy."""

EMEA_ROWS = "region IN ('EU', 'UK', 'NO') AND ordered_at >= $today - 400 AND ordered_at <= $today"
US_ROWS = "region = 'US' AND ordered_at >= $today - 400 AND ordered_at <= $today"
CONTRACTOR_ROWS = "region IN ('EU', 'UK', 'NO') AND ordered_at >= $today - 90 AND ordered_at <= $today"
ALL_ROWS = "1 = 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One line. `repeat_until` asks again and again until that status (a rate limit)."""

    key: str
    act: str
    who: str
    how: str
    question: Callable[[Wallet], Question]
    expected: Expected
    repeat_until: int | None = None
    note: str = ""
    """For whoever sees it for the first time; what it claims is in `expected`."""


COLLEAGUES = "Colleagues, one question: how many sales, and what do they come to?"
STRANGERS = "Those who may not"
ATTACKERS = "An attacker"
LIMITS = "Too much of a good thing"


def _refused(status: int, reason: str | None, by: AnsweredBy = AnsweredBy.SCOPEGATE) -> Expected:
    return Expected(status=status, answered_by=by, reason=reason, challenge=status == 401)


_EMMAS_AGAIN = Expected(
    status=200, answered_by=AnsweredBy.CACHE, rows=EMEA_ROWS, email=Email.HASHED, same_scope_as="emma"
)

SCENES: tuple[Scene, ...] = (
    Scene(
        key="emma",
        act=COLLEAGUES,
        who=EMMA.title,
        how="token",
        question=lambda wallet: Question(token=wallet.token(EMMA)),
        expected=Expected(status=200, answered_by=AnsweredBy.WAREHOUSE, rows=EMEA_ROWS, email=Email.HASHED),
    ),
    Scene(
        key="emil",
        act=COLLEAGUES,
        who=EMIL.title,
        how="token",
        question=lambda wallet: Question(token=wallet.token(EMIL)),
        expected=_EMMAS_AGAIN,
        note="the same scope as Emma, so the edge cache answers: one query for two colleagues",
    ),
    Scene(
        key="uma",
        act=COLLEAGUES,
        who=UMA.title,
        how="token",
        question=lambda wallet: Question(token=wallet.token(UMA)),
        expected=Expected(status=200, answered_by=AnsweredBy.WAREHOUSE, rows=US_ROWS, email=Email.HIDDEN),
        note="another scope, so never the same cached answer",
    ),
    Scene(
        key="carlos",
        act=COLLEAGUES,
        who=CARLOS.title,
        how="token",
        question=lambda wallet: Question(token=wallet.token(CARLOS)),
        expected=Expected(
            status=200, answered_by=AnsweredBy.WAREHOUSE, rows=CONTRACTOR_ROWS, email=Email.HIDDEN
        ),
    ),
    Scene(
        key="extract",
        act=COLLEAGUES,
        who="The nightly extract job",
        how="client certificate",
        question=lambda wallet: Question(certificate=wallet.extract_job),
        expected=Expected(status=200, answered_by=AnsweredBy.WAREHOUSE, rows=ALL_ROWS, email=Email.CLEAR),
        note="a machine: no token, and all rows",
    ),
    Scene(
        key="emma-behind-the-job",
        act=COLLEAGUES,
        who="Emma, through the job's server",
        how="token and certificate",
        question=lambda wallet: Question(token=wallet.token(EMMA), certificate=wallet.extract_job),
        expected=_EMMAS_AGAIN,
        note="a viewer behind a server sees what the viewer may, not what the server may",
    ),
    Scene(
        key="sam",
        act=STRANGERS,
        who=SAM.title,
        how="valid token, no grant",
        question=lambda wallet: Question(token=wallet.token(SAM)),
        expected=_refused(403, "no_grant"),
    ),
    Scene(
        key="nobody",
        act=STRANGERS,
        who="Nobody",
        how="no credentials",
        question=lambda _: Question(),
        expected=_refused(401, "credential_missing"),
    ),
    Scene(
        key="expired",
        act=STRANGERS,
        who="Emma, after lunch",
        how="expired token",
        question=lambda wallet: Question(token=wallet.token(EMMA, expires_in="-600")),
        expected=_refused(401, "token_expired"),
    ),
    Scene(
        key="audience",
        act=STRANGERS,
        who="Emma, at the wrong door",
        how="token for another service",
        question=lambda wallet: Question(token=wallet.token(EMMA, audience="api://payroll")),
        expected=_refused(401, "token_audience_wrong"),
    ),
    Scene(
        key="writer",
        act=STRANGERS,
        who="Emma, with a DELETE",
        how="token",
        question=lambda wallet: Question(method="DELETE", token=wallet.token(EMMA)),
        expected=_refused(403, "method_denied"),
    ),
    Scene(
        key="forged",
        act=ATTACKERS,
        who="as Emma",
        how="forged signature",
        question=lambda wallet: Question(token=wallet.forged(EMMA)),
        expected=_refused(401, "token_signature_invalid"),
    ),
    Scene(
        key="unsigned",
        act=ATTACKERS,
        who="as Emma",
        how="alg: none",
        question=lambda wallet: Question(token=wallet.unsigned(EMMA)),
        expected=_refused(401, "token_malformed"),
    ),
    Scene(
        key="confused",
        act=ATTACKERS,
        who="as Emma",
        how="HS256, keyed with the public key",
        question=lambda wallet: Question(token=wallet.confused(EMMA)),
        expected=_refused(401, "token_algorithm_refused"),
    ),
    Scene(
        key="impostor",
        act=ATTACKERS,
        who="as the extract job",
        how="certificate of another CA",
        question=lambda wallet: Question(certificate=wallet.impostor),
        expected=Expected(status=None, answered_by=AnsweredBy.HANDSHAKE),
        note="the right name, but not signed by the CA in clients-ca.pem",
    ),
    Scene(
        key="spoofed",
        act=ATTACKERS,
        who="Emma, turned greedy",
        how="own x-scope-… headers",
        question=lambda wallet: Question(
            token=wallet.token(EMMA),
            headers={
                "X-Scope-SQL": "TRUE",
                "X-Scope-Id": "0" * 32,
                "X-Scope-Warehouse": "sales",
                "X-Scope-Masked": "",
                "X-Scope-Admin": "yes",
            },
        ),
        expected=_EMMAS_AGAIN,
        note="Envoy drops every x-scope-… header of a client before anybody reads it",
    ),
    Scene(
        key="underscore",
        act=ATTACKERS,
        who="Emma, turned greedy",
        how="header x_scope_sql",
        question=lambda wallet: Question(token=wallet.token(EMMA), headers={"x_scope_sql": "TRUE"}),
        expected=_refused(400, None, AnsweredBy.ENVOY),
        note="some servers read it as x-scope-sql, so Envoy refuses it",
    ),
    Scene(
        key="smuggled",
        act=ATTACKERS,
        who="Emma, turned greedy",
        how="?__scope=… of her own",
        question=lambda wallet: Question(target="/api/sales?__scope=" + "0" * 32, token=wallet.token(EMMA)),
        expected=_refused(400, "request_ambiguous"),
    ),
    Scene(
        key="smuggled-encoded",
        act=ATTACKERS,
        who="Emma, turned greedy",
        how="?%5f%5FSCOPE=…, encoded",
        question=lambda wallet: Question(
            target="/api/sales?%5f%5FSCOPE=" + "0" * 32, token=wallet.token(EMMA)
        ),
        expected=_refused(400, "request_ambiguous"),
    ),
    Scene(
        key="encoded-slash",
        act=ATTACKERS,
        who="Emma, turned greedy",
        how="/api%2F..%2Fstats",
        question=lambda wallet: Question(target="/api%2F..%2Fstats", token=wallet.token(EMMA)),
        expected=_refused(400, None, AnsweredBy.ENVOY),
        note="two parsers could read two paths, so Envoy refuses it",
    ),
    Scene(
        key="dot-segments",
        act=ATTACKERS,
        who="Emma, turned greedy",
        how="/api/../stats",
        question=lambda wallet: Question(target="/api/../stats", token=wallet.token(EMMA)),
        expected=_refused(404, "route_unknown"),
        note="Envoy reads it as /stats, and no route leads there",
    ),
    Scene(
        key="limit",
        act=LIMITS,
        who=LOOP.title,
        how="token, as fast as it can",
        question=lambda wallet: Question(token=wallet.token(LOOP)),
        # The bucket is refilled while it is emptied, so the 429 comes a little after the last of 120 tokens.
        expected=Expected(
            status=429,
            answered_by=AnsweredBy.ENVOY,
            reason="rate_limited",
            times=range(LIMIT_PER_MINUTE + 1, LIMIT_PER_MINUTE + 31),
        ),
        repeat_until=429,
        note="120 a minute for each principal, says the policy; Envoy counts",
    ),
    Scene(
        key="uma-unharmed",
        act=LIMITS,
        who="Uma, meanwhile",
        how="token",
        question=lambda wallet: Question(token=wallet.token(UMA)),
        expected=Expected(
            status=200, answered_by=AnsweredBy.CACHE, rows=US_ROWS, email=Email.HIDDEN, same_scope_as="uma"
        ),
        note="the wall display emptied its own bucket, not hers",
    ),
)
