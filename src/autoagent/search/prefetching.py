"""A proposer that is asked in the background, so that a language model thinks while trials run."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any

from autoagent.search.agent_search.context import Context, Proposals
from autoagent.search.history import Observation

Answer = Sequence[Mapping[str, Any]]


class Prefetched:
    """Gives the answer to the question before, and puts the next question while trials run.

    The first call waits for its answer. Every later call takes the answer that was asked for at the call before it, so
    that it does not know the trials that have ended since, and at once asks for the one after it. One question is under
    way at a time; the last one of a study is asked for nothing. A study that is resumed waits once more, because an
    answer under way is not kept.

    An error of the proposer is raised by the call that takes its answer.
    """

    def __init__(self, proposals: Proposals, *, patience_s: float | None = None) -> None:
        """Take the parts.

        Args:
            proposals: whom to ask, for example `LanguageProposals`.
            patience_s: how long a call waits for an answer under way before it returns nothing, which leaves the turn
                to the surrogate and the answer to a later call. None waits for it, so that a study with a seed and a
                model that repeats itself repeats itself too.
        """
        self._proposals = proposals
        self._patience_s = patience_s
        self._coming: Future[Answer] | None = None
        self._lock = threading.Lock()

    def __call__(self, context: Context, observations: Sequence[Observation], count: int) -> Answer:
        """Return the configurations of the question before, or of this one where there was none.

        Threads that call at once take turns; one that has waited for its patience returns nothing.
        """
        if not self._lock.acquire(timeout=-1 if self._patience_s is None else self._patience_s):
            return ()
        try:
            patience = self._patience_s if self._coming is not None else None
            self._coming = coming = self._coming or self._ask(context, observations, count)
            wait([coming], timeout=patience)
            if not coming.done():
                return ()
            self._coming = None
            answer = coming.result()
            self._coming = self._ask(context, observations, count)
            return answer
        finally:
            self._lock.release()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the answer under way: a copy in another process asks for its own."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_coming", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin without an answer under way."""
        self.__dict__.update(state)
        self._coming = None
        self._lock = threading.Lock()

    def _ask(self, context: Context, observations: Sequence[Observation], count: int) -> Future[Answer]:
        answer: Future[Answer] = Future()
        known = tuple(observations)

        def work() -> None:
            try:
                answer.set_result(self._proposals(context, known, count))
            except BaseException as error:  # noqa: BLE001 - whoever takes the answer raises it
                answer.set_exception(error)

        threading.Thread(target=work, name="prefetched-proposals", daemon=True).start()
        return answer
