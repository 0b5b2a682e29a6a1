"""Listening addresses: read strictly, stale sockets told from live ones."""

from pathlib import Path

import pytest

from authz.transport.addresses import TcpAddress, UnixAddress, clear_stale_socket, parse_address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":50051",
        "localhost",
        "localhost:",
        "localhost:65536",
        "localhost:-1",
        "localhost:5o",
        "a b:1",
        "::1:5",
        "unix:",
        "unix:relative",
        "unix:///" + "x" * 120,
        "http://a:1",
        "[::1]",
        "unix-abstract:x",
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    """The message names what was given, and the two forms that are taken."""
    with pytest.raises(ValueError, match=r"expected|longer"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:50051", TcpAddress("127.0.0.1", 50051)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("[::1]:443", TcpAddress("::1", 443)),
        ("unix:/run/scopegate/a.sock", UnixAddress(Path("/run/scopegate/a.sock"))),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: object) -> None:
    """`text` is the form of the command line."""
    parsed = parse_address(text)
    assert parsed == address
    assert parsed.text == text


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A mistyped path must not cost somebody's file."""
    file = tmp_path / "precious"
    file.write_text("data")
    with pytest.raises(FileExistsError):
        clear_stale_socket(file)
    assert file.read_text() == "data"


def test_nothing_there_is_nothing_to_clear(tmp_path: Path) -> None:
    """The first start has no socket yet."""
    clear_stale_socket(tmp_path / "a.sock")
