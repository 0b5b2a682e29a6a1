"""Who asks in the demo. The issuer knows these people; the policy file knows only their groups."""

from dataclasses import dataclass

AUDIENCE = "api://warehouse"
EXTRACT_JOB = "spiffe://acme.example/tableau/extract"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account at the development issuer. `subject` is what a real issuer would call an opaque id."""

    username: str
    title: str
    subject: str
    groups: tuple[str, ...]


EMMA = Person(username="emma", title="Emma, EMEA analyst", subject="00u1emma", groups=("analysts-emea",))
EMIL = Person(
    username="emil", title="Emil, her colleague", subject="00u2emil", groups=("analysts-emea", "chess-club")
)
UMA = Person(username="uma", title="Uma, US analyst", subject="00u3uma", groups=("analysts-us",))
CARLOS = Person(
    username="carlos",
    title="Carlos, contractor in EMEA",
    subject="00u4carlos",
    groups=("analysts-emea", "contractors"),
)
SAM = Person(username="sam", title="Sam, a stranger", subject="00u5sam", groups=("chess-club",))
LOOP = Person(
    username="wall",
    title="A wall display in a loop",
    subject="00u6wall",
    groups=("analysts-us",),
)

PEOPLE = {person.username: person for person in (EMMA, EMIL, UMA, CARLOS, SAM, LOOP)}
