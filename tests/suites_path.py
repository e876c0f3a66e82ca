"""Where the public suites lie: ``$MAILVERDICT_SUITES``, else ``shared/suites`` beside the checkout."""

import os
from pathlib import Path

SUITES = Path(os.environ.get("MAILVERDICT_SUITES") or Path(__file__).resolve().parents[2] / "shared" / "suites")
