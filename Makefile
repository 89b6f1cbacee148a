# Calla. `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
STAMP := .venv/.installed
UV := $(or $(shell command -v uv),.uv/bin/uv)
export RASA_TELEMETRY_ENABLED := false

.PHONY: help run chat train reload rollback doctor sbom audit test drill lint check-content preview test-content report drill-several soak evaluate bench install widget clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

run: train ## start the bot with its widget page (installs and trains first if needed)
	@$(PY) -m calla.run

chat: train ## talk to the bot in the terminal
	@$(PY) -m calla.chat

train: $(STAMP) ## train the model if config, domain, data or components have changed
	@$(PY) -m calla.train

rollback: $(STAMP) ## use the model before the present one; once more: the present one again
	@$(PY) -m calla.train --rollback

reload: train ## have the running servers take the new model, without a restart
	@$(PY) -m calla.reload

doctor: $(STAMP) ## say what is wrong with settings, contacts, database, disk and model
	@$(PY) -m calla.doctor

test: train ## run every test (installs Debian's browsers, PostgreSQL, Redis and nginx if missing)
	@scripts/system-packages.sh
	@$(PY) -m pytest

drill: train ## the tests that take long or need a quiet machine
	@scripts/system-packages.sh
	@$(PY) -m pytest -m drill

drill-several: train ## two server processes against one, messages a second (PostgreSQL and Redis of its own)
	@scripts/system-packages.sh
	@$(PY) -m evaluation.several compare

soak: train ## 200 conversations at two processes, memory over time: make soak MINUTES=30
	@scripts/system-packages.sh
	@$(PY) -m evaluation.several soak --minutes $(or $(MINUTES),30)

lint: $(STAMP) ## style, types and data validation
	@.venv/bin/ruff check calla actions evaluation scripts tests
	@.venv/bin/mypy
	@$(PY) -m evaluation.validate

check-content: $(STAMP) ## what is wrong in the topic files, in seconds (FILES="..." for some only)
	@$(PY) -m calla.check_content $(FILES)

preview: $(STAMP) ## a topic as people will see it: make preview TOPIC=what_is_mk7
	@$(PY) -m calla.content.preview $(TOPIC)

test-content: $(STAMP) ## after training: the tests that matter for one topic (TOPIC=..., ASK="...; ...")
	@$(PY) -m evaluation.near "$(TOPIC)" $(if $(ASK),--ask "$(ASK)")

report: $(STAMP) ## what people asked and did not get, as one page: report.html in the data folder (DAYS=30)
	@$(PY) -m calla.report $(if $(DAYS),--days $(DAYS))

evaluate: train ## measure: make evaluate FILE=questions.jsonl (URL=http://... for a running bot)
	@$(PY) -m evaluation.evaluate $(FILE) $(if $(URL),--url $(URL))

bench: train ## speed beside Rasa's default pipeline (ANEW=1, BENCHMARKS=folder, ONLY="steps")
	@$(PY) -m evaluation.bench $(if $(ANEW),--anew) $(if $(BENCHMARKS),--benchmarks $(BENCHMARKS)) $(if $(ONLY),--only "$(ONLY)")

sbom: ## write calla.sbom.json (CycloneDX) from the lock; fetches its tool
	@$(UV) tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock --output-file calla.sbom.json

audit: ## look for advisories about locked packages; fetches its tool, needs an advisory database
	@$(UV) tool run --quiet pip-audit==2.10.1 --disable-pip --require-hashes -r requirements.lock

install: $(STAMP) ## install Python packages only

widget: ## rebuild the widget's bundle (needs Node)
	@cd widget && npm ci --ignore-scripts && npm run build

clean: ## remove models, caches and the environment
	@rm -rf .venv models var .rasa .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): requirements.lock requirements-dev.lock
	@scripts/install.sh
	@touch $@
