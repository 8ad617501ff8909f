#!/usr/bin/env bash
# Measure this commit: its own PostgreSQL, `yiyang up --workers 2`, then the load script that any FHIR server is measured with;
# then the floor (floor.py) on the same database with as many workers, by the same script.
#   benchmarks/run.sh [FOLDER]       results.jsonl, table.md and the logs go to FOLDER (default .yiyang/bench, emptied first)
# LOAD=folder of the load script (default ../shared/bench), PORT=8765, WORKERS=2, NO_FLOOR=1; the script's own PATIENTS OBS C D WARM SCEN NO_TXN
set -euo pipefail
cd "$(dirname "$0")/.."
load=${LOAD:-../shared/bench} port=${PORT:-8765} workers=${WORKERS:-2}
folder=$(realpath -m "${1:-.yiyang/bench}")
[ -x "$load/run_all.sh" ] || { echo "没有负载脚本 · no load script in $load: set LOAD" >&2; exit 2; }
command -v wrk >/dev/null || { echo "缺少 wrk · wrk is missing (Debian: the package wrk)" >&2; exit 2; }
case "$folder" in "$PWD"|/) echo "not a folder of its own: $folder" >&2; exit 2 ;; esac
rm -rf "$folder"
mkdir -p "$folder"

stop_server() {
  [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
  [ -z "${server:-}" ] || wait "$server" 2>/dev/null || true
  server=
}
stop() {
  stop_server
  exec 7>&- # the database goes when its standard input closes
  wait
}
trap stop EXIT

mkfifo "$folder/keep"
.venv/bin/python -m benchmarks.database "$folder/database" <"$folder/keep" >"$folder/database.txt" &
exec 7>"$folder/keep"
until [ -s "$folder/database.txt" ]; do kill -0 $! && sleep 0.2; done
read -r postmaster url <"$folder/database.txt"
place=(--data "$folder" --database "$url")

until_ready() {
  for _ in $(seq 150); do
    kill -0 "$server" || { tail -20 "$1" >&2; exit 1; }
    .venv/bin/python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:$port/readyz', timeout=2)" 2>/dev/null && break
    sleep 0.2
  done
}

start_yiyang() {
  .venv/bin/python -m yiyang up --port "$port" --workers "$workers" "${place[@]}" >>"$folder/server.log" 2>&1 7>&- &
  server=$!
  until_ready "$folder/server.log"
}
start_floor() {
  .venv/bin/python -m benchmarks.floor --port "$port" --workers "$workers" --database "$url" >>"$folder/floor.log" 2>&1 7>&- &
  server=$!
  until_ready "$folder/floor.log"
}
token=".venv/bin/python -m yiyang token bench --base http://127.0.0.1:$port/fhir ${place[*]@Q}"
measure() { # LABEL TOKEN_COMMAND
  LOCK=$folder/lock "$load/run_all.sh" "$1" "http://127.0.0.1:$port/fhir" "$2" "$server" "$postmaster" "$folder" 7>&-
}

# What is created makes the later searches find more, so both are asked before either creates.
if [ -n "${SCEN:-}" ]; then rounds=("$SCEN")
else rounds=("read_patient read_obs search_obs search_name search_name_prefix" "update_patient create_patient create_obs"); fi
last=$((${#rounds[@]} - 1))
for round in "${!rounds[@]}"; do
  export SCEN=${rounds[$round]}
  without=${NO_TXN:-}
  [ "$round" = "$last" ] || without=1
  start_yiyang
  if [ "$round" = 0 ]; then
    .venv/bin/python -m yiyang client add bench --organization bench --scopes 'system/*.cruds' "${place[@]}" >"$folder/client.txt" 7>&-
    NO_TXN=$without measure yiyang "$token"
  else
    SKIP_LOAD=1 NO_TXN=$without measure yiyang "$token"
  fi
  [ "$round" != "$last" ] || .venv/bin/python -m benchmarks.memory "$server" >"$folder/memory.md"
  stop_server
  if [ -z "${NO_FLOOR:-}" ]; then
    start_floor
    SKIP_LOAD=1 NO_TXN=$without measure floor true
    stop_server
  fi
done

{
  echo "Commit $(git rev-parse --short=12 HEAD)$(git diff --quiet HEAD || echo ' with changes'), $(date -u +%F)," \
    "$(nproc) × $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)," \
    "$(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)," \
    "$(.venv/bin/python --version), $workers workers."
  echo
  .venv/bin/python -m benchmarks.ratios "$folder/results.jsonl"
  echo
  echo "Memory after it:"
  echo
  cat "$folder/memory.md"
  echo
  python3 "$load/fhirbench.py" table "$folder/results.jsonl"
} >"$folder/table.md"
cat "$folder/table.md"
