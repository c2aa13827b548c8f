"""Chromium without a screen, to read a page as a person does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Its manager of drivers would look for others on the network.
os.environ |= {"SE_OFFLINE": "true", "SE_AVOID_STATS": "true"}

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def browsing(profile: Path) -> Iterator[webdriver.Chrome]:
    """Start a browser with a profile of its own."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert program, "the package chromium is needed"
    assert driver, "the package chromium-driver is needed"
    options = Options()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def sized(chrome: webdriver.Chrome, width: int, height: int = 900) -> None:
    """Give the page the size of a screen."""
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def coloured(chrome: webdriver.Chrome, scheme: str) -> None:
    """Let the system ask for light or dark."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def requested(chrome: webdriver.Chrome) -> list[str]:
    """Return the addresses that were asked for since the last time."""
    events: list[dict[str, Any]] = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
