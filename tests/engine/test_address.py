from __future__ import annotations

import socket
import threading

import pytest

from raynas.engine.ray_engine import address
from raynas.errors import ResourceError


def said_of(answer: bytes | None, form: str = "{}") -> str:
    """What is said where somebody listens who gives this answer and leaves; None: who waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as caller:
                caller.recv(1)
                if answer is None:
                    caller.recv(1 << 10)
                    caller.recv(1)
                else:
                    caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            address.check_address(form.format(f"127.0.0.1:{server.getsockname()[1]}"))
        except ResourceError as error:
            return str(error)
        finally:
            thread.join()
    return ""


def test_one_who_speaks_grpc_is_taken_for_ray() -> None:
    assert said_of(bytes([0, 0, 6, 4, 0, 0, 0, 0, 0])) == ""


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n", b"", b"\0\0"])
def test_one_who_does_not_is_told(answer: bytes) -> None:
    assert "does not answer as Ray's head does; give the address that `ray start --head` printed" in said_of(answer)


def test_one_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "PATIENCE", 0.1)
    assert said_of(None).endswith("timed out; is the cluster still there?")


def test_the_dashboards_address_is_told() -> None:
    assert "8265 is the dashboard's" in said_of(b"", "http://{}")


def test_nobody_there_is_told() -> None:
    with socket.socket() as taken:  # bound, so that nobody else gets the port, and not listening
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ResourceError, match="Connection refused; is the cluster still there"):
            address.check_address(f"127.0.0.1:{taken.getsockname()[1]}")


def test_what_has_no_port_is_left_to_ray() -> None:
    for name in ("", "local", "auto", "rubbish"):
        address.check_address(name)


@pytest.mark.ray
def test_rays_own_head_answers() -> None:
    import ray

    address.check_address(ray.get_runtime_context().gcs_address)
