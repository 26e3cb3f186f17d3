#!/usr/bin/env bash
# How strong the tests of Commander.Judging are: changes the code in thousands of small ways, one at a time, and counts which of the changes a test notices.
#   benchmarks/mutation/run.sh                        every folder
#   benchmarks/mutation/run.sh Decisions Limits       some of them
#   benchmarks/mutation/run.sh Verdicts/Fold.cs       one file
#   SAMPLE=15 benchmarks/mutation/run.sh              only a random 15 % of the changes (SEED=1 which)
# Stryker makes the changes, all in one assembly, and says which of them compile; Score.cs tries them with the tests in processes that
# stay (CONCURRENCY=2 how many), because a process for each change would take a day. Changes that no test noticed are listed at the end.
# Ends with exit code 1 when the score of all is below 85 %. Score = (noticed + late) / all but those that do not compile, as Stryker counts it.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

out="${OUT:-$(cd ../.. && pwd)/artifacts/mutation}"
rm -rf "$out"
mkdir -p "$out"

# Few samples: a change that only one in a thousand of them notices is not held by a test.
export RunAnalyzers=false CsCheck_Iter="${CsCheck_Iter:-30}" DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

dotnet tool restore >"$out/restore.log" 2>&1 || { cat "$out/restore.log" >&2; exit 1; }

MUTATED_TO="$out/mutated" nice -n 15 dotnet stryker --skip-version-check --project Commander.Judging.csproj --concurrency 2 \
  --test-case-filter 'FullyQualifiedName~HandOver' --reporter json --output "$out" >"$out/stryker.log" 2>&1
report="$out/reports/mutation-report.json"
if [ ! -f "$report" ] || [ ! -d "$out/mutated" ]; then
  tail -n 20 "$out/stryker.log" >&2
  echo "No changes: $out/stryker.log says why." >&2
  exit 1
fi

nice -n 15 dotnet "$out/mutated/Commander.Judging.Mutation.dll" score "$report" "$@"
