"""`python -m dashboard_app …`."""

from dashboard_app.cli import app

if __name__ == "__main__":
    app(prog_name="spillway")
