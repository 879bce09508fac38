"""What schemathesis is told beside the description: one key it may not throw away, and one fault of its own to go round."""

import os
from typing import Any

import schemathesis

OWN_TOKEN = int(os.environ["SPILLWAY_FUZZ_TOKEN_ID"])
NOBODYS = 2**31 - 1
KEPT = {
    "DELETE /api/v1/tokens/{token_id}": ("token_id", {OWN_TOKEN}),
    "DELETE /scan/data-sources/{source_id}": ("source_id", {2, 3}),
}
"""Calls that would take from the run what it lives on, and whose: its own token (after that all would be 401), the service and the PgBouncer."""


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """4.32 turns `prefixItems` into a list of `items` in one place and refuses that in another: tuples become lists of numbers.

    Only answers have tuples, all of numbers; their lengths are still checked.
    """
    _without_tuples(raw_schema)


def _without_tuples(node: Any) -> None:
    if isinstance(node, dict):
        if "prefixItems" in node:
            parts = node.pop("prefixItems")
            assert all(part["type"] in {"number", "integer"} for part in parts), parts
            node["items"] = {"type": "number"}
        for value in node.values():
            _without_tuples(value)
    elif isinstance(node, list):
        for value in node:
            _without_tuples(value)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """What the run lives on is not deleted; somebody else's is."""
    name, ids = KEPT.get(case.operation.label, ("", frozenset()))
    if name and str((case.path_parameters or {}).get(name)) in map(str, ids):
        case.path_parameters[name] = NOBODYS
