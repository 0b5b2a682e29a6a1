"""A policy from the file system."""

from pathlib import Path

from authz.config.policyfiles import read_policy_files
from authz.policy.parse import parse_policy
from authz.policy.policyset import PolicySet


def load_policy(path: Path) -> PolicySet:
    """The policy of a file, or of a directory of files.

    Raises `PolicyError` with every problem; its kind `PolicyUnreadableError`, if there is nothing to read.
    """
    return parse_policy(read_policy_files(path))
