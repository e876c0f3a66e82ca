"""mailverdict: says of a mail whether its author is authenticated, and why.

    from verify import Config, Envelope, to_json, verify_message

The names below are the whole public interface; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verify.config import Config as Config
    from verify.config import ConfigError as ConfigError
    from verify.fronts.session import Judge as Judge
    from verify.fronts.session import verify_message as verify_message
    from verify.fronts.session import verify_message_async as verify_message_async
    from verify.lookup.live import NoResolver as NoResolver
    from verify.lookup.recording import RecordingError as RecordingError
    from verify.model import Conclusion as Conclusion
    from verify.model import ConclusionReason as ConclusionReason
    from verify.model import Envelope as Envelope
    from verify.model import Limits as Limits
    from verify.model import Reason as Reason
    from verify.model import Source as Source
    from verify.model import Verdict as Verdict
    from verify.render.data import StoredVerdictError as StoredVerdictError
    from verify.render.data import from_json as from_json
    from verify.render.data import to_json as to_json
    from verify.render.header import to_header as to_header
    from verify.render.page import to_html as to_html
    from verify.render.text import to_text as to_text

__version__ = "0.1.0"

_HOMES = {
    "Conclusion": "model",
    "ConclusionReason": "model",
    "Config": "config",
    "ConfigError": "config",
    "Envelope": "model",
    "Judge": "fronts.session",
    "Limits": "model",
    "NoResolver": "lookup.live",
    "Reason": "model",
    "RecordingError": "lookup.recording",
    "Source": "model",
    "StoredVerdictError": "render.data",
    "Verdict": "model",
    "from_json": "render.data",
    "to_header": "render.header",
    "to_html": "render.page",
    "to_json": "render.data",
    "to_text": "render.text",
    "verify_message": "fronts.session",
    "verify_message_async": "fronts.session",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
