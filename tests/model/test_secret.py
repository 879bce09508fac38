import json
import pickle

import pytest

from dashboard_app.model.secret import MASK, Secret


def test_a_secret_prints_as_dots_however_it_is_printed():
    secret = Secret("hunter2")
    assert [str(secret), repr(secret), f"{secret}", f"{secret:>20}", f"{[secret]}"] == [MASK, MASK, MASK, MASK, f"[{MASK}]"]
    assert secret.reveal() == "hunter2"


def test_a_secret_refuses_pickle_and_json():
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret("hunter2"))
    with pytest.raises(TypeError):
        json.dumps(Secret("hunter2"))


def test_secrets_compare_by_value_and_never_with_strings():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("b"))
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)
