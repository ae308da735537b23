.PHONY: book pdf anchors test fuzz kills audit bench same canary links sbom serve data notebooks simulations growth lock clean distclean
SHELL  := /bin/bash -o pipefail
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV   ?= .venv
BUILD  ?= _build
RUN    := $(VENV)/bin/python -m
READY  := $(VENV)/ready
ELSEWHERE := PYTHONPATH='$(CURDIR)/tests/offline' PYTHONHASHSEED=4711 TZ=Asia/Tehran LC_ALL=POSIX
# A build that is stopped leaves what its tracker cleans up and would tell of.
export PYTHONWARNINGS := ignore::DeprecationWarning,ignore:resource_tracker
ifneq ($(shell test -w . && echo yes),yes)  # the environment then has a copy of the package, and these sources go before it
export PYTHONPATH := $(CURDIR)
endif
export PYDEVD_DISABLE_FILE_VALIDATION := 1
export PYTHONDONTWRITEBYTECODE :=  # else every run compiles all that it imports

book: $(READY)
	@$(RUN) retribution.book

test: $(READY)
	@echo "1/4 data"      && $(RUN) retribution check
	@echo "2/4 package"   && $(RUN) pytest -q -n 2 tests --ignore tests/book
	@echo "3/4 notebooks" && $(ELSEWHERE) $(RUN) pytest -q --nbval -n 2 --dist loadscope chapters
	@echo "4/4 book"      && $(RUN) pytest -q -n 2 --dist worksteal -m 'not long' tests/book
	@echo "Everything passed: data, package, notebooks, book."

fuzz: $(READY)            # damage a small data package in 10,000 ways; ten minutes on two free cores; writes tests/fuzz/fired.csv, and _build/fuzz/findings.csv
	@$(RUN:-m=) tests/fuzz/fuzz.py

kills: $(READY)           # kill 50 builds of a small copy of the book at random moments; each next build must be right; half an hour
	@$(RUN) pytest -q -n 2 -m long tests/book
	@$(RUN:-m=) tests/book/kill.py $(KILLS)

pdf: book                 # the whole book on paper: _build/so-much-for-iranian-retribution.pdf
	@$(RUN) retribution.book.paper

anchors: book             # after a page, figure, event or source came in: list its address, which is kept from then on
	@$(RUN) retribution.book anchors

serve: book
	@echo "Serving on http://127.0.0.1:8000 (stop with Ctrl-C)"
	@$(RUN) http.server -b 127.0.0.1 -d $(BUILD)/html 8000

audit: book               # needs Node, npm, Java and Chromium; an hour for all pages, or: make audit PAGES="index chapters/verdict"
	@$(RUN:-m=) tests/audit/audit.py $(PAGES)

bench: $(READY)           # the build against its limit and its peers, in one run; needs an idle machine and twenty minutes
	@$(RUN:-m=) tests/bench/bench.py

same: book                # build it once more for each Python at hand, in other surroundings, and compare every file; some minutes each
	@$(RUN:-m=) tests/same.py

canary: book              # build it from the newest releases of what it depends on, apart from all else, and say what would change
	@$(RUN:-m=) tests/canary.py

links: book               # which outside addresses still answer; never fails
	@$(RUN:-m=) tests/audit/links.py

sbom: $(READY)            # what is installed, as CycloneDX; its maker has an environment of its own, so that the book's needs no more packages
	@$(RUN) venv $(BUILD)/sbom && $(BUILD)/sbom/bin/pip install -q --disable-pip-version-check cyclonedx-bom==7.5.0
	@$(BUILD)/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o $(BUILD)/sbom.json $(VENV)/bin/python
	@echo "Listed in $(BUILD)/sbom.json"

data: $(READY)            # after an edit in data/: new hashes and row counts, then the check
	@$(RUN) retribution refresh

notebooks: $(READY)       # after an edit in chapters/ or data/: run them and store their outputs
	@$(RUN) retribution.book execute

simulations: $(READY)     # how often each test finds what is not there; writes chapters/simulations.csv
	@$(RUN) retribution.simulations

growth: $(READY)          # seconds, memory and weight at up to 1,000 times the events; an hour; writes chapters/growth.csv
	@$(RUN:-m=) tests/bench/growth.py

lock:
	uv pip compile pyproject.toml --all-extras --universal --generate-hashes --python-version 3.11 -q -o requirements.txt
	uv --version | sed 's/uv \([^ ]*\).*/uv==\1/' | uv pip compile - --universal --generate-hashes --python-version 3.11 -q --no-annotate -o requirements-uv.txt

$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found. Name one with: make PYTHON=/path/to/python"; exit 1; }
	@mkdir -p $(VENV) $(BUILD) 2>/dev/null || { echo "This folder cannot be written. Name two others: make book BUILD=/elsewhere/_build VENV=/elsewhere/.venv"; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) (once; about a minute)"
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV)
	@uv=$$(command -v uv || { $(VENV)/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.txt 2>/dev/null && echo $(VENV)/bin/uv; }); \
	if [ -n "$$uv" ]; then install="$$uv pip install -q -p $(VENV)"; cache="$$($$uv cache dir)"; mkdir -p "$$cache" 2>/dev/null && [ -w "$$cache" ] || export UV_NO_CACHE=1; else install="$(VENV)/bin/pip install -q --disable-pip-version-check"; fi; \
	if [ -w . ]; then package="-e ."; else package=$(VENV)/src; mkdir $(VENV)/src; cp -R pyproject.toml retribution $(VENV)/src; chmod -R u+w $(VENV)/src; fi; \
	$$install --require-hashes -r requirements.txt && $$install --no-deps --no-build-isolation $$package
	@$(RUN) retribution.book.kernel
	@touch $@

clean:
	rm -rf _build .pytest_cache
distclean: clean
	rm -rf .venv *.egg-info
