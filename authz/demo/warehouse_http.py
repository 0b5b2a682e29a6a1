"""The demo's warehouse over HTTP: `GET /api/sales` for everybody who comes through Envoy, `/stats` beside it."""

import asyncio
import hmac
import json

import duckdb
from aiohttp import web

from authz.demo.warehouse import DEFAULT_LIMIT, MAX_LIMIT, Refused, SalesWarehouse, read_scope

API_KEY_HEADER = "x-api-key"


def warehouse_app(warehouse: SalesWarehouse, *, api_key: str | None = None) -> web.Application:
    """With `api_key`, a request under /api/ must carry it in `x-api-key`: Envoy injects it, nobody else has it."""

    async def sales(request: web.Request) -> web.Response:
        try:
            _demand_key(request, api_key)
            scope = read_scope({name.lower(): request.headers.getall(name) for name in request.headers})
            limit = _limit(request.query.get("limit"))
            answer = await asyncio.to_thread(warehouse.summarize, scope, limit=limit)
        except Refused as refused:
            return web.json_response({"error": refused.text}, status=refused.status)
        except (duckdb.Error, UnicodeDecodeError) as error:
            # To the caller only that it failed: the text of the error may quote rows or the predicate.
            print(f"query failed: {type(error).__name__}", flush=True)
            return web.json_response({"error": "the query failed"}, status=500)
        return web.json_response(answer, dumps=lambda value: json.dumps(value) + "\n")

    async def stats(_request: web.Request) -> web.Response:
        return web.json_response({"queries": warehouse.queries})

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.add_routes([web.get("/api/sales", sales), web.get("/stats", stats), web.get("/healthz", healthz)])
    return app


def _demand_key(request: web.Request, api_key: str | None) -> None:
    if api_key is None:
        return
    sent = request.headers.getall(API_KEY_HEADER, [])
    if len(sent) != 1 or not hmac.compare_digest(sent[0].encode(), api_key.encode()):
        raise Refused(401, "no answer without the key that Envoy holds")


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) <= MAX_LIMIT):
        raise Refused(400, f"limit: expected a number up to {MAX_LIMIT}")
    return int(text)
