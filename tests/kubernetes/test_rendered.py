"""The committed manifests are what kustomize makes of deploy/k8s."""

from typing import Any, Final

import pytest
import yaml

from tests.kubernetes.manifests import (
    COMMITTED,
    RENDERED,
    ROOT,
    RULES,
    Manifest,
    committed,
    find_kustomize,
    name_of,
    parse,
    render,
    renderer_required,
    without_rules,
)

MONITORED: Final = {"staging", "prod"}
_RULES: Final[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/monitoring/prometheusrule.yaml").read_text())


@pytest.mark.parametrize("overlay", RENDERED)
def test_the_committed_manifests_are_what_kustomize_makes(overlay: str) -> None:
    """Object by object, so that releases of kustomize may order and wrap as they like."""
    command = find_kustomize()
    if command is None:
        assert not renderer_required(), "neither kustomize nor kubectl found"
        pytest.skip("neither kustomize nor kubectl found; `make test-kubernetes` builds one where Go is")
    text = render(command, RENDERED[overlay])
    made = _by_name(parse(without_rules(text)))
    assert made == _by_name(committed(overlay)), "run `make kubernetes`, and look at what changed"
    rules = [manifest["spec"] for manifest in parse(text) if manifest["kind"] == RULES]
    assert rules == ([_RULES["spec"]] if overlay in MONITORED else [])


@pytest.mark.parametrize("overlay", RENDERED)
def test_no_object_is_there_twice(overlay: str) -> None:
    """The one applied last would win."""
    names = [name_of(manifest) for manifest in committed(overlay)]
    assert len(names) == len(set(names))


def test_nothing_lies_beside_them() -> None:
    """A file that nobody renders would not be tested either."""
    assert {path.name for path in COMMITTED.iterdir()} == {f"{name}.yaml" for name in RENDERED}


def _by_name(manifests: tuple[Manifest, ...]) -> dict[object, Manifest]:
    return {name_of(manifest): manifest for manifest in manifests}
