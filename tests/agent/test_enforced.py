"""What was understood and changes nothing is said; what is read or kept is not."""

import pytest

from autoagent.agent.enforced import unenforced
from autoagent.agent.spec import TaskSpec


@pytest.mark.parametrize(("form", "said"), [("coco", False), ("yolo", False), ("voc", False), ("cvat", True)])
def test_only_forms_of_labels_that_are_not_read_are_said(form: str, said: bool) -> None:
    spec = TaskSpec.model_validate({"task_type": "object_detection", "data": {"annotation_format": form}})
    assert any(form in text and "not enforced" in text for text in unenforced(spec)) == said
