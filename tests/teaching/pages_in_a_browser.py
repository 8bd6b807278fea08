"""The player in a real browser, Chromium as installed on the system: what its tests share."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest

from dualdiff.teaching import play

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def launched(playwright):
    """A headless browser; the test is skipped if there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs a browser: one of {', '.join(BROWSERS)}")
    return playwright.chromium.launch(executable_path=found, args=ARGUMENTS)


class Window:
    """A page of its own, which must neither complain on the console nor load anything."""

    def __init__(self, browser, html, width=1280, scheme="light", **options):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints, self.requests = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_content(html)

    def close(self):
        self.context.close()
        assert self.complaints == []
        assert [url for url in self.requests if not url.startswith("data:")] == []


#: The contrast of every visible text with what lies behind it, the lowest first: [ratio, text].
CONTRASTS = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    const box = element.getBoundingClientRect();
    if (!own || !box.width || element.closest("script, .hidden") || element.disabled) continue;
    const [a, b] = [light(channels(getComputedStyle(element).color)), light(behind(element))].sort();
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), own]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


# -- programs ----------------------------------------------------------------------------------------------------------
def survey(x1, x2):
    a = np.log(x1)
    b = x1 * x2
    return a + b - np.sin(x2)


def branching(x, y):
    if x * y > 2:
        return np.sqrt(x) * y
    return x * x + y


def babylonian(a, steps=23):
    x = a
    for _ in range(steps):
        x = (x + a / x) / 2
    return x


def layer(w, b, x):
    return np.sum(np.tanh(w @ x + b) ** 2)


def shared(x, y):
    u = x * y
    return u * u + np.exp(x) * y


PLAYERS = {
    "the survey": lambda: play(survey, 2.0, 5.0),
    "a branch": lambda: play(branching, 2.0, 1.5),
    "70 steps": lambda: play(babylonian, 2.0, 23),
    "a layer": lambda: play(layer, np.arange(6.0).reshape(2, 3) / 5, np.ones(2), np.array([1.0, -1.0, 2.0])),
    "one array": lambda: play(lambda x: np.sum(x**2) * x[0], np.array([1.0, 2.0, 3.0])),
    "shared": lambda: play(shared, 0.5, -2.0),
    "no step": lambda: play(lambda x: x, 2.0),
    "float32": lambda: play(shared, np.float32(0.5), np.float32(2.0)),
    "infinite": lambda: play(lambda x: np.sqrt(x) + x, 0.0),
}  # fmt: skip


def figures(page, column):
    """The figures of a column with all their digits, by step; of arrays the text."""
    return page.evaluate(
        """(column) => Object.fromEntries([...document.querySelectorAll("tr[data-step]")].map((row) =>
        [row.querySelector("th").textContent, row.querySelector("." + column).dataset.figure ??
          row.querySelector("." + column).textContent]))""",
        column,
    )


def agrees(shown, expected):
    """Whether a cell shows a figure, to the last bit if it is a scalar."""
    if np.shape(expected) or np.iscomplexobj(expected):
        return shown != ""
    return float(shown) == float(expected) or (math.isnan(float(shown)) and math.isnan(float(expected)))


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def answered(page, step, text):
    """What the page says to an answer."""
    field = page.locator(f"tbody input[data-step='{step}']")
    field.fill(text)
    field.press("Enter")
    return page.inner_text("#sentence")
