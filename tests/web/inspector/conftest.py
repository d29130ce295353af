from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The inspector runs in the loop of what it shows, whichever that is."""
    return str(request.param)
