# make course [PROFILE=quick|laptop|paper] [DEVICE=auto|cpu|cuda] [ONLY=02] [FRESH=1]   execute the notebooks
# make test      every test: library, faults, examples, the course at profile quick, the committed notebooks compared strictly
# make figures   figures/ with REPORT.md, and the README's table, from the shipped results
# make results   train what results/ lacks at PROFILE=laptop, and ship it
# make notebooks execute the committed notebooks in place from results/, and clean their metadata
# make book      the web book with everything that it needs, in book/_build/
# make bench     speed of the losses and of the training loop, as ratios in one run
# make clean     remove the environment, the book and everything under runs/
PROFILE ?= quick
DEVICE ?= auto
ONLY ?=
FRESH ?=

# An activated conda environment made from environment.yml (named fercore) is used as it is; otherwise, also in conda's
# base environment, a virtual environment is made here.
ifeq ($(notdir $(CONDA_PREFIX)),fercore)
  PYTHON := python
  READY :=
else
  PYTHON := .venv/bin/python
  READY := .venv/installed
endif

.PHONY: course test figures results notebooks book bench clean

course: $(READY)
	$(PYTHON) -m fercore doctor
	$(PYTHON) -m fercore course --profile $(PROFILE) --device $(DEVICE) $(if $(ONLY),--only $(ONLY)) $(if $(filter 1,$(FRESH)),--fresh)

# A worker a core, each with whole files: their cells and fixtures belong together. The files come in the order of their names,
# so that the longest, the course, is begun early.
ON_ALL_CORES := -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder
STRICTLY := --nbval --nbval-current-env --nbval-cell-timeout 300 --nbval-sanitize-with tests/nbval_sanitize.cfg
test: $(READY)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pytest tests fercore simfer notebooks -q --durations=10 $(ON_ALL_CORES) $(STRICTLY)

figures: $(READY)
	$(PYTHON) -m fercore figures

results: PROFILE := laptop
results: $(READY)
	$(PYTHON) -m fercore sweep --experiment all --profile $(PROFILE) --device $(DEVICE)
	$(PYTHON) -m fercore ship --profile $(PROFILE)

KEPT := --keep-output --keep-count --keep-id
NOISE := metadata.papermill cell.metadata.papermill cell.metadata.execution metadata.widgets metadata.language_info.version
notebooks: $(READY)
	FERCORE_SHIPPED_ONLY=1 $(PYTHON) -m jupyter nbconvert --to notebook --execute --inplace notebooks/*.ipynb
	$(PYTHON) -m nbstripout $(KEPT) --extra-keys "$(NOISE)" notebooks/*.ipynb
	$(PYTHON) -m book.fold

book: $(READY)
	$(PYTHON) -m sphinx -q --fresh-env -c book -d book/_build/doctrees . book/_build/html
	@echo "open book/_build/index.html"

bench: $(READY)
	$(PYTHON) benchmarks/run.py

clean:
	rm -rf .venv runs book/_build

# Each line below fails with one clear sentence where the machine lacks something.
PYTHON3 := $(firstword $(foreach name,python3.11 python3,$(shell command -v $(name) 2>/dev/null)))
.venv/installed: requirements.txt pyproject.toml
	@test -n "$(PYTHON3)" && $(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: Python 3.11 or newer is needed and was not found; install it, or activate the conda environment of environment.yml" >&2; exit 1; }
	@echo "making the environment in .venv (PyTorch is large: some minutes, about 6 GB) ..."
	$(PYTHON3) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
