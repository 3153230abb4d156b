# Everything starts here: `make` lists the commands. Only Python 3.11+ and GNU make are needed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check soak proof slowest coverage bench docs lock clean

python := .venv/bin/python
setup := scripts/setup.py scripts/python pyproject.toml
# One worker more than there are cores: the long tests wait for processes more than they compute, and begin first.
suite := PYTHONHASHSEED=0 $(python) -m pytest --numprocesses=$(shell expr $$(nproc 2>/dev/null || echo 2) + 1) \
	--dist=loadfile --no-loadscope-reorder
ARGS ?=

# The list of `make help`: "##@ heading" and "target: ## Spanish / English", in the order of this file.
help: ## esta lista / this list
	@awk '/^##@ / { print "\n" substr($$0, 5) } \
		/^[a-z]+:.*## / { split($$0, part, /:.*## /); printf "  make %-10s%s\n", part[1], part[2] }' $(MAKEFILE_LIST)
	@printf '\nARGS="..." pasa opciones / passes options: make test ARGS="tests/alerts -k silence"\n'

##@ Para empezar: verla andar / To begin: see it run
demo: .venv/.run ## la ciudad en la tormenta de 2013 / the city in the storm of 2013

##@ Antes de cada cambio y después / Before and after each change
test: .venv/.dev ## la batería entera, igual cada vez: un cuarto de hora en dos núcleos / the whole suite, the same each time: a quarter of an hour on two cores
check: .venv/.dev ## formato, reglas, tipos y capas / format, lint, types and layers

##@ Para buscar más lejos / To look further
soak: .venv/.dev ## azar nuevo, con límite; dice cómo repetir / new draws, bounded; says how to repeat
proof: .venv/.dev ## cifras en segundos y corridas largas / figures in seconds and long runs
slowest: .venv/.dev ## las 20 pruebas más lentas de la batería / the 20 slowest tests of the suite
coverage: .venv/.dev ## qué ramas del código recorre la batería / which branches of the code the suite takes
bench: .venv/.run ## mide la ingesta en esta máquina / measure ingest on this machine

##@ Para cuidarla / To look after it
docs: .venv/.docs ## la documentación como sitio / the documentation as a site
lock: ## recompila requirements/ (hace falta uv) / recompile requirements/ (needs uv)
clean: ## borra lo generado; los datos (.vigia) quedan / remove what was made; the data (.vigia) stays

demo:
	@exec $(python) -m services demo $(ARGS)

test:
	@exec env $(suite) $(ARGS)

check:
	@exec scripts/check

soak:
	@exec $(python) scripts/soak.py $(ARGS)

proof:
	@exec $(python) -m pytest -m proof --capture=tee-sys $(ARGS)

slowest:
	@exec env $(suite) --quiet --durations=20 $(ARGS)

coverage:
	@exec scripts/coverage $(ARGS)

bench:
	@exec $(python) -m services bench ingest $(ARGS)

docs:
	@$(python) -m sphinx --builder html --conf-dir docs --nitpicky --fail-on-warning --keep-going --fresh-env --quiet $(ARGS) . build/site
	@echo build/site/index.html

lock:
	@exec scripts/lock

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.run: requirements/run.txt $(setup)
	@python=$$(scripts/python) && "$$python" scripts/setup.py requirements/run.txt
	@touch $@

.venv/.dev: requirements/dev.txt $(setup)
	@python=$$(scripts/python) && "$$python" scripts/setup.py requirements/dev.txt
	@touch .venv/.run $@

.venv/.docs: .venv/.dev requirements/docs.txt
	@$(python) scripts/setup.py requirements/docs.txt
	@touch $@
