"""Where an API key comes from: the environment, or the system's keyring; nowhere else, and hidden from then on."""

from __future__ import annotations

import os

from autoagent.errors import UserError
from autoagent.llm.redact import hide

VARIABLE = "OPENAI_API_KEY"
SERVICE = "autoagent"


def api_key() -> str | None:
    """Return the key of the environment, else the one that `keyring set autoagent OPENAI_API_KEY` stored; None if none.

    Without the package ``keyring`` (``pip install 'autoagent[keyring]'``) only the environment is asked.

    Raises:
        UserError: the keyring is there and cannot be read.
    """
    if found := os.environ.get(VARIABLE):
        return found
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        return None
    try:
        stored: str | None = keyring.get_password(SERVICE, VARIABLE)
    except NoKeyringError:  # the package is there, but this system keeps no secrets
        return None
    except KeyringError as error:
        raise UserError(f"the keyring could not be read: {error}; export {VARIABLE} instead") from None
    if not stored:
        return None
    hide(stored)
    return stored
