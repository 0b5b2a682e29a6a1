"""A warning with its place."""

from authz.policy.policyset import Place
from authz.policy.problems import Problem, Severity


def warning(code: str, place: Place, message: str, help: str | None = None, path: str = "") -> Problem:  # noqa: A002 - the word of the report
    """A problem that keeps no policy from being used. `path` goes on behind that of the place."""
    return Problem(
        code=code,
        message=message,
        file=place.file,
        line=place.line,
        path=f"{place.path}{path}",
        help=help,
        severity=Severity.WARNING,
    )
