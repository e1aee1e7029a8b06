# Thin names over the tools, which work without make too (README.md).
PYTHON ?= python3
RUN := .venv/bin/python tools

.PHONY: help install install-tests book serve check test notebooks editions kit release bench clean

help:
	@echo "make book       run the chapters that have changed, and build the pages"
	@echo "make serve      show the built book in a browser on this computer; ROOM=1: on every device in the room"
	@echo "make notebooks  write the notebooks from the chapters' text"
	@echo "make editions   for a class: dist/student without solutions, dist/instructor with notes"
	@echo "make release    check the tree, and write all that is handed out into dist/release"
	@echo "make kit        for a class: dist/kit with plans, slides, worksheets, broken notebooks and the keys"
	@echo "make check      in a minute or two: style, sources, and the tests of what you have changed"
	@echo "make test       check everything"
	@echo "make bench      measure what the book says about speed"
	@echo "make clean      remove what was built, but not what was installed"

book: install
	@$(RUN)/run.py $@

serve: install
	@$(RUN)/run.py $@ $(if $(ROOM),--room)

check test: install-tests
	@$(RUN)/run.py $@

notebooks: install
	@$(RUN)/notebooks.py build

editions: install
	@$(RUN)/editions.py

kit: install-tests
	@$(RUN)/kit.py

release: install
	@$(RUN)/release.py

bench: install-tests
	.venv/bin/python experiments/bench.py

install:
	@$(PYTHON) tools/install.py

install-tests:
	@$(PYTHON) tools/install.py --tests

clean:
	@$(PYTHON) tools/run.py clean
