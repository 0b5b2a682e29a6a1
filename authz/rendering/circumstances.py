"""What an answer depends on beside the decision and the request."""

from dataclasses import dataclass

from authz.policy.policyset import AssertionRule, PolicySet
from authz.signing.keys import SigningKeys
from authz.signing.unsigned import UNSIGNED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Circumstances:
    """The policy in force, its keys to sign with, and the time in seconds since the epoch."""

    policy_version: str
    now: float
    assertion: AssertionRule | None = None
    signing: SigningKeys | None = None
    """None while keys are configured and have not been read: then nothing can be signed."""


def unsigned(policy: PolicySet, now: float) -> Circumstances:
    """Without the real keys, for whoever asks what the answer is and not for the answer: signatures are empty."""
    return Circumstances(policy_version=policy.version, now=now, assertion=policy.assertion, signing=UNSIGNED)
