#!/usr/bin/env bash
# Installs what tests need when it is missing, builds, checks formatting, runs every test.
# Closes with "N passed, N failed" (", N skipped" when there are); a gate that fails counts as one failed.
#   ./test.sh          everything that takes less than 15 minutes
#   ./test.sh --long   what takes longer too (tests with the trait Category=Long)
# With CI=true a skipped test fails the run: there the servers that tests need must be there.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

color=()
if [ ! -t 1 ]; then color=(-noColor); fi
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
filter=(-trait- Category=Long)
minutes=15
case "${1:-}" in
  '') ;;
  --long) export COMMANDER_LONG=1; filter=(); minutes=180 ;;
  *) echo "usage: ./test.sh [--long]" >&2; exit 2 ;;
esac

passed=0 failed=0 skipped=0 excused=0

close() {
  local code=0
  if [ "$failed" -gt 0 ]; then code=1; fi
  if [ "${CI:-}" = true ] && [ "$skipped" -gt "$excused" ]; then
    echo "With CI=true nothing may be skipped: install what the skipped tests ask for." >&2
    code=1
  fi
  echo "$passed passed, $failed failed$([ "$skipped" -gt 0 ] && echo ", $skipped skipped")"
  exit "$code"
}

step() { printf '\n== %s\n' "$*"; }

# Servers that tests start for themselves: the programs are needed, running services are not.
install_missing() {
  local missing=()
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
  command -v prometheus >/dev/null || missing+=(prometheus)
  command -v chromium >/dev/null || missing+=(chromium)
  if [ ${#missing[@]} -eq 0 ]; then return; fi

  step "install ${missing[*]}"
  local root=()
  if [ "$(id -u)" -ne 0 ]; then root=(sudo); fi
  if ! command -v apt-get >/dev/null || { [ ${#root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
    echo "Without apt-get and root they cannot be installed here; tests that need them are skipped." >&2
    return
  fi

  # The policy keeps a package's service from being started while it is installed.
  local policy=/usr/sbin/policy-rc.d own=
  if [ ! -e "$policy" ]; then
    own=yes
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null && "${root[@]}" chmod +x "$policy"
  fi
  "${root[@]}" apt-get update -q \
    && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" \
    || echo "They could not be installed; tests that need them are skipped." >&2
  if [ -n "$own" ]; then "${root[@]}" rm -f "$policy"; fi
  if [[ " ${missing[*]} " == *' prometheus '* ]] && [ -d /run/systemd/system ]; then
    "${root[@]}" systemctl disable --now prometheus >/dev/null 2>&1
  fi
}

install_missing

step "build"
if ! dotnet build Commander.slnx -v quiet -warnaserror; then
  echo "The build failed; no test was run." >&2
  failed=1
  close
fi

step "formatting"
for kind in whitespace style; do
  if ! dotnet format "$kind" Commander.slnx --verify-no-changes --no-restore; then
    echo "Formatting ($kind) differs: run 'dotnet format $kind' and commit what it changes." >&2
    failed=$((failed + 1))
  fi
done

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
for project in tests/*/; do
  name=$(basename "$project")
  step "$name"
  report="$results/$name.xml"
  timeout --kill-after=30 "${minutes}m" "$project/bin/Debug/net10.0/$name" -noLogo "${color[@]}" "${filter[@]}" -result-xml "$report"
  code=$?
  # The counts of this assembly, from the attributes of its one element in the report.
  assembly=$(grep -o '<assembly [^>]*>' "$report" 2>/dev/null | head -n 1)
  count() { local n; n=$(sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$assembly"); echo "${n:-0}"; }
  bad=$(($(count failed) + $(count errors)))
  passed=$((passed + $(count passed)))
  skipped=$((skipped + $(count skipped)))
  # Measuring data that may not be copied here is no server that could be installed.
  excused=$((excused + $(grep -o '<reason>the data sets do not lie beside the repository' "$report" 2>/dev/null | wc -l)))
  if [ "$bad" -eq 0 ] && [ "$code" -ne 0 ]; then
    echo "$name ended with exit code $code (124: it took more than $minutes minutes)." >&2
    bad=1
  elif [ "$(count total)" -eq 0 ]; then
    echo "$name ran no test at all." >&2
    bad=1
  fi
  failed=$((failed + bad))
done

step "all"
close
