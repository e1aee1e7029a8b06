"""What the book uses of the insides of other packages: in one file each, and still there.

A new version may take these away without a word. CONTRIBUTING.md says how the book would go on without such a package.
"""

import inspect
import re
from pathlib import Path

import nbval.kernel
import nbval.plugin
import pytest
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.events import EventManager

import notebooks

ROOT = Path(__file__).resolve().parents[1]
# What names the insides of a package, and the one file that may.
ONLY_IN = {
    r"nbval\.(?!cfg)\w+": "conftest.py",
    r"myst_nb\.\w+": "book/_ext/book_cells.py",
    r"sphinx_thebe": "book/_ext/book_offline.py",
    r"jupyter_book\.\w+": "tools/pages.py",
}


def code(path):
    """Return the code of a file without its comments and its longer texts."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r'(?s:""".*?""")|#.*', "", text)


@pytest.mark.parametrize("inside", ONLY_IN)
def test_one_file_alone_leans_on_the_insides_of_a_package(inside):
    files = [path for place in ("tools", "experiments", "book/_ext") for path in (ROOT / place).glob("*.py")]
    users = [path for path in (*files, ROOT / "conftest.py") if re.search(rf"\b{inside}", code(path))]
    assert [path.relative_to(ROOT).as_posix() for path in users] == [ONLY_IN[inside]]


def test_what_conftest_uses_of_nbval_is_there(request):
    answers = request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py")).KeptRun
    for place, name in (
        (nbval.kernel, "KernelManager"),
        (nbval.plugin.IPyNbFile, "setup"),
        (nbval.plugin.IPyNbFile, "setup_sanitize_files"),
    ):
        assert hasattr(place, name), f"nbval has no {place.__name__}.{name} any more, which conftest.py needs"
    asked = set(re.findall(r"\bkernel\.(\w+)\(", inspect.getsource(nbval.plugin))) - {"interrupt"}  # of what hangs
    unknown = sorted(name for name in asked if not hasattr(answers, name))
    assert len(asked) > 4 and not unknown, f"nbval asks its kernel for {unknown}, which KeptRun in conftest.py has not"


def test_the_patterns_are_read_as_nbval_reads_them():
    text = (ROOT / "tools" / "nbval.cfg").read_text(encoding="utf-8")
    assert nbval.plugin.get_sanitize_patterns(text) == notebooks.PATTERNS, (
        "nbval reads tools/nbval.cfg in another way than tools/notebooks.py"
    )


def test_what_the_extensions_use_of_myst_nb_and_sphinx_is_there():
    for name in ("get_doc_data", "get_js_files"):
        assert hasattr(NbMetadataCollector, name), (
            f"MyST-NB has no NbMetadataCollector.{name} any more, from which book_cells.py takes the state of widgets"
        )
    assert "listeners" in vars(EventManager(None)), (
        "Sphinx has no list of listeners any more, from which book_offline.py takes those of sphinx-thebe"
    )
