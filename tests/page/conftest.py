"""One tiny run, its search and its controller for all tests of the page."""

import dataclasses

import numpy as np
import pytest
from page_inputs import SEARCH, free_port
from tiny import new_run, picture

from tf_inpaint.config import PaintConfig
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.page import layout, web_server
from tf_inpaint.page.controller import Controller
from tf_inpaint.page.page_search import PageSearch
from tf_inpaint.runs import run_directory


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory):
    """A run directory with three held-out pictures."""
    folder = tmp_path_factory.mktemp("paint")
    test = np.stack([picture(seed) for seed in range(3)])
    np.savez(folder / "data.npz", x_train=test, x_test=test)
    return new_run(folder / "run", dataset=f"npz:{folder}/data.npz")


@pytest.fixture(scope="session")
def config(run_dir):
    """Settings of `paint` with low limits."""
    return PaintConfig(run_dir=run_dir, most_pixels=10_000, most_megabytes=0.1, **SEARCH)


@pytest.fixture(scope="session")
def search(run_dir, config):
    """A `PageSearch` with the networks of the run."""
    return PageSearch(run_directory.load(run_dir), config)


@pytest.fixture(scope="session")
def controller(search, config):
    """A `Controller` with two pictures to choose from."""
    inputs = [
        Input(f"a/{seed}.png", f"a/{seed}.png", "", lambda s=seed: picture(s)) for seed in (7, 8)
    ]
    return Controller(search, inputs, config)


@pytest.fixture
def serve(controller, config):
    """Serves the page of `controller` with other settings. Closes all pages at the end."""
    servers = []

    def serve_page(**settings):
        page_config = dataclasses.replace(config, port=free_port(), **settings)
        servers.append(web_server.serve(layout.build(controller, page_config), page_config))
        return servers[-1]

    yield serve_page
    for server in servers:
        server.close(verbose=False)
