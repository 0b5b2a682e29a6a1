"""`python -m authz.demo.healthy URL`: exit 0 if URL answers 200. For health checks in an image without curl."""

import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 2.0

if __name__ == "__main__":
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(sys.argv[1], timeout=TIMEOUT_SECONDS) as response:
            sys.exit(response.status != 200)
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
