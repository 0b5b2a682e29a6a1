"""One policy for all environments: what differs is listed, and what reloads is apart from what rolls out."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from authz.config.load import load_policy
from authz.edge.render import render_envoy
from authz.policy.lint import lint
from authz.policy.policyset import PolicySet
from tests.kubernetes.manifests import OVERLAYS, RENDERED, ROOT, Manifest, committed, name_of, of_kind

_HASH: Final = re.compile(r"(scopegate-routes)-[a-z0-9]{10}\b")
_RULES: Final = {"grants", "restrictions", "denies", "version"}


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every scalar and its place; YAML inside a ConfigMap is read, too."""
    if isinstance(value, str) and place.startswith("data[") and "\n" in value:
        value = yaml.safe_load(value)
    match value:
        case dict() if value:
            for key, part in value.items():
                step = f'["{key}"]' if "." in str(key) or "/" in str(key) else f".{key}"
                yield from _leaves(part, (place + step).removeprefix("."))
        case list() if value:
            for number, part in enumerate(value):
                yield from _leaves(part, f"{place}[{number}]")
        case _:
            yield place, _HASH.sub(r"\1", json.dumps(value))


def _facts(overlay: str) -> set[tuple[str, str, str]]:
    """Object, place and value of everything that an overlay says."""
    return {
        (_object(manifest), place, value)
        for manifest in committed(overlay)
        for place, value in _leaves(manifest)
    }


def _object(manifest: Manifest) -> str:
    name = name_of(manifest)
    plain = _HASH.sub(r"\1", name.name)
    return f"{name.kind}/{plain}"


def test_prod_differs_from_staging_only_where_the_list_says() -> None:
    """From both sides, so that the list is neither too short nor too long."""
    listed = yaml.safe_load((ROOT / "deploy/k8s/overlays/differences.yaml").read_text())
    different = {(thing, place) for thing, place, _ in _facts("staging") ^ _facts("prod")}
    assert different == {(entry["object"], entry["place"]) for entry in listed}
    assert all(entry["why"] for entry in listed)


def _write(directory: Path, overlay: str, *kinds: str) -> Path:
    """The policy's directory, as the pod sees it: both ConfigMaps, or one of them."""
    for name, configmap in of_kind(overlay, "ConfigMap").items():
        if any(name.startswith(f"scopegate-{kind}") for kind in kinds):
            for file, text in configmap["data"].items():
                assert not (directory / file).exists(), file
                (directory / file).write_text(text)
    return directory


def _policy(directory: Path, overlay: str) -> PolicySet:
    return load_policy(_write(directory, overlay, "routes", "rules"))


@pytest.mark.parametrize("overlay", RENDERED)
def test_the_policy_of_every_environment_loads_without_a_word_from_lint(overlay: str, tmp_path: Path) -> None:
    """As `scopegate check` would say it."""
    assert lint(_policy(tmp_path, overlay)) == ()


def test_one_policy_in_all_environments(tmp_path: Path) -> None:
    """Warehouses and rules are the same values; issuers and addresses are the environment's."""
    policies = []
    for overlay in OVERLAYS:
        (tmp_path / overlay).mkdir()
        policies.append(_policy(tmp_path / overlay, overlay))
    first = policies[0]
    for policy in policies[1:]:
        assert [w.name for w in policy.warehouses.values()] == [w.name for w in first.warehouses.values()]
        assert [grant.id for grant in policy.grants] == [grant.id for grant in first.grants]
        assert policy.issuers.keys() == first.issuers.keys()
        assert policy.edge.public_url != first.edge.public_url
    assert len({policy.version for policy in policies}) == len(policies)


@pytest.mark.parametrize("overlay", RENDERED)
def test_what_reloads_is_rules_only(overlay: str, tmp_path: Path) -> None:
    """Else a change would be in force in Scopegate and unknown to an Envoy that runs."""
    for file in _write(tmp_path, overlay, "rules").iterdir():
        assert set(yaml.safe_load(file.read_text())) <= _RULES, file.name


def test_envoys_configuration_does_not_depend_on_what_reloads(tmp_path: Path) -> None:
    """The same configuration with other rules, byte by byte; other routes give another one."""
    for name in ("as-it-is", "no-rules", "other-routes"):
        (tmp_path / name).mkdir()
        _write(tmp_path / name, "prod", "routes", "rules")
    for file in _write_names("prod", "rules"):
        (tmp_path / "no-rules" / file).unlink()
    environment = tmp_path / "other-routes" / "environment.yaml"
    environment.write_text(environment.read_text().replace("https://acme.okta.com", "https://other.okta.com"))

    as_it_is, no_rules, other = (
        render_envoy(load_policy(tmp_path / name)) for name in ("as-it-is", "no-rules", "other-routes")
    )
    assert no_rules == as_it_is
    assert other != as_it_is


def _write_names(overlay: str, kind: str) -> list[str]:
    (configmap,) = (m for n, m in of_kind(overlay, "ConfigMap").items() if n.startswith(f"scopegate-{kind}"))
    return list(configmap["data"])


def test_a_change_of_the_routes_rolls_out_and_a_change_of_the_rules_does_not() -> None:
    """The one has its content in its name, which the pods name; the other always has the same."""
    names = {overlay: set(of_kind(overlay, "ConfigMap")) for overlay in OVERLAYS}
    routes = {name for found in names.values() for name in found if name.startswith("scopegate-routes-")}
    assert len(routes) == len(OVERLAYS)
    assert all("scopegate-rules" in found for found in names.values())
