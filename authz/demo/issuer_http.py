"""The development issuer over HTTP."""

from aiohttp import web

from authz.demo.issuer import WARNING, DevelopmentIssuer, TokenRequestError

PATH = "/oauth2/default"
"""Where the issuer lives under its host; shaped like a real one, so that a path in `iss` is exercised."""

MAX_FORM_BYTES = 8_192


def issuer_app(issuer: DevelopmentIssuer) -> web.Application:
    """Discovery, JWKS, tokens; `POST /rotate` changes the signing key."""

    async def discovery(_request: web.Request) -> web.Response:
        return web.json_response(issuer.discovery())

    async def keys(_request: web.Request) -> web.Response:
        return web.json_response(issuer.jwks())

    async def token(request: web.Request) -> web.Response:
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        try:
            answer = issuer.token(form)
        except TokenRequestError as error:
            return web.json_response(
                {"error": error.code, "error_description": error.description}, status=400
            )
        # RFC 6749 section 5.1: a token is never stored by a cache.
        headers = {"Cache-Control": "no-store"}
        if request.headers.get("Accept") == "text/plain":  # not in any RFC; for $(curl ...)
            return web.Response(text=str(answer["access_token"]), headers=headers)
        return web.json_response(answer, headers=headers)

    async def rotate(_request: web.Request) -> web.Response:
        return web.json_response({"kid": issuer.rotate()})

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def shout(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Warning"] = WARNING

    app = web.Application(client_max_size=MAX_FORM_BYTES)
    app.on_response_prepare.append(shout)
    app.add_routes(
        [
            web.get(f"{PATH}/.well-known/openid-configuration", discovery),
            web.get(f"{PATH}/v1/keys", keys),
            web.post(f"{PATH}/v1/token", token),
            web.post("/rotate", rotate),
            web.get("/healthz", healthz),
        ]
    )
    return app
