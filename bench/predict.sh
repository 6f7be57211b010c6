#!/bin/sh
# Answers a second of POST /predict_next_price at 1, 8 and 32 connections (needs wrk).
# usage: bench/predict.sh [seconds]
set -eu
bin=${FORETICK:-bin/foretick}
seconds=${1:-10}
addr=127.0.0.1:18098
dir=$(mktemp -d)
cat >"$dir/post.lua" <<'LUA'
wrk.method = "POST"
wrk.body = '{"prices":[120,121.4,126.9,128.0,127.8,129.1,130.1]}'
wrk.headers["Content-Type"] = "application/json"
LUA
"$bin" serve --addr $addr --data "$dir/data" >/dev/null 2>&1 &
pid=$!
trap 'kill $pid; wait $pid 2>/dev/null || true; rm -rf "$dir"' EXIT
until curl -sf -o /dev/null http://$addr/healthz; do :; done
for c in 1 8 32; do
	printf '%s connections:\n' "$c"
	wrk -t1 -c"$c" -d"${seconds}s" --latency -s "$dir/post.lua" http://$addr/predict_next_price | grep -E '50%|99%|Requests/sec|Non-2xx'
done
grep VmRSS /proc/$pid/status
