# Thin names over the tools, which work without make too (README.md).
PYTHON ?= python3
RUN := .venv/bin/python tools

.PHONY: help install install-tests book serve check test notebooks editions bench clean

help:
	@echo "make book       run the chapters that have changed, and build the pages"
	@echo "make serve      show the built book in a browser on this computer"
	@echo "make notebooks  write the notebooks from the chapters' text"
	@echo "make editions   for a class: dist/student without solutions, dist/instructor with notes"
	@echo "make check      in a minute or two: style, sources, and the tests of what you have changed"
	@echo "make test       check everything"
	@echo "make bench      measure what the book says about speed"
	@echo "make clean      remove what was built, but not what was installed"

book serve: install
	@$(RUN)/run.py $@

check test: install-tests
	@$(RUN)/run.py $@

notebooks: install
	@$(RUN)/notebooks.py build

editions: install
	@$(RUN)/editions.py

bench: install-tests
	.venv/bin/python experiments/bench.py

install:
	@$(PYTHON) tools/install.py

install-tests:
	@$(PYTHON) tools/install.py --tests

clean:
	@$(PYTHON) tools/run.py clean
