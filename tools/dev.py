"""`make dev`: serve, and on each change of a source build what needs it and start again. A reload of the page shows the change.

One port and the production build, as `make run` has it: what works here works there. A change of a page takes about 8 s, of the rest about 3.
"""

import os
import signal
import sys
from pathlib import Path

import watchfiles

ROOT = Path(__file__).resolve().parent.parent
WATCHED = ("dashboard_app", "assets", "alembic", "rxconfig.py")


def main() -> int:
    """Run until Ctrl-C."""
    environment = {"SPILLWAY_LOG_LEVEL": "debug", **os.environ}
    os.environ.update(environment)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    watchfiles.run_process(
        *(ROOT / name for name in WATCHED),
        target=f"{sys.executable} -m dashboard_app serve",
        target_type="command",
        watch_filter=watchfiles.DefaultFilter(ignore_dirs=(*watchfiles.DefaultFilter.ignore_dirs, "external")),
        sigint_timeout=25,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
