"""What becomes of something that one process of ours hands over to another."""

import io
from typing import TypeVar

from authz.config.handover import read_outcome, read_parts, write_outcome
from authz.loading import Rules, made_of, rules_of
from authz.policy.policyset import PolicySet

T = TypeVar("T")


def handed_over(outcome: T) -> T:
    """A policy as a worker gets it that answers meanwhile: its rules first."""
    file, rules = io.BytesIO(), Rules()
    if isinstance(outcome, PolicySet):
        write_outcome(outcome, rules_of(outcome), file, made=made_of(outcome))
    else:
        write_outcome(outcome, [], file)
    file.seek(0)
    for some in read_parts(file):
        rules.add(some)
    read = read_outcome(file, rules.all, made=rules.made())
    assert isinstance(read, type(outcome))
    return read
