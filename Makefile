# The same commands at the desk, in the README and in .ci/run. Every target sets up what it needs by itself.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TOOLS  := $(VENV)/.tools
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-warn-script-location
CODE   := $(wildcard services gateway yiyang migrations tests benchmarks docs)
UV     := uv==0.13.9
ARGS   ?=
ROUNDS ?= 20
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: help setup demo up test test-long check audit format soak bench bench-scaling bench-notifications bench-referral bench-ingest bench-summary bench-alerts bench-indicators bench-v2 docs lock clean

help: ## 显示本帮助 · show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## 建立 .venv 与 yiyang 命令 · make .venv with the yiyang command in it

demo: $(READY) ## 演示全过程（ARGS=--once 演示后退出）· play the story (ARGS=--once ends after it)
	$(BIN)/yiyang demo $(ARGS)

up: $(READY) ## 启动网关与全部服务 · run the gateway and every service (ARGS="--port 8000 --workers 2")
	$(BIN)/yiyang up $(ARGS)

test: $(TOOLS) ## 运行测试 · run the tests
	$(BIN)/python -m pytest -m "not long" $(PARALLEL) $(ARGS)

test-long: $(TOOLS) ## 较久的测试：断电、并发、越权 · kill -9, races between processes, leaks, real clients
	$(BIN)/python -m pytest -m long $(PARALLEL) $(ARGS)

check: $(TOOLS) ## 静态检查：格式、类型、导入契约、安全 · lint, format, types, import contracts, security
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml $(CODE)

audit: $(READY) ## 核对依赖有无已知漏洞（需要网络）· look for known holes in what is installed (needs the network)
	@$(PIP) --require-hashes --only-binary :all: -r requirements/audit.txt
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement requirements/dev.txt $(ARGS)

format: $(TOOLS) ## 整理代码格式 · rewrite the code in its format
	$(BIN)/ruff check --fix --exit-zero $(CODE)
	$(BIN)/ruff format $(CODE)

soak: $(TOOLS) ## 更久的断电与性质测试 · kill -9 under a longer load, property tests round after round (ROUNDS=20)
	YIYANG_SOAK=20 $(BIN)/python -m pytest tests/e2e/test_kill.py tests/e2e/test_notifications_killed.py tests/e2e/test_referrals_killed.py tests/e2e/test_ingest_killed.py
	YIYANG_SOAK=20 $(BIN)/python -m pytest tests/fuzz
	YIYANG_SOAK=5 $(BIN)/python -m pytest tests/service/test_referral_races.py tests/service/test_referral_machine.py
	for round in $$(seq $(ROUNDS)); do env -u CI $(BIN)/python -m pytest -m hypothesis || exit 1; done

bench: $(READY) ## 压力测试（需要 wrk 与 PostgreSQL 程序）· measure the speed (needs wrk and PostgreSQL's programs)
	benchmarks/run.sh $(ARGS)

bench-scaling: $(READY) ## 数据量增大时的检索时延 · search latencies at 1, 10 and 100 times the data
	$(BIN)/python -m benchmarks.scaling $(ARGS)

bench-notifications: $(READY) ## 从提交到通知送达的时延 · how soon a subscriber is told of a commit
	$(BIN)/python -m benchmarks.notifications $(ARGS)

bench-summary: $(READY) ## 患者摘要的时延 · how soon the summary of an elder is there
	$(BIN)/python -m benchmarks.summary $(ARGS)

bench-referral: $(READY) ## 转诊每秒流转次数 · transitions of referrals a second
	$(BIN)/python -m benchmarks.referral $(ARGS)

bench-alerts: $(READY) ## 读数入库至预警可见的时延 · from a reading stored to its alert visible
	$(BIN)/python -m benchmarks.alerts $(ARGS)

bench-indicators: $(READY) ## 十万老人全部指标的用时 · how long the indicators of 100,000 elders take
	$(BIN)/python -m benchmarks.indicators $(ARGS)

bench-v2: $(READY) ## HL7 v2 每秒消息数（ARGS=--mllp） · messages of HL7 v2 a second
	$(BIN)/python -m benchmarks.v2 $(ARGS)

bench-ingest: $(READY) ## 每秒接收照护记录数 · care records ingested a second (ARGS="--kills 2")
	$(BIN)/python -m benchmarks.ingest $(ARGS)

docs: $(READY) ## 由代码生成文档 · write the documents that follow from the code
	$(BIN)/python -m docs.instruments
	$(BIN)/python -m docs.generate

lock: ## 重新锁定依赖（ARGS=--upgrade 升级）· compile the hashed locks anew (ARGS=--upgrade raises versions)
	requirements/compile $(PYTHON) $(UV) $(ARGS)

clean: ## 删除 .venv 与缓存 · remove .venv and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info tests/clients/node/node_modules
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +

# Nothing outside the hashed locks is ever downloaded: the build backend is in build.txt, the project itself is built without isolation.
$(READY): requirements/runtime.txt requirements/build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "医养需要 Python 3.11 或更高版本；可用 make PYTHON=python3.12 指定。"; \
	  echo "Yiyang needs Python 3.11 or newer ($$($(PYTHON) --version 2>&1)); name one with: make PYTHON=python3.12"; exit 1; } >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "缺少 Python 的 venv 模块（Debian/Ubuntu：python3-venv）。"; \
	  echo "Python's venv module is missing (Debian/Ubuntu: the package python3-venv)."; exit 1; } >&2
	@echo "安装依赖 · installing the pinned dependencies …"
	@$(PIP) --require-hashes --only-binary :all: -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS): $(READY) requirements/dev.txt
	@echo "安装开发工具 · installing the pinned desk tools …"
	@$(PIP) --require-hashes --only-binary :all: -r requirements/dev.txt
	@touch $@
