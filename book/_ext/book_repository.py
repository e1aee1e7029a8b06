"""The public address of the repository: one setting, ``repository: url`` in ``_config.yml``.

While it is empty the book shows no button that would lead nowhere. Once it is set, every page links to the
repository; if that is on GitHub, every chapter opens in Colab and every page can take a report of a mistake.
"""

COLAB = "https://colab.research.google.com"
GITHUB = "https://github.com/"


def colab_link(url, branch, path):
    """Return the address that opens the notebook `path` of a GitHub repository in Colab.

    >>> colab_link("https://github.com/owner/name", "main", "notebooks/08_unet.ipynb")
    'https://colab.research.google.com/github/owner/name/blob/main/notebooks/08_unet.ipynb'
    """
    return f"{COLAB}/github/{url.removeprefix(GITHUB)}/blob/{branch}/{path}"


def readme_lines(url, branch="main"):
    """Return what README.md must say about the address, a paragraph of Markdown."""
    if not url:
        return "The public address of this repository is not decided yet, so there is no link to it here."
    lines = [f"The repository is at <{url}>."]
    if url.startswith(GITHUB):
        first = colab_link(url, branch, "notebooks/01_segmentation.ipynb")
        lines.append(f"[Open the first chapter in Colab]({first}).")
    return " ".join(lines)


def colab_sentence(url):
    """Return what the page "How to use this book" says about the button for Colab."""
    if url.startswith(GITHUB):
        return "The rocket at the top of each chapter opens it in Colab, and the first cell installs what it needs."
    return "While the public address of this book is not decided, no button opens a chapter in Colab."


def theme_options(url, branch="main"):
    """Return the theme's options that follow from the address.

    Raises
    ------
    ValueError
        If `url` is neither empty nor an https address without a final slash.
    """
    if not url:
        return {"repository_url": "", "launch_buttons": {}, "icon_links": []}
    if not url.startswith("https://") or url.endswith("/"):
        raise ValueError(f"repository url must be empty or https://... without a final slash, got {url!r}")
    link = {"name": "Source repository", "url": url, "icon": "fa-solid fa-code-branch"}
    if not url.startswith(GITHUB):  # the theme's own buttons know a few hosts only
        return {"repository_url": "", "launch_buttons": {}, "icon_links": [link]}
    return {
        "repository_url": url,
        "repository_branch": branch,
        "use_issues_button": True,
        "launch_buttons": {"colab_url": COLAB},
        "icon_links": [link],
    }


def apply(app, config):
    """Replace what Jupyter Book wrote into the theme's options, and fill in the sentence about Colab."""
    options = config.html_theme_options
    url = options.get("repository_url", "")
    options.update(theme_options(url, options.get("repository_branch", "main")))
    config.myst_substitutions = {**config.myst_substitutions, "colab": colab_sentence(url)}


def setup(app):
    """Register the step, before the theme reads its options."""
    app.connect("config-inited", apply)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
