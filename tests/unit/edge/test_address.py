"""Addresses of listeners, workers and warehouses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.edge.address import TcpAddress, UnixAddress, parse_address, parse_upstream, to_message
from authz.edge.messages import EdgeError, to_dict


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:relative.sock", "expected an absolute path"),
        ("unix:/" + "a" * 107, "at most 107"),
        ("localhost", "expected `host:port`"),
        ("localhost:", "expected `host:port`"),
        ("localhost:65536", "expected `host:port`"),
        ("localhost:\u0661", "expected `host:port`"),
        (":8443", "expected a DNS name"),
        ("a b:1", "expected a DNS name"),
        ('a"b:1', "expected a DNS name"),
        ("::1:8443", "expected a DNS name"),
        ("[localhost]:1", "expected an IPv6 address"),
        ("[127.0.0.1]:1", "expected an IPv6 address"),
    ],
)
def test_what_is_no_address_is_an_error_that_names_the_setting(text: str, expected: str) -> None:
    """Place first, then what was got and expected."""
    with pytest.raises(EdgeError, match=expected) as caught:
        parse_address(text, "edge.listen")
    assert str(caught.value).startswith("edge.listen: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:/run/a.sock", UnixAddress(path="/run/a.sock")),
        ("0.0.0.0:0", TcpAddress(host="0.0.0.0", port=0)),
        ("[::1]:8443", TcpAddress(host="::1", port=8443)),
        ("scopegate-1:50051", TcpAddress(host="scopegate-1", port=50051)),
    ],
)
def test_addresses_are_read(text: str, expected: UnixAddress | TcpAddress) -> None:
    """A socket, an address of either family, a name."""
    assert parse_address(text, "edge.listen") == expected


@pytest.mark.parametrize(
    "text",
    [
        "warehouse:8080",
        "ftp://warehouse",
        "http://",
        "http://warehouse/path",
        "http://warehouse?x",
        "http://warehouse#x",
        "http://warehouse:port",
        'http://ware"house',
        "http://unix:/path",
    ],
)
def test_an_upstream_is_a_scheme_a_host_and_a_port(text: str) -> None:
    """A path or a query would be lost in silence."""
    with pytest.raises(EdgeError, match=r"^warehouses\.sales\.upstream: "):
        parse_upstream(text, "warehouses.sales.upstream")


def test_a_password_in_an_upstream_is_refused_and_not_repeated() -> None:
    """Secrets come from files, and errors are read by many."""
    with pytest.raises(EdgeError, match="upstream_api_key_file") as caught:
        parse_upstream("http://user:canary@warehouse", "warehouses.sales.upstream")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "authority", "port"),
    [
        ("http://warehouse", "warehouse", 80),
        ("https://warehouse", "warehouse", 443),
        ("https://warehouse:443/", "warehouse", 443),
        ("http://warehouse:443", "warehouse:443", 443),
        ("http://[::1]:8080", "[::1]:8080", 8080),
        ("https://[::1]", "[::1]", 443),
    ],
)
def test_the_authority_leaves_the_standard_port_out(text: str, authority: str, port: int) -> None:
    """As clients write it (RFC 9110 section 4.2)."""
    upstream = parse_upstream(text, "upstream")

    assert (upstream.authority, upstream.address.port) == (authority, port)
    assert upstream.tls is text.startswith("https")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", False), ("0.0.0.0", False)],
)
def test_only_an_address_is_loopback(host: str, loopback: object) -> None:
    """A name is what a resolver makes of it."""
    assert TcpAddress(host=host, port=1).is_loopback is loopback


def test_the_admin_socket_has_its_mode() -> None:
    """0600 in Envoy's decimal notation."""
    assert to_dict(to_message(UnixAddress(path="/a"), mode=0o600)) == {"pipe": {"path": "/a", "mode": 384}}


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_our_error(text: str) -> None:
    """No other exception, and nothing in a host that could end a text around it."""
    for parse in (parse_address, parse_upstream):
        try:
            found = parse(text, "setting")
        except EdgeError:
            continue
        if not isinstance(found, UnixAddress):
            host = found.host if isinstance(found, TcpAddress) else found.authority
            assert not set(host) & set("\"'\\\n\r\0 {}%")
