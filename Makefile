# Everything runs in .venv, which the first target that needs it sets up. Values go through the environment, so that a
# path with blanks or quotes in it stays one path.

.DEFAULT_GOAL := help
.PHONY: help setup demo sweep sweep-niah sweep-ruler sweep-mrcr sweep-domains sweep-yarn test test-fast check check-tasks \
	bench validate-stats validate-frontier notebooks clear-notebooks lock clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PY := .venv/bin/python
LONGCTX := .venv/bin/longctx
# Named after GPU, so that another choice sets up again.
STAMP := .venv/.setup$(if $(GPU),-gpu$(GPU))
LOCKS := pyproject.toml $(wildcard requirements/*)

export MODEL DOCS LENGTHS DEPTHS SAMPLES DENSITIES YARN BACKEND OUT GPU
# vLLM reads VERBOSE too, and takes it for a number: only the installer gets it.
unexport VERBOSE
# Containers often set it: then each process would compile all that it imports anew, which triples how long torch,
# transformers and vLLM take to start.
unexport PYTHONDONTWRITEBYTECODE

# Shell words: the options for the variables that are set. A DOCS that is not here is looked for where make was called
# from, which is another folder after `make -C`.
docs = case "$$DOCS" in ""|/*) ;; "~/"*) DOCS="$$HOME/$${DOCS\#\~/}";; \
	*) [ -e "$$DOCS" ] || [ ! -e "$$PWD_CALLED/$$DOCS" ] || DOCS="$$PWD_CALLED/$$DOCS";; esac
options = $${MODEL:+--model "$$MODEL"} $${DOCS:+--corpus "$$DOCS"} $${LENGTHS:+--length "$$LENGTHS"} \
	$${DEPTHS:+--depth "$$DEPTHS"} $${SAMPLES:+--samples "$$SAMPLES"} $${DENSITIES:+--density "$$DENSITIES"} \
	$${YARN:+--yarn "$$YARN"} $${BACKEND:+--backend "$$BACKEND"}
# Ask, then report; both would print the text heatmap.
run = $(LONGCTX) run $(1) --out "$$out" $(options) > /dev/null && $(LONGCTX) report "$$out" && echo "$$out/records.jsonl"
# A run of another folder of documents goes to another run folder.
out = out="$${OUT:-runs/$(1)$${DOCS:+-$$(basename "$$DOCS")}}"
export PWD_CALLED := $(PWD)

# The form of a sweep that ends within minutes on two cores with the embedded model.
small = $(if $(SIZE),$(if $(filter small,$(SIZE)),-small,$(error SIZE is $(SIZE); possible is small)))

# Two processes; who is done takes tests from the other. The model needs the machine for itself.
TWO := -n 2 --dist worksteal
FAST := $(TWO) -m "not model and not slow"

# For every Python and platform at once, and without what only this machine knows.
LOCK = env -u UV_FIND_LINKS .venv/bin/uv pip compile $(if $(UPGRADE),--upgrade) --quiet --universal \
	--python-version 3.11 --generate-hashes --no-header --annotation-style line --system-certs

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'Variables: MODEL (embedded model, folder or Hugging Face id), DOCS (folder of documents), LENGTHS, DEPTHS,'
	@echo 'DENSITIES (comma-separated), SAMPLES, YARN (auto, off, extrapolate or a factor), BACKEND, OUT (run folder), SIZE (small);'
	@echo 'GPU=1|0, VERBOSE=1.'
	@echo 'Example:   make sweep-niah DOCS=~/contracts LENGTHS=4K,8000 DEPTHS=0,0.5,1'

setup: $(STAMP)  ## install everything into .venv; nothing to do where nothing changed
	@:

$(STAMP): $(LOCKS)
	@found=; for python in $(if $(PYTHON),"$$PYTHON",python3.11 python3.12 python3.13 python3.14 python3); do \
		"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && found=1 && break; \
	done; \
	if [ -z "$$found" ]; then \
		echo "setup: Python 3.11 to 3.14 is needed, and none was found$(if $(PYTHON), at $(PYTHON))." >&2; \
		echo "setup: Install one (Debian, Ubuntu: apt-get install python3 python3-venv)," >&2; \
		echo "setup: then type: make setup, or make setup PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	$(if $(VERBOSE),VERBOSE=1 )"$$python" requirements/install.py
	@rm -f .venv/.setup* && touch $@

demo: setup  ## the embedded model on the shipped corpora (or DOCS=...): a heatmap in minutes
	@$(docs); $(call out,demo); $(call run,demo)

sweep: sweep-niah  ## the same as sweep-niah

sweep-niah: setup  ## one needle among look-alikes: MODEL=... DOCS=... LENGTHS=... YARN=auto SIZE=small
	@$(docs); $(call out,niah$(small)); $(call run,niah$(small))

sweep-ruler: setup  ## RULER's thirteen tasks and its table; SIZE=small
	@$(docs); $(call out,ruler$(small)); $(call run,ruler$(small))

sweep-mrcr: setup  ## which of many like answers in a conversation; SIZE=small
	@$(docs); $(call out,mrcr$(small)); $(call run,mrcr$(small))

sweep-domains: setup  ## questions in the documents' own terms; SIZE=small
	@$(docs); $(call out,domains$(small)); $(call run,domains$(small))

sweep-yarn: setup  ## the embedded model beyond its window with YaRN, and what YaRN costs at 4K
	@$(docs); $(call out,yarn); $(call run,yarn) && with="$$out" && \
	out="$$out-off" YARN=off LENGTHS=4K && $(call run,yarn) && \
	echo && $(LONGCTX) table "$$out" "$$with" --by run,length

test: setup  ## every test, the real model included
	@failed=0; $(PY) -m pytest $(TWO) -m "not model" || failed=1; $(PY) -m pytest -m model || failed=1; exit $$failed

test-fast: setup  ## the tests without the model and without the slow ones
	@$(PY) -m pytest $(FAST)

check: setup  ## ruff, mypy and the fast tests
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m pytest -q $(FAST)

check-tasks: setup  ## every task at 4K, 128K and 1M: exact, and answered by a reader of the text; LENGTHS=... DOCS=...
	@$(docs); $(PY) benchmarks/check_tasks.py --length "$${LENGTHS:-4K,128K,1M}" $${DOCS:+--corpus "$$DOCS"}

bench: setup  ## measure what the README's table states: building, then what a run costs beside a bare engine, and 1M tokens
	@$(PY) benchmarks/bench.py
	@echo && $(PY) benchmarks/overhead.py --prompts 8 --turns 3
	@echo && $(PY) benchmarks/million.py

validate-frontier: setup  ## how often the claims of longctx frontier are true, over 200 models with known cliffs
	@$(PY) benchmarks/validate_frontier.py

validate-stats: setup  ## do intervals cover and tests keep their size? simulates runs whose truth is known: minutes
	@$(PY) benchmarks/validate_stats.py --write

notebooks: setup  ## run every notebook from top to bottom and keep its outputs in it
	@$(PY) -m jupyter execute --inplace notebooks/*.ipynb

clear-notebooks: setup  ## empty the notebooks of outputs, as they are committed
	@$(PY) notebooks/clear.py notebooks/*.ipynb

lock: setup  ## renew requirements/*.txt from the *.in beside them; UPGRADE=1 takes newer versions
	@$(LOCK) requirements/uv.in --output-file requirements/uv.txt
	@$(LOCK) pyproject.toml requirements/cpu.in requirements/dev.in --excludes requirements/excludes.txt \
		--output-file requirements/cpu.txt

clean:  ## remove .venv and what tools left; keeps runs/ and the user's cache
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
