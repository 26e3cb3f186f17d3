#!/usr/bin/env bash
# How strong the tests of Commander.Judging are: changes the code in thousands of small ways, one at a time, and counts which of the changes a test notices.
#   benchmarks/mutation/run.sh                        every folder; takes hours on two cores
#   benchmarks/mutation/run.sh Decisions Limits       some of them
#   benchmarks/mutation/run.sh Verdicts/Fold.cs       one file
# Reports lie in artifacts/mutation, one folder each: mutation-report.html shows every change that no test noticed.
# Ends with exit code 1 when a folder's score is below 85 %. Score = noticed / (noticed + not noticed), as Stryker counts it.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

bar=85
scopes=("$@")
if [ ${#scopes[@]} -eq 0 ]; then scopes=(Decisions Limits Statistics Verdicts Policies Backtest Models Evidence Simulation); fi
out=../../artifacts/mutation
mkdir -p "$out"

# Analysers have nothing to say about changed code. Fewer samples and one seed: which test notices a change must not be a matter of luck, nor of an hour.
export RunAnalyzers=false CsCheck_Iter="${CsCheck_Iter:-30}" DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

dotnet tool restore >"$out/restore.log" 2>&1 || { cat "$out/restore.log" >&2; exit 1; }

code=0
printf '%-24s %8s %8s %9s %12s %8s\n' scope noticed 'timed out' unnoticed 'not covered' score
for scope in "${scopes[@]}"; do
  case "$scope" in
    *.cs) glob="**/$scope" ;;
    *) glob="**/$scope/**/*.cs" ;;
  esac
  report="$out/${scope//\//-}"
  rm -rf "$report"
  # Rates measured over hundreds of simulated deployments are slow, and notice what the fast tests must notice by themselves.
  nice -n 15 dotnet stryker --skip-version-check --project Commander.Judging.csproj --mutate "$glob" --concurrency "${CONCURRENCY:-2}" \
    --test-case-filter 'Category!=Measured&Category!=Long' --reporter json --reporter html --reporter cleartext --output "$report" >"$report.log" 2>&1
  result="$report/reports/mutation-report.json"
  if [ ! -f "$result" ]; then
    echo "$scope: no result, see $report.log" >&2
    code=1
    continue
  fi
  count() { grep -oE "\"status\": ?\"$1\"" "$result" | wc -l; }
  killed=$(count Killed) timeout=$(count Timeout) survived=$(count Survived) uncovered=$(count NoCoverage)
  all=$((killed + timeout + survived + uncovered))
  score=$([ "$all" -gt 0 ] && echo $((1000 * (killed + timeout) / all)) || echo 1000)
  printf '%-24s %8d %8d %9d %12d %6d.%d %%\n' "$scope" "$killed" "$timeout" "$survived" "$uncovered" $((score / 10)) $((score % 10))
  if [ "$score" -lt $((bar * 10)) ]; then code=1; fi
done
exit "$code"
