# `make` lists the targets. Everything is installed into .venv, which is made when it is missing.
PYTHON ?= python3
SCRIPT ?= examples/sick_sigmoid.py
JOBS ?= 2
INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
NEEDS = pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run setup demo check quick test test-torch test-trackers test-trainers bench docs gallery site

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 17

run: .venv/examples  ## watch a script: make run SCRIPT=train.py ARGS="--epochs 3"
	.venv/bin/gradmedic run $(SCRIPT) $(ARGS)

setup: .venv/dev  ## install gradmedic and everything that its developers need

demo: .venv/examples  ## watch the bundled sick script
	.venv/bin/gradmedic run examples/sick_sigmoid.py

check: .venv/dev  ## format, lint, types, architecture
	.venv/bin/ruff format --check && .venv/bin/ruff check && .venv/bin/mypy && .venv/bin/pytest tests/test_architecture.py

quick: .venv/dev  ## run the tests that start no processes, train nothing and sample nothing
	.venv/bin/pytest -n $(JOBS) --dist worksteal -m "not slow"

test: .venv/dev  ## run all tests, or those of a folder: make test PART=probe
	.venv/bin/pytest -n $(JOBS) --dist worksteal $(if $(PART),tests/$(PART))

test-torch:  ## test with another torch (some GB): make test-torch TORCH=2.6.0 PYTHON=python3.12
	$(PYTHON) -m venv .venv-torch
	grep -v '^torch==' constraints.txt > .venv-torch/constraints.txt
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir \
		--constraint .venv-torch/constraints.txt torch==$(TORCH) --editable ".[dev]"
	CUDA_VISIBLE_DEVICES= .venv-torch/bin/pytest tests/probe tests/end_to_end/test_likeness.py \
		tests/end_to_end/test_identical.py; status=$$?; rm -rf .venv-torch; exit $$status

test-trackers: .venv-trackers/installed  ## test with TensorBoard, W&B, MLflow and trackio, in an environment of their own
	.venv-trackers/bin/pytest tests/sinks

.venv-trackers/installed: $(NEEDS)
	$(PYTHON) -m venv .venv-trackers
	.venv-trackers/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable . pytest pytest-xdist hypothesis tensorboard wandb mlflow trackio && touch $@

test-trainers: .venv-trainers/installed  ## test with Lightning, Transformers, Keras and others, in an environment of their own
	.venv-trainers/bin/pytest tests/trainers

.venv-trainers/installed: $(NEEDS) tests/trainers/constraints.txt
	$(PYTHON) -m venv .venv-trainers
	.venv-trainers/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--constraint tests/trainers/constraints.txt --editable . pytest hypothesis \
		lightning transformers accelerate keras pytorch-ignite skorch && touch $@

bench: .venv/dev  ## measure what watching costs
	.venv/bin/python benchmarks/overhead.py

docs: .venv/dev  ## write the generated pages: rules, remedies, activations, columns, commands, settings
	for page in diagnoses remedies activations recording commands settings; do .venv/bin/python docs/$$page.py || exit 1; done

gallery: .venv/dev  ## run the sick scripts of docs/gallery and write their pages, and the README's picture
	.venv/bin/python docs/gallery.py

site: .venv/dev  ## build the site from docs, strictly, into site/
	$(INSTALL) ".[site]"
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/examples: .venv/bin/python $(NEEDS)
	$(INSTALL) ".[examples]" && touch $@

.venv/dev: .venv/bin/python $(NEEDS)
	$(INSTALL) ".[dev]" && touch $@ .venv/examples
