"""The `audit:` section."""

from difflib import get_close_matches

from authz.policy.document import AuditPart
from authz.policy.facts import CLAIMS, READERS
from authz.policy.sections.context import Context, is_broken

RECORDABLE = ("principal.groups", CLAIMS, "request.path")
"""What a record has only where the policy reads it; everything else is in each."""


def build_audit(context: Context, part: AuditPart) -> tuple[str, ...] | None:
    """The facts to record beside those that the policy reads."""
    if is_broken(part.also_record):
        return None
    good = True
    for number, name in enumerate(part.also_record):
        if name in RECORDABLE or (name.startswith(f"{CLAIMS}.") and name != f"{CLAIMS}."):
            continue
        good = False
        context.report.add("value", ("audit", "also_record", number), *_objection(name))
    return tuple(part.also_record) if good else None


def _objection(name: str) -> tuple[str, str]:
    if name in READERS:
        return f"`{name}` is in every record anyway", "leave it out"
    near = get_close_matches(name, RECORDABLE, 1)
    known = ", ".join(f"`{each}`" for each in (*RECORDABLE, f"{CLAIMS}.NAME"))
    return f"got `{name}`, expected one of {known}", f"did you mean `{near[0]}`?" if near else ""
