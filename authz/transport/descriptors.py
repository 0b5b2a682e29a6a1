"""Who may take how many of a process' file descriptors.

A connection is one. Whoever opens connections must keep nobody from reading a revocation, writing the audit trail or
asking for the metrics, so each listener closes at once what comes beyond its share.
"""

import resource
from typing import Final

MOST_CHECKING: Final = 100_000
MOST_OPERATORS: Final = 100


def checking_connections(descriptors: int, listeners: int = 1) -> int:
    """Connections that each of so many listeners for checks takes: three quarters of `descriptors` together."""
    return max(1, min(descriptors * 3 // 4, MOST_CHECKING) // listeners)


def operators_connections(descriptors: int) -> int:
    """Connections to the operators' port: an eighth at most. The last eighth is for files and questions to issuers."""
    return max(1, min(descriptors // 8, MOST_OPERATORS))


def available_descriptors() -> int:
    """How many this process may have (RLIMIT_NOFILE, getrlimit(2))."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2 * MOST_CHECKING if limit == resource.RLIM_INFINITY else limit
