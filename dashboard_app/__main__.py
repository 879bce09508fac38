"""`python -m dashboard_app …`."""

import gc

gc.disable()  # what is imported stays for good: to look through it again and again takes a seventh of the start

from dashboard_app.cli import app  # noqa: E402 - imported while the collector rests

if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    app(prog_name="spillway")
