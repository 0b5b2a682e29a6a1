"""The server over HTTP/2, and clients that remember fewer header fields than is usual."""

import asyncio
import http.client
from contextlib import closing
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from authz.transport.asgi import CHECK_PATH
from authz.transport.framing import framed
from bench.edge import Edge, ext_authz
from tests.envoy_process import short_directory
from tests.integration.http2_client import QUESTION, serving


@pytest.mark.parametrize("size", [0, 100, 4_096])
async def test_a_client_that_remembers_fewer_fields_reads_the_answers(tmp_path: Path, size: int) -> None:
    """An Envoy with `hpack_table_size`: it ends a connection that does not say first that it keeps to that."""
    async with serving(tmp_path) as (_, path):
        reader, writer = await asyncio.open_unix_connection(path)
        client = h2.connection.H2Connection(h2.config.H2Configuration())
        client.initiate_connection()
        client.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: size})
        events = list[h2.events.Event]()
        for stream in (1, 3):
            headers = [
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", "scopegate"),
                (":path", CHECK_PATH),
            ]
            client.send_headers(stream, [*headers, ("te", "trailers"), ("content-type", "application/grpc")])
            client.send_data(stream, framed(QUESTION), end_stream=True)
            while not any(isinstance(event, h2.events.StreamEnded) for event in events):
                writer.write(client.data_to_send())
                async with asyncio.timeout(10):
                    events += client.receive_data(await reader.read(1 << 16))
            assert client.decoder.max_allowed_table_size == size
            (trailers,) = (event for event in events if isinstance(event, h2.events.TrailersReceived))
            assert (b"grpc-status", b"0") in trailers.headers
            events.clear()
        writer.close()


@pytest.mark.parametrize("size", [0, 100])
async def test_an_envoy_that_remembers_fewer_fields_lets_through_whom_it_should(
    tmp_path: Path, size: int
) -> None:
    """With `hpack_table_size` at the cluster; and refuses whom it should."""
    allowed = CheckResponse(ok_response={}).SerializeToString()
    denied = CheckResponse(status={"code": 7}, denied_response={"status": {"code": 403}}).SerializeToString()
    async with serving(tmp_path, begin=lambda data: allowed if b"/open" in data else denied) as (_, path):
        part = ext_authz(f"unix:{path}", raw_headers=True)
        (options,) = part["cluster"]["typed_extension_protocol_options"].values()
        options["explicit_http_config"]["http2_protocol_options"]["hpack_table_size"] = size
        with short_directory() as directory, Edge(directory, "envoy", part) as edge:
            asked = [
                await asyncio.to_thread(_status, edge.address, target)
                for target in ("/open", "/closed", "/open")
            ]
            assert asked == [200, 403, 200]


def _status(address: str, target: str) -> int:
    with closing(http.client.HTTPConnection(address, timeout=15)) as connection:
        connection.request("GET", target)
        return connection.getresponse().status
