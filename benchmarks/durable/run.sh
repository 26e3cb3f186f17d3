#!/usr/bin/env bash
# See README.md beside this file.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
port=${PORT:-5399}
dotnet build "$here/../../src/Commander.Server" -v quiet
strace -f -ttt -T -e trace=fdatasync,fsync,sendmsg,recvmsg,sendto,recvfrom,write -s 60 -o "$work/trace" \
  dotnet "$here/../../src/Commander.Server/bin/Debug/net10.0/Commander.Server.dll" --urls "http://127.0.0.1:$port" --data "$work/data" >"$work/log" 2>&1 &
server=$!
trap 'pkill -KILL -P "$server" 2>/dev/null || true; kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 60); do curl -fs "http://127.0.0.1:$port/health/live" >/dev/null 2>&1 && break; sleep 1; done
python3 "$here/load.py" "$port"
pkill -TERM -P "$server" 2>/dev/null || true
sleep 2
python3 "$here/check.py" "$work/trace"
