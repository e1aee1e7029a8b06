# Thin names over the tools, which work without make too (README.md).
PYTHON ?= python3
RUN := .venv/bin/python tools

.PHONY: install book serve test notebooks bench clean

book serve test: install
	$(RUN)/run.py $@

notebooks: install
	$(RUN)/notebooks.py build

bench: install
	$(RUN)/bench.py

install:
	@$(PYTHON) tools/install.py

clean:
	$(PYTHON) tools/run.py clean
