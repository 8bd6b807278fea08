"""Styles for light and dark pages."""

from __future__ import annotations

import re


def themed(light: str, dark: str) -> str:
    """A style sheet that applies one of two, by the theme of the page, or of the system where the page has none.

    Both consist of rules without at-rules, whose selectors begin with a class.  Jupyter, Sphinx and VS Code say what
    the theme of their page is.
    """

    def on(pages: tuple[str, ...], rules: str) -> str:
        return "".join(re.sub(r"(?:^|(?<=}))(?=\.)", f"{page} ", rules) for page in pages)

    said_light = ('[data-jp-theme-light="true"]', 'html[data-theme="light"]', "body.vscode-light")
    said_dark = ('[data-jp-theme-light="false"]', 'html[data-theme="dark"]', "body.vscode-dark")
    unsaid = ":root:not(:has([data-jp-theme-light])):not([data-theme]):not(:has(body.vscode-light,body.vscode-dark))"
    system = "".join(
        f"@media (prefers-color-scheme:{name}){{{on((unsaid,), rules)}}}"
        for name, rules in (("light", light), ("dark", dark))
    )
    return system + on(said_light, light) + on(said_dark, dark)
