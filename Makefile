# Each target makes .venv first, by itself; a machine needs Python 3.11 to 3.13 and make, no more.
PYTHON  ?= python3
MODEL   ?= cnn
DATA    ?= auto
EPOCHS  ?= 30
DEVICES ?= auto
ARGS    ?=

MEMBERS := packages/fer_data packages/fer_models apps/gradio_demo
READY   := .venv/.ready
RUN     := .venv/bin/python
UV      := $(shell command -v uv || echo .uv/bin/uv)

.PHONY: setup train test check demo space lock
setup: $(READY)

$(READY): requirements.lock $(MEMBERS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("fer-lightning needs Python 3.11 to 3.13, but $(PYTHON) is " + sys.version.split()[0] + ": say e.g. make PYTHON=python3.12")'
	@command -v $(UV) >/dev/null || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet uv; }
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python $(RUN) --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(RUN) --no-deps $(MEMBERS:%=-e %)
	@touch $@

train: $(READY)  ## Train MODEL on DATA for EPOCHS on DEVICES; more options in ARGS
	$(RUN) experiments/train.py --model $(MODEL) --data $(DATA) --max_epochs $(EPOCHS) --devices $(DEVICES) $(ARGS)

test: $(READY)  ## Run the fast tests; more options of pytest in ARGS
	$(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

check: $(READY)  ## Format, lint, types
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy

demo: $(READY)  ## Open the demo in a browser; --port, --host and --share in ARGS
	$(RUN) apps/gradio_demo/app.py $(ARGS)

space: $(READY)  ## Write the demo as a folder that runs by itself, for a Hugging Face Space
	$(RUN) experiments/make_space.py dist/space

lock:  ## Choose the newest versions that fit, for all supported Pythons
	@command -v $(UV) >/dev/null || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet uv; }
	$(UV) lock --upgrade
	$(UV) export --quiet --no-emit-workspace --no-header --no-annotate -o requirements.lock
