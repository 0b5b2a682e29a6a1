"""Every object against its schema: Kubernetes' own, and small ones for the kinds that others define."""

import json
from copy import deepcopy
from typing import Any, Final

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.kubernetes.manifests import RENDERED, ROOT, Manifest, committed, name_of

OLDEST: Final = "1.29"
"""The first release that knows sidecars without being told to."""
NEWEST: Final = "1.37"


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """No other key: a field of another name is a field that does nothing."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


_TEXT: Final = {"type": "string", "minLength": 1}
_TEXTS: Final = {"type": "array", "items": _TEXT, "minItems": 1}
_LABELS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_DURATION: Final = {"type": "string", "pattern": r"^([0-9]+(h|m|s))+$"}
_ISSUER: Final = _object(
    {"group": {"const": "cert-manager.io"}, "kind": {"enum": ["Issuer", "ClusterIssuer"]}, "name": _TEXT}
)

# https://cert-manager.io/docs/reference/api-docs/
_CERTIFICATE: Final = _object(
    {"secretName": _TEXT, "issuerRef": _ISSUER},
    {
        "dnsNames": _TEXTS,
        "uris": _TEXTS,
        "commonName": {"type": "string", "maxLength": 64},
        "isCA": {"type": "boolean"},
        "duration": _DURATION,
        "renewBefore": _DURATION,
        "usages": {
            "type": "array",
            "items": {"enum": ["digital signature", "cert sign", "crl sign", "server auth", "client auth"]},
        },
        "privateKey": _object(
            {},
            {
                "algorithm": {"enum": ["RSA", "ECDSA", "Ed25519"]},
                "size": {"enum": [256, 384, 521, 2048, 4096]},
                "rotationPolicy": {"enum": ["Always", "Never"]},
            },
        ),
    },
)
_ISSUERS: Final = {
    "oneOf": [_object({"selfSigned": _object({})}), _object({"ca": _object({"secretName": _TEXT})})],
}
# https://prometheus-operator.dev/docs/api-reference/api/
_RELABELING: Final = _object({"targetLabel": _TEXT, "replacement": _TEXT})
_ENDPOINT: Final = _object(
    {"port": _TEXT, "path": _TEXT, "interval": _DURATION, "scrapeTimeout": _DURATION},
    {"relabelings": {"type": "array", "items": _RELABELING, "minItems": 1}},
)
_SERVICE_MONITOR: Final = _object(
    {
        "selector": _object({"matchLabels": _LABELS}),
        "endpoints": {"type": "array", "items": _ENDPOINT, "minItems": 1},
    }
)
_RULE: Final = {
    "oneOf": [
        _object(
            {"alert": _TEXT, "expr": _TEXT}, {"for": _DURATION, "labels": _LABELS, "annotations": _LABELS}
        ),
        _object({"record": _TEXT, "expr": _TEXT}, {"labels": _LABELS}),
    ]
}
_PROMETHEUS_RULE: Final = _object(
    {
        "groups": {
            "type": "array",
            "items": _object(
                {"name": _TEXT, "rules": {"type": "array", "items": _RULE, "minItems": 1}},
                {"interval": _DURATION},
            ),
            "minItems": 1,
        }
    }
)
# https://secrets-store-csi-driver.sigs.k8s.io/concepts#secretproviderclass
_SECRET_PROVIDER_CLASS: Final = _object({"provider": {"const": "vault"}, "parameters": _LABELS})

_SPECS: Final = {
    ("cert-manager.io/v1", "Certificate"): _CERTIFICATE,
    ("cert-manager.io/v1", "Issuer"): _ISSUERS,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _SERVICE_MONITOR,
    ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass"): _SECRET_PROVIDER_CLASS,
}


def _schema(spec: dict[str, Any]) -> dict[str, Any]:
    metadata = _object({"name": _TEXT, "namespace": _TEXT}, {"labels": _LABELS, "annotations": _LABELS})
    return _object({"apiVersion": _TEXT, "kind": _TEXT, "metadata": metadata, "spec": spec})


def _different() -> list[Any]:
    """Each object once, however many overlays hold it: the validator takes a quarter of a second for one."""
    seen: dict[str, Any] = {}
    for overlay in RENDERED:
        for manifest in committed(overlay):
            name = name_of(manifest)
            seen.setdefault(
                json.dumps(manifest), pytest.param(manifest, id=f"{overlay}-{name.kind}-{name.name}")
            )
    return list(seen.values())


def _one_of_each_kind() -> list[Any]:
    kinds = {_kind(m): m for m in committed("staging") if _kind(m) not in _SPECS}
    return [pytest.param(manifest, id=kind) for (_, kind), manifest in kinds.items()]


def _kind(manifest: Manifest) -> tuple[str, str]:
    return manifest["apiVersion"], manifest["kind"]


@pytest.mark.parametrize("manifest", _different())
def test_every_object_fits_its_schema(manifest: Manifest) -> None:
    """Strictly: an unknown field is a field that does nothing."""
    spec = _SPECS.get(_kind(manifest))
    if spec is None:
        kubernetes_validate.validate(dict(manifest), OLDEST, strict=True)
    else:
        jsonschema.validate(manifest, _schema(spec))


@pytest.mark.parametrize("manifest", _one_of_each_kind())
def test_every_kind_is_there_in_the_newest_release_too(manifest: Manifest) -> None:
    """API versions are taken away now and then."""
    kubernetes_validate.validate(dict(manifest), NEWEST, strict=True)


def test_a_misspelt_field_is_found() -> None:
    """The neighbour, in an object of Kubernetes and in one of cert-manager."""
    (deployment,) = (m for m in committed("dev") if name_of(m)[::2] == ("Deployment", "scopegate"))
    wrong = deepcopy(dict(deployment))
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 30
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        kubernetes_validate.validate(wrong, OLDEST, strict=True)

    (certificate,) = (m for m in committed("dev") if name_of(m)[::2] == ("Certificate", "edge"))
    wrong = deepcopy(dict(certificate))
    wrong["spec"]["dnsName"] = wrong["spec"].pop("dnsNames")
    with pytest.raises(jsonschema.ValidationError, match="dnsName"):
        jsonschema.validate(wrong, _schema(_SPECS[_kind(certificate)]))


def test_the_rules_of_monitoring_fit_theirs() -> None:
    """They are not among the committed manifests; see `RULES`."""
    rules = yaml.safe_load((ROOT / "deploy/monitoring/prometheusrule.yaml").read_text())
    jsonschema.validate(rules["spec"], _PROMETHEUS_RULE)


def test_every_schema_of_others_is_used() -> None:
    """And none of ours stands for a kind that Kubernetes defines."""
    used = {_kind(manifest) for overlay in RENDERED for manifest in committed(overlay)}
    assert set(_SPECS) <= used
