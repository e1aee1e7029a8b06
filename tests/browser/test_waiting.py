"""What waits for ever is told and ended, what is only slow goes on, and the next test gets a browser that runs."""

import subprocess
import sys
import time

import pytest

import watch

COMPUTES = "(ms) => { const end = Date.now() + ms; while (Date.now() < end); return 1 + 1; }"
ENDLESS = {
    "an element": lambda page: page.locator("#never").wait_for(),
    "a text": lambda page: page.get_by_text("never said").inner_text(),
    "a condition": lambda page: page.wait_for_function("window.never"),
    "an address": lambda page: page.wait_for_url("**/never.html"),
    "a promise": lambda page: page.evaluate("new Promise(() => {})"),
    "another program": lambda page: subprocess.run([sys.executable, "-c", "import time; time.sleep(3600)"], check=True),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_waits_for_ever_is_told_and_the_next_test_gets_a_browser(browsers, addresses, visit, endless_wait, what):
    page, _ = visit(addresses["http"], "notebooks/01_segmentation.html")
    with pytest.raises(pytest.fail.Exception, match="waits for something that does not come"):
        with endless_wait(seconds=1, looks=3):
            ENDLESS[what](page)
    ended = page.context.browser
    page = browsers.one().new_page()
    assert browsers.one() is not ended and not ended.is_connected()
    page.set_content("<p id='here'>Here.</p>")
    assert page.locator("#here").inner_text() == "Here."
    page.close()


def test_it_is_told_also_where_ending_the_browser_takes_long(monkeypatch, visit, addresses, endless_wait):
    def end_slowly(processes):
        end(processes)
        time.sleep(2)  # the test meets an error of Playwright long before this is over

    end = watch.end
    monkeypatch.setattr(watch, "end", end_slowly)
    page, _ = visit(addresses["http"], "notebooks/01_segmentation.html")
    with pytest.raises(pytest.fail.Exception, match="waits for something that does not come"):
        with endless_wait(seconds=1, looks=3):
            ENDLESS["a text"](page)


def test_what_is_only_slow_goes_on(browser, visit, addresses, endless_wait):
    page, _ = visit(addresses["file"], "notebooks/01_segmentation.html")
    with endless_wait(seconds=0.5, looks=3):
        assert page.evaluate(COMPUTES, 5_000) == 2
    assert browser.is_connected()
