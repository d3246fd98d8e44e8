"""Other tools that read Markdown: `documents.py TOOL DIR` reads every file below DIR with TOOL.

Fails where the tool is not installed or does not run. Writes the number of files, which has to be all of them.
"""

import pathlib
import sys


def markdown_it(paths):
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark").enable("table")
    for path in paths:
        reader.parse(path.read_text(encoding="utf-8"))


def markitdown(paths):
    from markitdown import MarkItDown

    reader = MarkItDown()
    for path in paths:
        reader.convert(str(path))


def unstructured(paths):
    from unstructured.partition.md import partition_md

    for path in paths:
        partition_md(filename=str(path))


def main():
    tool, directory = sys.argv[1:]
    paths = sorted(pathlib.Path(directory).rglob("*.md"))
    {"markdown-it-py": markdown_it, "markitdown": markitdown, "unstructured": unstructured}[tool](paths)
    print(len(paths))


main()
