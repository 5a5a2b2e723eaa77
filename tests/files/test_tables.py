"""Tables and notes as Markdown and as HTML."""

from tf_inpaint.files.tables import Notes, Span, Table

TABLE = Table(
    ["method", "a", "MB"],
    [["x<y", (Span("1.0", "strong"), " (0 to 2)"), ""], ["z", (Span("a&b", "code"),), "3"]],
    'A "label"',
)


def test_table_as_markdown():
    """Each row is a line; bold text and code are between marks."""
    assert TABLE.to_markdown() == (
        "| method | a | MB |\n"
        "| --- | --- | --- |\n"
        "| x<y | **1.0** (0 to 2) |  |\n"
        "| z | `a&b` | 3 |\n"
    )


def test_table_as_html():
    """The first cell of a row is a header, all text is escaped, and the box has the label."""
    assert TABLE.to_html() == (
        '<div class="scroll" tabindex="0" role="region" aria-label="A &quot;label&quot;"><table>\n'
        '<thead>\n<tr><th scope="col">method</th><th scope="col">a</th>'
        '<th scope="col">MB</th></tr>\n'
        "</thead>\n<tbody>\n"
        '<tr><th scope="row">x&lt;y</th><td><strong>1.0</strong> (0 to 2)</td><td></td></tr>\n'
        '<tr><th scope="row">z</th><td><code>a&amp;b</code></td><td>3</td></tr>\n'
        "</tbody>\n</table></div>"
    )


def test_notes():
    """A remark is one item, over two lines too."""
    notes = Notes([(Span("one", "em"), "\n  ", Span("s", "code")), "2 < 3"])
    assert notes.to_markdown() == "- *one*\n  `s`\n- 2 < 3\n"
    assert notes.to_html() == (
        '<ul class="note">\n<li><em>one</em>\n  <code>s</code></li>\n<li>2 &lt; 3</li>\n</ul>'
    )
