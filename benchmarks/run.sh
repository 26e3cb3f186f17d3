#!/usr/bin/env bash
# The bars of performance, one after the other, with the machine they were measured on: half an hour on a machine that does nothing else.
#   benchmarks/run.sh                 every row
#   benchmarks/run.sh webhook watches some of them
# Rows on PostgreSQL run where COMMANDER_CLUSTER names a database for it, and take-over and chaos start a PostgreSQL of their own.
# artifacts/bars.md has what was printed. Nothing here is an assertion: what a row must reach stands beside it.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
mkdir -p artifacts
rows=("$@")
if [ ${#rows[@]} -eq 0 ]; then rows=(decision backtest demo access webhook watches takeover chaos server); fi

dotnet build -c Release -v quiet benchmarks/Commander.Benchmarks >artifacts/bars.log || { cat artifacts/bars.log; exit 1; }
case " ${rows[*]} " in *" takeover "* | *" chaos "*) dotnet build -v quiet tests/Commander.Server.Tests >artifacts/bars.log || { cat artifacts/bars.log; exit 1; } ;; esac
bench=(dotnet benchmarks/Commander.Benchmarks/bin/Release/net10.0/Commander.Benchmarks.dll)
tests=tests/Commander.Server.Tests/bin/Debug/net10.0/Commander.Server.Tests

without_cluster() { env -u COMMANDER_CLUSTER "$@"; }
said() { grep -oE '\[OUTPUT\] .*|  Total: .*|^[A-Za-z0-9].*take-over.*' | sed 's/^\[OUTPUT\] //'; }

row() {
  case "$1" in
    decision) "${bench[@]}" decision --filter '*' 2>/dev/null | grep '^|' ;;
    backtest) "${bench[@]}" backtest ;;
    demo) "${bench[@]}" demo --each 3 --page 2>/dev/null ;;
    access) "${bench[@]}" access ;;
    webhook)
      without_cluster "${bench[@]}" webhook 15
      if [ -n "${COMMANDER_CLUSTER:-}" ]; then "${bench[@]}" webhook 15; fi ;;
    watches)
      without_cluster "${bench[@]}" watches 2000
      if [ -n "${COMMANDER_CLUSTER:-}" ]; then "${bench[@]}" watches 1000; "${bench[@]}" watches 1000 3; fi ;;
    takeover) for nodes in 2 3; do COMMANDER_NODES=$nodes COMMANDER_KILLS=10 "$tests" -noColor -method '*stand_still_is_measured*' -explicit only -showLiveOutput 2>&1 | said; done ;;
    chaos) COMMANDER_CHAOS_MINUTES="${COMMANDER_CHAOS_MINUTES:-5}" COMMANDER_SEED="${COMMANDER_SEED:-7}" "$tests" -noColor -method '*Whatever_is_killed*' -showLiveOutput 2>&1 | said ;;
    server) "${bench[@]}" server ;;
    *) echo "no such row; one of: decision backtest demo access webhook watches takeover chaos server" ;;
  esac
}

bar() {
  case "$1" in
    decision) echo "5 us a tick of five metrics, nothing allocated" ;;
    backtest) echo "2,000 one-hour cases a second on one core" ;;
    demo) echo "errors, crash: 3 s to the verdict, 5 s to the old version serving, 4 s in an open page; slow 15 s; leak, subtle 60 s; good 15 s" ;;
    access) echo "a token's check 20 us; limits hold at 5,000 requests a second" ;;
    webhook) echo "SQLite 8,000 a second, half of a bare loop, p99 20 ms; PostgreSQL 4,000, p99 40 ms" ;;
    watches) echo "2,000 in one process, p99 500 ms late, 1 GiB" ;;
    takeover) echo "two nodes p99 3 s, three on two cores p99 5 s" ;;
    chaos) echo "every accepted deployment closed once, every rollback took effect once" ;;
    server) echo "first answer 2.5 s after the start; verdict page 32 KB compressed, p99 20 ms" ;;
  esac
}

{
  echo "# Bars, $(date -u +%Y-%m-%d), $(git rev-parse --short HEAD)"
  echo
  echo "$(nproc) cores ($(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs)), $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), $(uname -sr), .NET $(dotnet --version), $(df --output=fstype . | tail -1); load before the first row $(cut -d' ' -f1 /proc/loadavg)"
  for one in "${rows[@]}"; do
    printf '\n## %s: %s\n\n```\n' "$one" "$(bar "$one")"
    row "$one"
    printf '```\n'
  done
} | tee artifacts/bars.md
