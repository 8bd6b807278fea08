"""Formulas as MathML, which browsers display by themselves: a page loads no script for them."""

from latex2mathml.converter import convert


def _inline(writer, node):
    writer.body.append(convert(node.astext()))
    _skip()


def _display(writer, node):
    writer.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
    _skip()


def _skip():
    from docutils.nodes import SkipNode

    raise SkipNode


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
