# Everything starts here: `make` lists the commands. Only Python 3.11+ and GNU make are needed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench lock clean

python := .venv/bin/python
setup := scripts/setup.py scripts/python pyproject.toml
ARGS ?=

help: ## muestra esta lista / show this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/.run ## la ciudad en la tormenta de 2013, en esta máquina / the city in the storm of 2013
	@exec $(python) -m services demo $(ARGS)

test: .venv/.dev ## toda la batería de pruebas / the whole suite (ARGS="-k name" for some)
	@exec env PYTHONHASHSEED=0 $(python) -m pytest --numprocesses=auto --dist=loadfile $(ARGS)

check: .venv/.dev ## formato, reglas, tipos y pisos / format, lint, types, floors
	@exec scripts/check

bench: .venv/.run ## mide la ingesta en esta máquina / measure ingest on this machine
	@exec $(python) -m services bench ingest $(ARGS)

lock: ## recompila requirements/ / recompile the lock files (needs uv)
	@exec scripts/lock

clean: ## borra lo generado; los datos (.vigia) quedan / remove what was made; the data (.vigia) stays
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.run: requirements/run.txt $(setup)
	@python=$$(scripts/python) && "$$python" scripts/setup.py requirements/run.txt
	@touch $@

.venv/.dev: requirements/dev.txt $(setup)
	@python=$$(scripts/python) && "$$python" scripts/setup.py requirements/dev.txt
	@touch .venv/.run $@
