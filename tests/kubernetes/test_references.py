"""What one object says of another is true: names, ports, labels, files, and what must be there beforehand."""

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.kubernetes.manifests import (
    RENDERED,
    Container,
    Manifest,
    committed,
    containers,
    name_of,
    of_kind,
    pods,
)

FROM_OUTSIDE: Final = {
    "dev": {("ConfigMap", "scopegate-trust"), ("Secret", "scopegate-keys")},
    "staging": {("ConfigMap", "scopegate-trust")},
    "prod": {("ConfigMap", "scopegate-trust")},
    "vault": {("ConfigMap", "scopegate-trust")},
    "assertion": {("ConfigMap", "scopegate-trust"), ("Secret", "scopegate-assertion")},
    "tracing": {("ConfigMap", "scopegate-trust")},
}
"""What docs/kubernetes.md asks for; everything else is made by the manifests."""

_ADDRESS: Final = re.compile(r"=(unix:)?([^=,:]+):?([0-9]+)?$")


def _volume_sources(volume: Manifest) -> Iterator[tuple[str, str]]:
    """Kind and name of every object that a volume is filled from."""
    if "configMap" in volume:
        yield "ConfigMap", volume["configMap"]["name"]
    if "secret" in volume:
        yield "Secret", volume["secret"]["secretName"]
    if "csi" in volume:
        yield "SecretProviderClass", volume["csi"]["volumeAttributes"]["secretProviderClass"]
    for source in volume.get("projected", {}).get("sources", []):
        for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            if key in source:
                yield kind, source[key]["name"]


def _made(overlay: str) -> set[tuple[str, str]]:
    made = {(m["kind"], m["metadata"]["name"]) for m in committed(overlay)}
    # cert-manager makes the Secret that a Certificate names.
    return made | {("Secret", c["spec"]["secretName"]) for c in of_kind(overlay, "Certificate").values()}


@pytest.mark.parametrize("overlay", RENDERED)
def test_every_source_of_a_volume_is_made_or_asked_for(overlay: str) -> None:
    """A missing one keeps the pod from starting; one that is asked for in vain is a riddle."""
    wanted = {
        source
        for template in pods(overlay).values()
        for volume in template["spec"].get("volumes", [])
        for source in _volume_sources(volume)
    }
    assert wanted - _made(overlay) == FROM_OUTSIDE[overlay]


@pytest.mark.parametrize("overlay", RENDERED)
def test_every_configmap_is_used(overlay: str) -> None:
    """A renamed one would go on being applied, and nobody would read it."""
    used = {
        name
        for template in pods(overlay).values()
        for volume in template["spec"].get("volumes", [])
        for _, name in _volume_sources(volume)
    }
    assert set(of_kind(overlay, "ConfigMap", "SecretProviderClass")) <= used


@pytest.mark.parametrize("overlay", RENDERED)
def test_every_volume_is_mounted_and_every_mount_has_one(overlay: str) -> None:
    """But for the token that Vault's injector mounts into its own container."""
    for pod, template in pods(overlay).items():
        volumes = [volume["name"] for volume in template["spec"].get("volumes", [])]
        mounted = {
            mount["name"]
            for container in containers(overlay)
            if container.pod == pod
            for mount in container.spec.get("volumeMounts", [])
        }
        injected = (
            template["metadata"]
            .get("annotations", {})
            .get("vault.hashicorp.com/agent-service-account-token-volume-name")
        )
        assert len(volumes) == len(set(volumes))
        assert set(volumes) == mounted | ({injected} if injected else set()), pod


@pytest.mark.parametrize("overlay", RENDERED)
def test_every_service_selects_pods_and_leads_to_ports_that_they_have(overlay: str) -> None:
    """A Service that selects nothing is no error anywhere else."""
    for name, service in of_kind(overlay, "Service").items():
        (pod,) = _selected(overlay, service["spec"]["selector"])
        ports = {port for c in containers(overlay) if c.pod == pod for port in c.ports.values()}
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports, name


@pytest.mark.parametrize("overlay", RENDERED)
def test_every_probe_asks_a_port_of_its_own_container(overlay: str) -> None:
    """By its name."""
    for container in containers(overlay):
        for probe in _probes(container):
            port = (probe.get("httpGet") or probe["tcpSocket"])["port"]
            assert port in container.ports, container.name


@pytest.mark.parametrize("overlay", RENDERED)
def test_every_selector_of_a_controller_finds_its_pods(overlay: str) -> None:
    """Deployments, budgets, spreading, scaling and the parts of network policies that are about these pods."""
    for manifest in committed(overlay):
        spec = manifest.get("spec", {})
        match manifest["kind"]:
            case "Deployment":
                name = manifest["metadata"]["name"]
                assert _selected(overlay, spec["selector"]["matchLabels"]) == {name}
                for constraint in spec["template"]["spec"].get("topologySpreadConstraints", []):
                    assert _selected(overlay, constraint["labelSelector"]["matchLabels"]) == {name}
            case "PodDisruptionBudget":
                assert len(_selected(overlay, spec["selector"]["matchLabels"])) == 1
            case "HorizontalPodAutoscaler":
                assert spec["scaleTargetRef"]["name"] in of_kind(overlay, "Deployment")
            case "NetworkPolicy" if manifest["metadata"]["namespace"] == "scopegate" and spec["podSelector"]:
                assert len(_selected(overlay, spec["podSelector"]["matchLabels"])) == 1
            case _:
                pass


@pytest.mark.parametrize("overlay", ["staging", "prod"])
def test_the_service_monitor_finds_every_port_that_serves_metrics(overlay: str) -> None:
    """A worker that is added in one place only would be invisible."""
    (monitor,) = of_kind(overlay, "ServiceMonitor").values()
    labels = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = (
        s for s in of_kind(overlay, "Service").values() if labels <= s["metadata"]["labels"].items()
    )
    scraped = {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]}
    offered = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    served = {
        port
        for container in containers(overlay)
        if container.pod == "scopegate"
        for name, port in container.ports.items()
        if name != "https"
    }
    assert scraped == set(offered)
    assert set(offered.values()) == served


@pytest.mark.parametrize("overlay", RENDERED)
def test_certificates_name_issuers_that_are_there(overlay: str) -> None:
    """ClusterIssuers belong to the cluster."""
    issuers = of_kind(overlay, "Issuer")
    certificates = of_kind(overlay, "Certificate")
    secrets = {certificate["spec"]["secretName"] for certificate in certificates.values()}
    for certificate in certificates.values():
        reference = certificate["spec"]["issuerRef"]
        assert reference["name"] in (issuers if reference["kind"] == "Issuer" else {"public"})
    for issuer in issuers.values():
        if "ca" in issuer["spec"]:
            assert issuer["spec"]["ca"]["secretName"] in secrets


@pytest.mark.parametrize("overlay", RENDERED)
def test_every_path_in_a_command_is_mounted_and_every_port_declared(overlay: str) -> None:
    """Files that a container is told of, sockets and ports that it listens on."""
    by_name = {container.name: container for container in containers(overlay)}
    for container in containers(overlay):
        mounts = _mounts(container)
        if container.pod == "scopegate" and container.name in {"render", "secrets"}:
            # They write down paths that Envoy will read.
            mounts = mounts | _mounts(by_name["envoy"])
        for path in _paths(container):
            assert any(path == mount or path.startswith(f"{mount}/") for mount in mounts), (
                container.name,
                path,
            )
        for word in container.spec.get("args", []):
            if (found := re.fullmatch(r"--http=0\.0\.0\.0:([0-9]+)", word)) and container.goes_on:
                assert int(found[1]) in container.ports.values(), container.name


@pytest.mark.parametrize("overlay", RENDERED)
def test_what_envoy_is_rendered_for_is_what_the_pod_runs(overlay: str) -> None:
    """The workers' sockets, Envoy's ports, its admin socket and its configuration file."""
    by_name = {c.name: c for c in containers(overlay) if c.pod == "scopegate"}
    told = by_name["render"].spec["args"]
    listening = {word for c in by_name.values() if c.name.startswith("worker-") for word in c.spec["args"]}
    sockets = {word.removeprefix("--listen=") for word in listening if word.startswith("--listen=")}
    assert {word.removeprefix("--scopegate=") for word in told if word.startswith("--scopegate=")} == sockets
    ports = by_name["envoy"].ports
    assert f"--listen=0.0.0.0:{ports['https']}" in told
    assert f"--http=0.0.0.0:{ports['envoy-http']}" in told
    (admin,) = (word for word in told if word.startswith("--admin="))
    assert admin in by_name["drain"].spec["args"]
    (output,) = (word.removeprefix("--output=") for word in told if word.startswith("--output="))
    assert output in by_name["envoy"].spec["args"]
    # Each is ended when the file is there that says that it may be.
    for option, ended in (("--drained=", "envoy"), ("--waiting=", "drain")):
        (file,) = (word for word in by_name["drain"].spec["args"] if word.startswith(option))
        assert (
            f"[ -e {file.removeprefix(option)} ]"
            in by_name[ended].spec["lifecycle"]["preStop"]["exec"]["command"][-1]
        )


@pytest.mark.parametrize("overlay", ["staging", "prod"])
def test_names_inside_the_cluster_are_those_of_services(overlay: str) -> None:
    """The limit service and its Redis, with their ports."""
    text = "\n".join(
        word
        for container in containers(overlay)
        for word in [*container.spec.get("args", []), *(e["value"] for e in container.spec.get("env", []))]
    )
    services = of_kind(overlay, "Service")
    found = re.findall(r"([a-z-]+)\.scopegate\.svc\.cluster\.local:([0-9]+)", text)
    assert len(found) == 2
    for name, port in found:
        assert int(port) in {entry["port"] for entry in services[name]["spec"]["ports"]}


def _selected(overlay: str, labels: dict[str, str]) -> set[str]:
    """The names of the Deployments whose pods carry these labels."""
    return {
        name
        for name, template in pods(overlay).items()
        if labels.items() <= template["metadata"]["labels"].items()
    }


def _mounts(container: Container) -> set[str]:
    return {mount["mountPath"] for mount in container.spec.get("volumeMounts", [])}


def _probes(container: Container) -> list[Any]:
    return [
        container.spec[key]
        for key in ("startupProbe", "readinessProbe", "livenessProbe")
        if key in container.spec
    ]


def _paths(container: Container) -> set[str]:
    """Absolute paths outside the image's own directories."""
    lifecycle = container.spec.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    words = [*container.spec.get("args", []), *lifecycle]
    inside = [part for word in words for part in shlex.split(word)]
    found = {re.sub(r"^--[a-z-]+=(unix:)?", "", word) for word in inside}
    return {path for path in found if path.startswith("/") and not path.startswith(("/bin/", "/tmp"))}


def test_the_names_of_the_objects_are_in_one_of_two_namespaces() -> None:
    """An object without a namespace would land wherever kubectl points to."""
    for overlay in RENDERED:
        for manifest in committed(overlay):
            name = name_of(manifest)
            assert name.namespace in ({""} if name.kind == "Namespace" else {"scopegate", "warehouse"}), name
