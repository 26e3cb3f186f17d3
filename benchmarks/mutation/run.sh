#!/usr/bin/env bash
# How strong the tests of Commander.Judging are: changes the code in thousands of small ways, one at a time, and counts which of the changes a test notices.
#   benchmarks/mutation/run.sh                        every folder; takes hours on two cores
#   benchmarks/mutation/run.sh Decisions Limits       some of them
#   benchmarks/mutation/run.sh Verdicts/Fold.cs       one file
#   SAMPLE=15 benchmarks/mutation/run.sh Verdicts   only the changes in a random 15 % of its text, in pieces of a thousand characters (SEED=1 which): an estimate within minutes
#   TESTS=Policies benchmarks/mutation/run.sh Policies   only with the tests of that folder: minutes instead of hours, and a score that all tests together can only raise
# artifacts/mutation/reports/mutation-report.html shows every change that no test noticed; it is written when the run ends.
# Ends with exit code 1 when a folder's score is below 85 %. Score = (noticed + timed out) / all but those that do not compile, as Stryker counts it.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

bar=85
scopes=("$@")
if [ ${#scopes[@]} -eq 0 ]; then scopes=(Decisions Limits Statistics Verdicts Policies Backtest Models Evidence Simulation); fi
globs=()
for scope in "${scopes[@]}"; do
  if [ -n "${SAMPLE:-}" ]; then
    while IFS= read -r piece; do globs+=(--mutate "$piece"); done < <(
      find "../../src/Commander.Judging" -path "*/$scope*" -name '*.cs' -not -path '*/obj/*' -printf '%s %P\n' | sort -k2 |
        awk -v share="$SAMPLE" -v seed="${SEED:-1}" 'BEGIN { srand(seed) } { for (at = 0; at < $1; at += 1000) if (rand() < share / 100) printf "**/%s{%d..%d}\n", $2, at, at + 1000 }')
    continue
  fi
  case "$scope" in
    *.cs) globs+=(--mutate "**/$scope") ;;
    *) globs+=(--mutate "**/$scope/**/*.cs") ;;
  esac
done
[ ${#globs[@]} -gt 0 ] || { echo "Nothing is named ${scopes[*]}, or the sample is empty: another SEED." >&2; exit 2; }

out="${OUT:-$(cd ../.. && pwd)/artifacts/mutation}"
rm -rf "$out"
mkdir -p "$out"

# Analysers have nothing to say about changed code. Few samples: a change that only one in a thousand of them notices is not held by a test.
export RunAnalyzers=false CsCheck_Iter="${CsCheck_Iter:-30}" DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

dotnet tool restore >"$out/restore.log" 2>&1 || { cat "$out/restore.log" >&2; exit 1; }

# Rates measured over hundreds of simulated deployments are slow, and notice what the fast tests must notice by themselves.
tests='Category!=Measured&Category!=Long'
if [ -n "${TESTS:-}" ]; then tests+="&FullyQualifiedName~Commander.Judging.Tests.$TESTS."; fi
nice -n 15 dotnet stryker --skip-version-check --project Commander.Judging.csproj "${globs[@]}" --concurrency "${CONCURRENCY:-2}" \
  --test-case-filter "$tests" --reporter json --reporter html --reporter cleartext --output "$out" >"$out/stryker.log" 2>&1

result="$out/reports/mutation-report.json"
if [ ! -f "$result" ]; then
  tail -n 20 "$out/stryker.log" >&2
  echo "No result: $out/stryker.log says why." >&2
  exit 1
fi

# The report names each file, then the status of each change of it; code in it is quoted, so neither can be mistaken.
grep -oE '"[^"]*\.cs": ?\{|"status": ?"[A-Za-z]+"' "$result" | awk -v bar="$bar" '
  /\.cs"/ { split($0, quoted, "\""); parts = split(quoted[2], path, "/"); folder = ""; for (at = 1; at < parts; at++) if (path[at] == "Commander.Judging") folder = path[at + 1]; if (folder == "") folder = path[1]; next }
  /Killed/ { killed[folder]++ } /Timeout/ { slow[folder]++ } /Survived/ { survived[folder]++ } /NoCoverage/ { uncovered[folder]++ }
  /Killed|Timeout|Survived|NoCoverage/ { all[folder]++ }
  END {
    printf "%-14s %8s %10s %10s %12s %8s\n", "folder", "noticed", "timed out", "unnoticed", "not covered", "score"
    for (folder in all) {
      score = 100 * (killed[folder] + slow[folder]) / all[folder]
      if (score < bar) low = 1
      printf "%-14s %8d %10d %10d %12d %6.1f %%\n", folder, killed[folder], slow[folder], survived[folder], uncovered[folder], score
    }
    exit low
  }'
