"""Every error of our own, split by who must act.

AutoAgentError
├── UserError               the user: fix the input and try again
│   ├── RequestError        the sentence cannot be built as it stands; carries what is missing
│   ├── DataError           the table cannot be read or learned from
│   ├── DomainError         a value outside its domain
│   ├── UnknownPluginError  no plug-in of that name
│   ├── MissingExtraError   an optional dependency is not installed
│   ├── ProtocolError       a measurement would break its own protocol, such as tuning on test seeds
│   └── RunFolderError      a run folder is missing, locked, damaged or of a newer version
├── LLMError                the endpoint: unreachable, refused, timed out
├── ReplyError              the model: its reply cannot be used
├── BudgetExceeded          nobody: stop
├── TrialFailed             nobody: record it and go on
│   ├── Diverged            the training diverged, also with smaller learning rates
│   └── CannotFinish        its first steps show that too little of its schedule fits into the time
├── CodeRejected            the model: its code breaks the policy and was not run
└── SandboxFailure          the model's code: it ran in the sandbox and gave no value; record it and go on
    ├── SandboxTimeout      it took too long
    ├── SandboxMemory       it asked for too much memory
    ├── SandboxViolation    it tried what the sandbox refuses, or sent back what is not data
    ├── SandboxCrash        its process died
    └── SandboxError        it raised an exception
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

FailureKind = Literal["error", "timeout", "memory", "crash", "interrupted", "refused"]


class AutoAgentError(Exception):
    """Base of every error that autoagent raises on purpose."""


class UserError(AutoAgentError):
    """The input must change; the message says what was wrong, what is allowed and what to do."""


class RequestError(UserError):
    """A request cannot be built as it stands.

    Attributes:
        missing: keys of the task spec that must be answered first, for example ``data.target``.
    """

    def __init__(self, message: str, *, missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)


class DataError(UserError):
    """The data cannot be read or learned from."""


class DomainError(UserError, ValueError):
    """A value lies outside the domain of its parameter."""


class UnknownPluginError(UserError, KeyError):
    """No plug-in of that name; the message names the nearest one."""

    def __str__(self) -> str:
        return str(self.args[0])


class MissingExtraError(UserError, ImportError):
    """A plug-in needs an optional dependency that is not installed."""


class ProtocolError(UserError):
    """A measurement would break its protocol: tuning and test seeds or data meet, or the test part is read twice."""


class RunFolderError(UserError):
    """A run folder is missing, in use, damaged, or written by a newer version."""


class LLMError(AutoAgentError):
    """The language-model endpoint could not answer; retrying did not help.

    Attributes:
        unclear: attempts that ended without an answer but may have been billed (a timeout, a cut connection).
    """

    def __init__(self, message: str, *, unclear: int = 0) -> None:
        super().__init__(message)
        self.unclear = unclear


class ReplyError(AutoAgentError):
    """A model's reply cannot be used.

    Attributes:
        reply: the text as it came.
    """

    def __init__(self, message: str, *, reply: str = "") -> None:
        super().__init__(message)
        self.reply = reply


class BudgetExceeded(AutoAgentError):  # noqa: N818 - it is not a fault; it ends a run in good order
    """A reservation would pass a limit, so nothing was spent.

    Attributes:
        resource: what ran out, for example ``cost_usd``.
    """

    def __init__(self, message: str, *, resource: str) -> None:
        super().__init__(message)
        self.resource = resource


class TrialFailed(AutoAgentError):  # noqa: N818 - an outcome to record, never a score
    """A trial ended without a score.

    Attributes:
        kind: how it ended.
    """

    def __init__(self, message: str, *, kind: FailureKind) -> None:
        super().__init__(message)
        self.kind = kind


class Diverged(TrialFailed):
    """A training diverged, and again after every rollback to a smaller learning rate."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="error")


class CannotFinish(TrialFailed):
    """A training was ended after its first steps, because too little of its schedule fits into its time.

    Attributes:
        needed_s: seconds that its whole schedule would take.
    """

    def __init__(self, message: str, *, needed_s: float) -> None:
        super().__init__(message, kind="refused")
        self.needed_s = needed_s


class CodeRejected(AutoAgentError):  # noqa: N818 - an answer about the code, given before it runs
    """Code breaks the policy, so it was not run.

    Attributes:
        faults: every reason, each with its line.
    """

    def __init__(self, message: str, *, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class SandboxFailure(AutoAgentError):  # noqa: N818 - an outcome to record; our own code did not fail
    """Code ran in the sandbox and gave no value.

    Attributes:
        stdout: what it printed, capped, control characters made visible.
        stderr: likewise.
    """

    def __init__(self, message: str, *, stdout: str = "", stderr: str = "") -> None:
        super().__init__(message)
        self.stdout = stdout
        self.stderr = stderr


class SandboxTimeout(SandboxFailure):
    """The code did not end in time and was killed."""


class SandboxMemory(SandboxFailure):
    """The code asked for more memory than it may have."""


class SandboxViolation(SandboxFailure):
    """The code tried what the sandbox refuses, or sent back what is not data within the limits."""


class SandboxCrash(SandboxFailure):
    """The process of the code died: a signal, an exit, or the whole sandbox was lost."""


class SandboxError(SandboxFailure):
    """The code raised an exception.

    Attributes:
        kind: the exception's type name, for example ``"ValueError"``.
        detail: its message.
        line: the 1-based line of the source that failed, or 0 when it is not known.
    """

    def __init__(
        self, message: str, *, kind: str = "", detail: str = "", line: int = 0, stdout: str = "", stderr: str = ""
    ) -> None:
        super().__init__(message, stdout=stdout, stderr=stderr)
        self.kind = kind
        self.detail = detail
        self.line = line
