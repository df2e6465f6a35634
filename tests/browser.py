"""A real browser, headless, that goes nowhere but to this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from live_servers import PATIENCE_S, missing, until

_WORDS = (
    "headless=new",
    "no-sandbox",  # it refuses to run as root with one
    "disable-gpu",
    "disable-dev-shm-usage",  # in a container /dev/shm is small
    "no-proxy-server",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "password-store=basic",
)
_ATTEMPTS = 3


@contextmanager
def chromium(width: int = 1280, height: int = 900) -> Iterator[Any]:
    """Selenium's driver of Chromium with a profile of its own; skips, or fails, the test where there is none.

    When the test fails, the page's address, text and console are printed.
    """
    browser, program = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or program is None:
        missing("chromium with chromium-driver")
    with tempfile.TemporaryDirectory(prefix="glimpse-browser-", ignore_cleanup_errors=True) as home:
        driver = _started(str(browser), str(program), home, f"window-size={width},{height}")
        try:
            driver.set_page_load_timeout(PATIENCE_S)
            driver.set_script_timeout(PATIENCE_S)
            yield driver
        except BaseException:
            _print_page(driver)
            raise
        finally:
            driver.quit()


def _started(browser: str, program: str, home: str, size: str) -> Any:
    """The first start on a machine that has much else to do may take longer than the driver waits."""
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service

    for attempt in range(1, _ATTEMPTS + 1):
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for word in (*_WORDS, size, f"user-data-dir={home}/profile-{attempt}"):
            options.add_argument(f"--{word}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        said = f"{home}/driver-{attempt}.log"
        env = {**os.environ, "SE_OFFLINE": "true", "HOME": home}
        service = Service(program, log_output=said, service_args=["--verbose"], env=env)
        try:
            return webdriver.Chrome(options=options, service=service)
        except WebDriverException as error:
            with open(said, encoding="utf-8", errors="replace") as file:
                print(f"Chromium did not start: {error.msg}", *file.readlines()[-40:], sep="\n")
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError


def _print_page(driver: Any) -> None:
    with suppress(Exception):  # the browser itself may be what failed
        print(f"--- the page: {driver.current_url}", driver.find_element("tag name", "body").text, sep="\n")
        print("--- its console:", *complaints(driver), sep="\n")


def complaints(driver: Any) -> list[str]:
    """What the page's console says."""
    return [entry["message"] for entry in driver.get_log("browser")]


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """As `until`, for a page that changes while it is read."""
    from selenium.common.exceptions import (
        JavascriptException,
        NoSuchElementException,
        StaleElementReferenceException,
    )

    def met() -> Any:
        try:
            return condition()
        except (JavascriptException, NoSuchElementException, StaleElementReferenceException):
            return None

    return until(met, what)
