"""An application for an Envoy around a worker, that answers a call with how it came: its path, its query, its body."""

import json

from authz.transport.asgi import Receive, Scope, Send
from authz.transport.framing import framed


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI, with gRPC framed by hand."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    told = {"path": scope["path"], "query": scope["query_string"].hex(), "body": body.hex()}
    headers = [(b"content-type", b"application/grpc")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
    await send({"type": "http.response.body", "body": framed(json.dumps(told).encode())})
    await send({"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]})
