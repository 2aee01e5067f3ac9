"""Tables in Markdown."""


def table(head, rows):
    """Lines of a table; the first column reads from the left, the others from the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
