# ruff: noqa: SIM905  (a block of words reads better than one word a line)
"""Typing errors in the words that matter, put right before anything is read."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from autoagent.agent.understand.sentence import Sentence

# Words of the readers, worth repairing; and common words one letter away from them, which must stay as they are.
_VOCABULARY = frozenset(
    """
    mistake mistakes quantise quantised quantize
    absolute accuracy allowed android anomalies anomaly anything area auroc average balanced below bigger binary
    boosted boosting browser budget catboost cents chronological churn churned classification classifier
    classifies classify classifying cluster clustering column columns configurations cores crossvalidation curve
    customer customers days decrease decreasing deploy describe detection digits dollar dollars eight eighty
    eleven energy error errors estimate everything exceed exceeds except exclude excluding experiments explain
    explainable fifteen fifty five folds forbidden forecast forecasting forecasts forest forty four fraud gigabyte
    gigabytes gradient group grouped handwritten highest holdout horizon hour hourly hours hundred ignore
    important improvement increase increasing inference inferred internet interpretable intervals judged kappa
    kilobytes label language latency least lightgbm linear logistic logloss lowest macro maximise maximize maximum
    megabyte megabytes memory metric metrics micro million milliseconds minimise minimize minimum minute minutes
    model models monotone monthly months multiclass multilabel neither network networks neural nine ninety offline
    onnx optimise optimised optimising optimize optimized optimizer optimizing ordinal outcome parameters patience
    percent please possible precision predict predicted predicting prediction predictions predicts pretrained
    probability quality quantile quantized quarter random ranking raspberry rather recall recommended regression
    rmse second seconds segment segmentation seven seventy silhouette sixty smaller something species split
    squared stratified target targets thirty thousand three throughput train trained training trial trials twelve
    twenty uncertainty under validation weekly weeks weights whether within without xgboost
    """.split()
)
_LEAVE = frozenset(
    """
    absolutely accept accurate accurately acre again allows aloud anomalous area's areas asking automation
    averaged averages babel banking because bellow beneath beverage big biggest binaries blister bold boost boosts
    bowl brain browsers budge budgets cared carve cause cent center certainly certainty chain churner churners
    churns classes classified classifiers clause cleaner clustered clusters cold column's configuration costume
    costumer costumers coverage curation cures curves customary daily decreased decreases deployed deploying
    deployment deploys described describes describing detect detecting detections detector difference digit
    digital drain duration earning eighteen eighth energies equality erase estimated estimates estimation
    estimator evaluation even excess excluded excludes exempt expect expects experiment explained explaining
    explains external father fifth fight file find fine fire flirty fold folded for forests forged forties found
    fourteen fourth frauds fudged gadget gain gather gold gradients grain grocer grouper groups height heights
    here higher holds horror hosting house house's houses hundreds ignored ignores import importance imports
    improve improved improvements improves income incomes increased increases increasingly inequality infection
    inferences interest interface interference internal interpret interpreted interval invalidation judge judges
    kind king labels languages languishing lapel large larger last latent later lather latter learner learning
    lease leash letter libel light line liner linking location lower lusters macros main marco matrix matter
    maximal medical memories mental metal meter metre metrical metro micron might millions mind mine minimal minus
    minuted mirror mode model's modeling modelling modes modest month moral mouth mouths nation natural neighbor
    networking neutral nifty night nineteen ninth nothing obsolete onine online ordinary our outcomes overage pain
    parameter parametric parts party patient patients percentage percentile percentiles percents plain pleas
    possibly posting precise precisely prevision predictive predictor predictors preference pretraining price prices
    qualities quantify quantiles quarterly quarters raining randomly ranger ranked rankings ranks raspberries
    recalled recalls reference regressions relation returning right rmsle rmsse roasting rows score scores seconded
    secondly segmentations segmented segments seventeen seventh shifty sight sixteen sixth small smallest special
    specie spit splits splitter square squares station store stores strain straining taking tanking targeted tenth
    terrain terror there these thinking thirsty thirteen those thousands tight traces tracks trail trails trainer
    trains trial's uncertain understand unsquared vacation valid validated valuation warning weather weight
    weighted were wether where wide widget wind wine with your
    """.split()
)
_KNOWN = _VOCABULARY | _LEAVE
_TOKEN = re.compile(r"(?<![\w.\-/@\"])[a-z]{5,16}(?![\w/@\"]|[.\-]\w)")
# Slips in words too short for a distance: one swap of neighbours, and what people really mistype.
_FIXED = {
    "huor": "hour",
    "horu": "hour",
    "mdoel": "model",
    "modle": "model",
    "halve an": "half an",
    "aucroc": "auc roc",
    "rsme": "rmse",
    "rmes": "rmse",
    "rmsel": "rmsle",
    "aroc": "auroc",
    "acu": "auc",
    "wiht": "with",
    "wtih": "with",
    "hte": "the",
    "teh": "the",
    "mots": "most",
    "ahlf": "half",
    "haf": "half",
    "clas": "class",
    "scroe": "score",
    "eror": "error",
    "erorr": "error",
    "grup": "group",
    "taget": "target",
    "traget": "target",
    "minuts": "minutes",
    "mintues": "minutes",
}
_SHORT = re.compile(r"\b(?:" + "|".join(re.escape(word) for word in _FIXED) + r")\b")
_QUOTED = re.compile(r'"[^"]*"')


def mend_spelling(sentence: Sentence, *, protected: Collection[str] = ()) -> Sentence:
    """Return the sentence with small typing errors in known words repaired; protected words and quotes stay."""
    quoted = [match.span() for match in _QUOTED.finditer(sentence.clean)]

    def mend(match: re.Match[str]) -> str | None:
        word = match[0]
        if word in _KNOWN or word in protected or any(a < match.start() < b for a, b in quoted):
            return None
        return _nearest(word)

    sentence = sentence.replace(_SHORT, lambda match: None if match[0] in protected else _FIXED.get(match[0]))
    return sentence.replace(_TOKEN, mend)


@lru_cache(maxsize=4096)
def _nearest(word: str) -> str | None:
    """Return the one known word that is a slip away: one edit, or two in a long word."""
    best: tuple[int, str] | None = None
    for known in _VOCABULARY:
        if abs(len(known) - len(word)) > 1 or (known[0] != word[0] and known[1:2] != word[:1]):
            continue
        distance = _slips(word, known)
        allowed = 2 if min(len(word), len(known)) >= 9 else 1
        if distance <= allowed and (best is None or (distance, known) < best):
            best = distance, known
    if best is None or best[1] + "s" == word or word + "s" == best[1] or word + "d" == best[1] or best[1] + "d" == word:
        return None
    return best[1]


def _slips(a: str, b: str) -> int:
    """Count insertions, deletions, substitutions and swaps of neighbours (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
