"""The preset of an issuer with its parameters filled in."""

from collections.abc import Mapping

from authz.identity.presets.catalog import PARAMETERS, PRESETS
from authz.identity.presets.preset import Parameter, Preset
from authz.policy.identityparts import IssuerPart
from authz.policy.problems import listed
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken


def filled_preset(context: Context, path: Path, part: IssuerPart) -> Preset | None:
    """The preset for this very issuer, None after a problem. Its `issuer` is the exact `iss`."""
    if is_broken(part.preset, part.issuer, *(getattr(part, name) for name in PARAMETERS)):
        return None
    before = len(context.report.problems)
    preset = PRESETS[part.preset]
    _check_foreign(context, path, part, preset)
    values = _values(context, path, part, preset)
    _check_issuer(context, path, part, preset)
    return None if len(context.report.problems) != before else _filled(preset, part, values)


def iss_of(part: IssuerPart) -> str | None:
    """The `iss` of an issuer's tokens as far as it can be told; says nothing about mistakes."""
    if is_broken(part.preset, part.issuer, *(getattr(part, name) for name in PARAMETERS)):
        return None
    preset = PRESETS[part.preset]
    return _filled(preset, part, _given(part, preset)).issuer


def _filled(preset: Preset, part: IssuerPart, values: Mapping[str, str]) -> Preset:
    return preset.filled(values, own_issuer=part.issuer)


def _given(part: IssuerPart, preset: Preset) -> dict[str, str]:
    found = {}
    for parameter in preset.parameters:
        value = getattr(part, parameter.name)
        if value is None:
            value = parameter.default
        if value is not None:
            found[parameter.name] = value
    return found


def _values(context: Context, path: Path, part: IssuerPart, preset: Preset) -> dict[str, str]:
    needed = preset.needs(own_issuer=part.issuer is not None)
    values = _given(part, preset)
    for parameter in preset.parameters:
        value = values.get(parameter.name)
        if value is None and parameter.name in needed:
            context.report.add(
                "missing",
                path,
                f"`{parameter.name}` is missing",
                f"with `preset: {preset.name}`, say {parameter.what}, such as `{parameter.example}`",
            )
        elif value is not None and not parameter.pattern.match(value):
            _bad_value(context, (*path, parameter.name), parameter, value)
    return values


def _bad_value(context: Context, path: Path, parameter: Parameter, value: str) -> None:
    near = value.removeprefix("https://").rstrip("/").lower()
    help_text = f"such as `{parameter.example}`"
    if near != value and parameter.pattern.match(near):
        help_text = f"did you mean `{near}`?"
    context.report.add("value", path, f"got `{value}`, expected {parameter.what}", help_text)


def _check_foreign(context: Context, path: Path, part: IssuerPart, preset: Preset) -> None:
    """Keys of another preset would be passed over in silence."""
    own = {parameter.name for parameter in preset.parameters}
    for name in PARAMETERS:
        if name not in own and getattr(part, name) is not None:
            takers = [
                other.name for other in PRESETS.values() if any(p.name == name for p in other.parameters)
            ]
            context.report.add(
                "conflict",
                (*path, name),
                f"`{name}`, with `preset: {preset.name}`",
                f"it belongs to {listed(takers)}",
                key=True,
            )


def _check_issuer(context: Context, path: Path, part: IssuerPart, preset: Preset) -> None:
    if preset.issuer is None and part.issuer is None:
        context.report.add(
            "missing",
            path,
            "`issuer` is missing",
            f"with `preset: {preset.name}`, say the exact `iss` of the tokens",
        )
    elif preset.issuer is not None and part.issuer is not None and not preset.own_issuer:
        context.report.add(
            "conflict",
            (*path, "issuer"),
            f"`issuer`, with `preset: {preset.name}`",
            "the preset knows it; leave the key out",
            key=True,
        )
    elif part.issuer is not None and preset.own_issuer:
        for parameter in preset.parameters:
            if getattr(part, parameter.name) is not None and parameter.name not in preset.needs(
                own_issuer=True
            ):
                context.report.add(
                    "conflict",
                    (*path, parameter.name),
                    f"`{parameter.name}`, beside `issuer`",
                    "an issuer of one's own is not made of parameters; keep one of the two",
                    key=True,
                )
