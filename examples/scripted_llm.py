"""The same job with a scripted language model: it reads the sentence and proposes one configuration."""

import tempfile

import autoagent

READING = {"fields": [{"key": "metric.name", "value": "roc_auc", "words": "AUROC"}]}
IDEAS = {"ideas": [{"family": "linear", "config": {"C": 0.05}, "reason": "few rows, many columns"}]}


def answer(request):
    """Answer by what is asked."""
    import json

    return json.dumps(IDEAS if "Propose" in request.messages[0].content else READING)


with tempfile.TemporaryDirectory() as out:
    llm = autoagent.ScriptedLLM([answer] * 20)
    request = "tell benign from malignant, AUROC, only linear models"
    result = autoagent.run("breast_cancer", request, llm=llm, max_trials=4, workers=1, out=out)
    print(f"{result.metric} {result.score:.3f}, {len(llm.requests)} requests")
    print([trial.source for trial in result.state.history()])
