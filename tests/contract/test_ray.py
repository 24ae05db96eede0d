"""What we take from Ray."""

from __future__ import annotations

import inspect

import pytest
import ray

from experiments.fleet.ray_local import confined

pytestmark = pytest.mark.processes


def test_the_names_taken_from_ray_are_there():
    from ray._private import node, parameter, services

    assert "ray._private.services.get_node(" in inspect.getsource(node.Node.__init__)
    assert ray.__version__ == "2.55.1"
    before = (services.resolve_ip_for_localhost, services.start_api_server, parameter.RayParams)
    with confined():
        assert services.resolve_ip_for_localhost("127.0.0.1") == "127.0.0.1"
        assert parameter.RayParams().no_monitor
    assert (services.resolve_ip_for_localhost, services.start_api_server, parameter.RayParams) == before
