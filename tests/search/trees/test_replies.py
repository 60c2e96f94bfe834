"""A decision list from a language model: schema, faults, repair."""

import json
import random

import jsonschema
import pytest
from tests.search.trees.spaces import finite, recursive, with_floats

from autoagent.errors import DomainError
from autoagent.search import trees

GOOD = {"net/0*": 1, "net/0[0]/width": 2, "net/1": "gate", "net/1=gate/on": True, "net/skip?": False}


def test_the_schema_takes_every_list_and_refuses_a_foreign_decision() -> None:
    for tree in (finite(), with_floats()):
        for seed in range(10):
            jsonschema.validate(trees.to_json(tree.sample(random.Random(seed))), trees.schema(tree))
    for wrong in ([{"decision": "net/9", "value": 1}], [{"decision": "net/0*", "value": 99}], [{"decision": "net/0*"}]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, trees.schema(finite()))


def test_a_tree_without_an_end_has_a_schema_by_form_only() -> None:
    schema = trees.schema(recursive())
    jsonschema.validate([{"decision": "e", "value": "x"}], schema)
    assert "too large" in trees.describe(recursive())


def test_the_description_names_every_decision() -> None:
    said = trees.describe(finite())
    names = finite().names()
    assert names is not None
    assert all(f"- {name}: " in said for name in names)


def test_any_order_and_an_object_are_read_too() -> None:
    assert trees.from_json(finite(), GOOD) == GOOD
    backwards = list(reversed(trees.to_json(GOOD)))
    assert list(trees.from_json(finite(), backwards)) == list(GOOD)


def test_all_faults_come_at_once_and_nothing_is_said_of_what_lies_under_one() -> None:
    raw = {**GOOD, "net/0[0]/width": 9, "net/1": "gaet", "net/skip/acts": 1}
    del raw["net/skip?"]
    found = trees.faults(finite(), raw)
    assert [fault.split(":")[0] for fault in found] == ["net/0[0]/width", "net/1", "'net/skip?' is missing; allowed"]
    with pytest.raises(DomainError, match=r"9 is not in .*gaet.*missing"):
        trees.from_json(finite(), raw)
    message = trees.repair_message(found)
    assert all(f"- {fault}" in message for fault in found)


def test_a_name_that_is_nearly_right_is_hinted_at() -> None:
    raw = {name: value for name, value in GOOD.items() if name != "net/1=gate/on"} | {"net/1=gate/one": True}
    assert any("did you mean 'net/1=gate/on'?" in fault for fault in trees.faults(finite(), raw))


@pytest.mark.parametrize("raw", [None, 3, "net", ["net/0*"], [{"decision": 3, "value": 1}], [{"value": 1}]])
def test_what_is_no_list_of_decisions_is_a_fault_and_never_a_crash(raw: object) -> None:
    assert trees.faults(finite(), raw) != []
    decisions, changes = trees.repair(finite(), raw, random.Random(0))
    assert trees.faults(finite(), decisions) == []
    assert changes


def test_a_decision_made_twice_is_a_fault() -> None:
    rows = [*trees.to_json(GOOD), {"decision": "net/1", "value": "mean"}]
    assert trees.faults(finite(), rows) == ["'net/1' is decided twice"]


def test_repair_keeps_what_was_meant_and_says_what_it_changed() -> None:
    raw = {**GOOD, "net/0[0]/width": "9", "net/1": "GATE", "net/1=gate/on": "True", "net/x": 1}
    decisions, changes = trees.repair(finite(), raw, random.Random(0))
    assert decisions == GOOD
    assert [change.split(" ")[0] for change in changes] == ["net/0[0]/width", "net/1", "net/1=gate/on", "net/x"]
    assert trees.repair(finite(), GOOD, random.Random(0)) == (GOOD, [])


def test_repair_draws_what_is_missing() -> None:
    decisions, changes = trees.repair(finite(), {"net/0*": 2}, random.Random(3))
    assert decisions["net/0*"] == 2
    assert trees.faults(finite(), json.loads(json.dumps(decisions))) == []
    assert len(changes) == len(decisions) - 1


def test_repair_clips_numbers_and_draws_in_place_of_nonsense() -> None:
    raw = {"model/body*": 1, "model/body[0]/width": 1e9, "model/body[0]/drop?": False, "model/optim/rate": "nan"}
    decisions, changes = trees.repair(with_floats(), json.loads(json.dumps(raw)), random.Random(0))
    assert decisions["model/body[0]/width"] == 256
    assert 1e-5 <= float(str(decisions["model/optim/rate"])) <= 1e-1
    assert len(changes) == 2
