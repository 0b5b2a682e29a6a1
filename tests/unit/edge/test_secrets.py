"""Certificates that Envoy follows, and what it tells of a client's chain."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from authz.cli.main import main
from authz.edge.bootstrap import build_bootstrap
from authz.edge.deployment import Deployment
from authz.edge.messages import EdgeError, to_dict
from authz.edge.secrets import secret_files
from authz.policy.policyset import EdgeSettings
from tests.edge_policies import edge_policy, edge_settings, edge_warehouse

EXAMPLE = Path(__file__).parents[3] / "envoy" / "example" / "scopegate.yaml"
WITH_CLIENTS = {"client_ca": "/run/scopegate/clients.pem"}


def listener(edge: EdgeSettings, secrets: str | None = None) -> dict[str, Any]:
    built = build_bootstrap(edge_policy([edge_warehouse()], edge), None, Deployment(secrets=secrets))
    found: dict[str, Any] = to_dict(built)["static_resources"]["listeners"][0]
    return found


def tls(edge: EdgeSettings, secrets: str | None = None) -> dict[str, Any]:
    context: dict[str, Any] = listener(edge, secrets)["filter_chains"][0]["transport_socket"]["typed_config"]
    return context


def manager(edge: EdgeSettings) -> dict[str, Any]:
    found: dict[str, Any] = listener(edge)["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def test_a_relative_directory_of_secrets_is_refused() -> None:
    """Envoy would look for it from where it was started."""
    with pytest.raises(EdgeError, match="secrets: got `sds`, expected an absolute path"):
        tls(edge_settings(), "sds")


def test_a_client_certificate_must_verify_whether_it_is_followed_or_not() -> None:
    """Without authorities of clients nobody is asked for one; with them, the same is asked in both forms."""
    for secrets in (None, "/etc/envoy/secrets"):
        assert not {"validation_context", "validation_context_sds_secret_config"} & set(
            tls(edge_settings(), secrets)["common_tls_context"]
        )
        required = edge_settings(require_client_certificate=True, **WITH_CLIENTS)
        assert tls(required, secrets)["require_client_certificate"] is True
        assert {"validation_context", "validation_context_sds_secret_config"} & set(
            tls(required, secrets)["common_tls_context"]
        )


def test_followed_certificates_stand_in_files_of_their_own() -> None:
    """Nothing of them is left in the configuration but where to look."""
    common = tls(edge_settings(**WITH_CLIENTS), "/etc/envoy/secrets")["common_tls_context"]
    assert "tls_certificates" not in common
    assert "validation_context" not in common
    (server,) = common["tls_certificate_sds_secret_configs"]
    for secret, name in (
        (server, "server_certificate"),
        (common["validation_context_sds_secret_config"], "client_authorities"),
    ):
        assert secret["name"] == name
        assert secret["sds_config"]["path_config_source"] == {
            "path": f"/etc/envoy/secrets/{name}.yaml",
            "watched_directory": {"path": "/etc/envoy/secrets"},
        }


def test_the_files_say_where_the_certificates_are_and_what_to_watch() -> None:
    """The directory, because kubelet swaps a link above the files; with two directories, each file by itself."""
    files = secret_files(edge_settings(**WITH_CLIENTS))
    assert set(files) == {"server_certificate.yaml", "client_authorities.yaml"}
    (server,) = yaml.safe_load(files["server_certificate.yaml"])["resources"]
    assert server["tls_certificate"] == {
        "certificate_chain": {"filename": "/run/scopegate/server.crt"},
        "private_key": {"filename": "/run/scopegate/server.key"},
        "watched_directory": {"path": "/run/scopegate"},
    }
    (clients,) = yaml.safe_load(files["client_authorities.yaml"])["resources"]
    assert clients["validation_context"] == {
        "trusted_ca": {"filename": "/run/scopegate/clients.pem"},
        "watched_directory": {"path": "/run/scopegate"},
    }
    apart = secret_files(edge_settings(private_key="/run/keys/server.key"))
    assert set(apart) == {"server_certificate.yaml"}
    assert "watched_directory" not in apart["server_certificate.yaml"]


def test_the_command_writes_the_files(tmp_path: Path) -> None:
    """And says why it could not."""
    out = tmp_path / "a" / "secrets"
    arguments = ["envoy", "secrets", "--policy", str(EXAMPLE), "--private-key", "/other/tls.key", "-o"]
    assert CliRunner().invoke(main, [*arguments, str(out)]).exit_code == 0
    assert "/other/tls.key" in (out / "server_certificate.yaml").read_text()
    assert (out / "client_authorities.yaml").is_file()
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(main, [*arguments, str(tmp_path / "file" / "x")])
    assert (result.exit_code, "Not a directory" in result.stderr) == (2, True)


def test_a_clients_chain_is_told_only_where_that_is_declared() -> None:
    """And then no name of a certificate stands beside it: Envoy does not quote names."""
    for declared in (False, True):
        made = manager(edge_settings(forward_client_chain=declared, **WITH_CLIENTS))
        assert made["forward_client_cert_details"] == "SANITIZE_SET"
        expected = {"chain": True} if declared else {"subject": True, "uri": True}
        assert made["set_current_client_cert_details"] == expected
        (check,) = (
            entry for entry in made["http_filters"] if entry["name"] == "envoy.filters.http.ext_authz"
        )
        hidden = check["typed_config"].get("disallowed_headers", {}).get("patterns", [])
        assert hidden == ([] if declared else [{"exact": "x-forwarded-client-cert", "ignore_case": True}])
