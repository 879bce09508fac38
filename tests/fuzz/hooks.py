"""What schemathesis is told beside the description: one key it may not throw away, and one fault of its own to go round."""

import os
from typing import Any

import schemathesis

OWN_TOKEN = int(os.environ["SPILLWAY_FUZZ_TOKEN_ID"])
NOBODYS_TOKEN = 2**31 - 1


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
    """The run's own token is not revoked: after that everything would be 401, and nothing more would be found."""
    if case.operation.label == "DELETE /api/v1/tokens/{token_id}" and str((case.path_parameters or {}).get("token_id")) == str(OWN_TOKEN):
        case.path_parameters["token_id"] = NOBODYS_TOKEN
