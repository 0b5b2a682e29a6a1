"""Cube's side of a scope: a `queryRewrite` that reads the security context. It is the same for every policy."""

from importlib.resources import files

from authz.policy.policyset import PolicySet, Warehouse


def cube_files(_: PolicySet, __: Warehouse) -> dict[str, str]:
    """The files for a warehouse of kind `cube`, by name."""
    return {"scopegate.js": files("authz.edge.warehouses").joinpath("cube.js").read_text(encoding="utf-8")}
