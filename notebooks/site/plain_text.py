"""``llms.txt``: the list of all pages, for programs that read them as Markdown."""

from pathlib import Path

from docutils import nodes


def _write(app, exception):
    """A line for each page, in the order of the contents: title, source, first paragraph."""
    if exception or app.builder.format != "html":
        return
    lines = [f"# {app.config.html_title}", ""]
    pages = _in_order(app.env, app.config.root_doc, [])
    for page in pages:
        tree = app.env.get_doctree(page)
        first = next(iter(tree.findall(nodes.paragraph)), None)
        about = " ".join(first.astext().split()) if first is not None else ""
        title = app.env.titles[page].astext()
        source = f"_sources/{app.env.doc2path(page, False)}.txt"
        lines.append(f"- [{title}]({source}): {about}")
    lines[1:1] = ["", lines.pop(2).partition("): ")[2]]
    Path(app.outdir, "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _in_order(env, page, found):
    found.append(page)
    for child in env.toctree_includes.get(page, ()):
        if child not in found:
            _in_order(env, child, found)
    return found


def setup(app):
    """Called by Sphinx."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
