"""TLS, users with few rights, and a domain of JetStream: on real servers, all that a log does."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from evenflow.log import LogError
from tests.servers import free_port, fresh_nats_name

from .kit import Placed, log_on, needs_nats, on_asyncio, own_server

pytestmark = needs_nats


async def use(log: Any) -> None:
    """Publish, read what is live, handle, and read history: with an id, and several together."""
    orders: Any = log.subject("orders", Placed, routed_by=Placed.by)
    async with log, orders.subscribe(where=Placed.by == 1) as feed, orders.deliveries("billing") as deliveries:
        await orders.publish(Placed(by=1, n=0), id="first")
        await orders.publish_many(Placed(by=n % 2, n=n) for n in range(1, 4))
        with anyio.fail_after(30):
            assert [(await feed.receive()).n for _ in range(3)] == [0, 1, 3]
            for n in range(4):
                async with await deliveries.receive() as delivery:
                    assert delivery.event.n == n
        assert len(await orders.read().to_list()) == 4
        assert log.connected.value


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine's own, and its key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl to make a certificate with: install Debian's package openssl")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=evenflow tests", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


@on_asyncio
async def _over_tls(made: Path, key: Path) -> None:
    settings = f"tls: {{cert_file: {json.dumps(str(made))}, key_file: {json.dumps(str(key))}}}"
    with own_server(settings) as server:
        url = server.url.replace("nats://", "tls://")
        await use(log_on(url, tls=ssl.create_default_context(cafile=made)))
        with anyio.fail_after(30), pytest.raises(LogError, match="cannot be opened") as refused:
            await log_on(url, tls=ssl.create_default_context()).start()
        assert "certificate" in str(refused.value).lower()


def test_a_log_over_tls_trusts_whom_its_context_trusts(certificate: tuple[Path, Path]) -> None:
    """Another one is refused at opening, with the reason."""
    _over_tls(*certificate)


RIGHTS = """authorization: {{users: [
    {{user: admin, password: s3cret}},
    {{user: shop, password: "p:w@rd", permissions: {{
        publish: ["acme.shop.>", "acme.shop_quiet.>", "$JS.API.STREAM.*.SHOP", "$JS.API.STREAM.MSG.GET.SHOP",
                  "$JS.API.DIRECT.GET.SHOP"],
        subscribe: ["_INBOX_shop.>", "acme.shop_heard.>"]}}}},
    {{user: reader, password: r3ad, permissions: {{publish: ["$JS.API.>"], subscribe: [">"]}}}}
]}}""".replace("{{", "{").replace("}}", "}")


@on_asyncio
async def test_a_user_with_the_rights_of_the_documentation_can_do_everything() -> None:
    """And whoever may not publish is refused at opening, with what the server says of it."""
    names = {"name": fresh_nats_name(), "stream": "SHOP", "prefix": "acme.shop"}
    with own_server(RIGHTS) as server:
        await use(log_on(server.url, user="shop", password="p:w@rd", inbox_prefix="_INBOX_shop", **names))
        with anyio.fail_after(30), pytest.raises(LogError, match=r"may not do it: .*acme\.shop_quiet\.members"):
            await log_on(server.url, user="reader", password="r3ad", **names).start()
        with anyio.fail_after(30), pytest.raises(LogError, match="cannot be opened") as refused:
            await log_on(server.url, user="shop", password="wr0ng", **names).start()
        assert "wr0ng" not in str(refused.value)


@on_asyncio
async def test_a_log_in_a_domain_is_used_through_a_server_without_jetstream() -> None:
    """As at the edge: a leaf, whose hub keeps the stream."""
    port = free_port()
    hub = own_server(f"leafnodes: {{listen: 127.0.0.1:{port}}}", jetstream="domain: hub")
    with hub, own_server(f'leafnodes: {{remotes: [{{url: "nats://127.0.0.1:{port}"}}]}}', jetstream=None) as leaf:
        await _until_joined(leaf.url)
        await use(log_on(leaf.url, domain="hub"))
        with anyio.fail_after(60), pytest.raises(LogError, match="cannot be opened"):
            await log_on(leaf.url, domain="elsewhere").start()


async def _until_joined(url: str) -> None:
    """Wait until the hub answers through the leaf."""
    with anyio.fail_after(30):
        while True:
            log = log_on(url, domain="hub")
            try:
                await log.start()
            except LogError:
                await anyio.sleep(0.05)
            else:
                await log.aclose()
                return
