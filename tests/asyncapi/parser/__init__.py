"""The official parser of AsyncAPI: fetched by npm into `.venv`, which git does not know.

Its version stands in `package.json` alone. `python -m tests.asyncapi.parser` fetches it, as the tests do that need it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VENV = HERE.parents[2] / ".venv"
SECONDS = 50
"""To fetch it in: less than a test may take."""


def fetched() -> Path:
    """The folder with the parser of the version that `package.json` names; it is fetched if it is not there.

    Several processes may call it at once: each fetches into a folder of its own, and the first that is done wins.

    Raises:
        RuntimeError: npm failed; the message has what it said.
    """
    wanted = (HERE / "package.json").read_text()
    version = wanted.rpartition('"@asyncapi/parser": "')[2].partition('"')[0]
    folder = VENV / f"asyncapi-{version}"
    if not folder.exists():
        VENV.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="asyncapi-", dir=VENV))
        try:
            _fetch(made)
            made.rename(folder)
        except OSError:
            if not folder.exists():
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder


def _fetch(folder: Path) -> None:
    shutil.copy(HERE / "package.json", folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"npm took longer than {SECONDS} s; call `make asyncapi-parser` first") from error
    if done.returncode:
        raise RuntimeError(f"npm failed: {done.stdout}{done.stderr}")
