"""The reference files in `envoy/` are what the renderer writes, and what the real Envoy accepts."""

from pathlib import Path

import pytest

from authz.config.load import load_policy
from authz.edge.render import Format, render_envoy
from tests.envoy_process import present_authority, server_leaf, validate_configuration, write_leaf

FOLDER = Path(__file__).parents[2] / "envoy"
RENDER = "scopegate envoy render --policy envoy/example/scopegate.yaml -o envoy/envoy.yaml"


def test_the_reference_is_what_the_renderer_writes() -> None:
    """Whoever changes the renderer sees what changes in Envoy."""
    rendered = render_envoy(load_policy(FOLDER / "example" / "scopegate.yaml"))

    assert (FOLDER / "envoy.yaml").read_text() == rendered, f"write it anew and read the difference: {RENDER}"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files that the example names, under another directory."""
    (tmp_path / "tls").mkdir()
    authority = present_authority()
    write_leaf(tmp_path / "tls", "tls", server_leaf(authority))
    (tmp_path / "tls" / "clients-ca.pem").write_bytes(authority.pem)
    (tmp_path / "warehouse.key").write_text("key")
    return tmp_path


@pytest.mark.parametrize("form", list(Format))
def test_the_real_envoy_accepts_it(files: Path, form: Format) -> None:
    """In both forms, with nothing but a warning about cache_v2."""
    rendered = render_envoy(load_policy(FOLDER / "example" / "scopegate.yaml"), text_format=form)
    path = files / f"envoy.{form}"
    path.write_text(rendered.replace("/etc/scopegate", str(files)))
    validated = validate_configuration(path)

    assert validated.returncode == 0, validated.stderr
    assert "OK" in validated.stdout + validated.stderr
    complaints = [line for line in validated.stderr.splitlines() if "[warning]" in line or "[error]" in line]
    assert all("cache_v2" in line for line in complaints)


def test_the_real_envoy_refuses_what_it_does_not_know(files: Path) -> None:
    """The validation would notice a field that this Envoy has not."""
    rendered = render_envoy(load_policy(FOLDER / "example" / "scopegate.yaml"))
    path = files / "envoy.yaml"
    path.write_text(
        rendered.replace("/etc/scopegate", str(files)).replace("validate_mutations", "validate_mutation")
    )

    assert validate_configuration(path).returncode != 0
