"""A policy from the file system."""

import gc
from pathlib import Path

import pytest

from authz.config.load import load_policy
from authz.config.policyfiles import PolicyUnreadableError
from authz.policy.problems import PolicyError
from tests.policies import SMALL


def test_nothing_to_read_is_a_policy_error(tmp_path: Path) -> None:
    """Who reloads catches one class."""
    with pytest.raises(PolicyUnreadableError):
        load_policy(tmp_path / "no.yaml")
    assert issubclass(PolicyUnreadableError, PolicyError)


def test_problems_name_the_file_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative names stay relative."""
    (tmp_path / "p.yaml").write_text(SMALL.replace("version: 1", "version: 3"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyError, match=r"^p\.yaml:1: version: "):
        load_policy(Path("p.yaml"))


def test_file_names_start_from_the_file_that_they_stand_in(tmp_path: Path) -> None:
    """Wherever the program was started."""
    (tmp_path / "p.yaml").write_text(SMALL)
    assert load_policy(tmp_path / "p.yaml").trusts["extracts"].roots == f"{tmp_path}/tls/clients-ca.pem"
    assert load_policy(tmp_path).trusts["extracts"].roots == f"{tmp_path}/tls/clients-ca.pem"


def test_the_collector_is_back_after_a_load(tmp_path: Path) -> None:
    """After a bad policy, too, and only if it was there before."""
    (tmp_path / "p.yaml").write_text("version: 3\n")
    with pytest.raises(PolicyError):
        load_policy(tmp_path / "p.yaml")
    assert gc.isenabled()
    gc.disable()
    try:
        (tmp_path / "p.yaml").write_text(SMALL)
        load_policy(tmp_path / "p.yaml")
        assert not gc.isenabled()
    finally:
        gc.enable()
