#!/usr/bin/env bash
# Answers a second of POST /predict_next_price: the original service written again (service.py, four
# workers), Foretick with the same network, with its own default, and net/http that predicts nothing
# (bare), one after another in one run, each asked by 1, 8 and 32 connections. Then latency where the
# load generator does not take the processor from the server: 8 connections that ask $rate times a
# second together.
#
#   apt-get install python3-fastapi python3-uvicorn python3-uvloop python3-httptools python3-sklearn python3-torch wrk
#   make build && bench/predict/run.sh [seconds]
#
# The network is the repository's; with FORETICK_SHARED it is the original's, in golden/ there.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${FORETICK:-bin/foretick}
seconds=${1:-8}
rate=${RATE:-4000}
network=${FORETICK_SHARED:+$FORETICK_SHARED/golden}
network=${network:-testdata/network}
dir=$(mktemp -d)
addr=127.0.0.1:18098
pids=()
stop() { for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; wait "$p" 2>/dev/null || true; done; pids=(); }
trap 'stop; rm -rf "$dir"' EXIT
go build -o "$dir" ./bench/predict/bare ./bench/predict/paced
cat >"$dir/post.lua" <<'LUA'
wrk.method = "POST"
wrk.body = '{"prices":[120,121.4,126.9,128.0,127.8,129.1,130.1]}'
wrk.headers["Content-Type"] = "application/json"
LUA
answer() { curl -sf -d '{"prices":[120,121.4,126.9,128.0,127.8,129.1,130.1]}' -H 'Content-Type: application/json' "http://$addr/predict_next_price"; }
measure() { # name, pid
	until answer >/dev/null; do kill -0 "$2"; sleep 0.1; done
	printf '\n%s answers %s\n' "$1" "$(answer)"
	for c in 1 8 32; do
		wrk -t1 -c"$c" -d"${seconds}s" --latency -s "$dir/post.lua" "http://$addr/predict_next_price" >"$dir/out"
		printf '  %2s connections: %9s answers/s, p50 %s, p99 %s %s\n' "$c" "$(awk '/Requests\/sec/{print $2}' "$dir/out")" \
			"$(awk '/50%/{print $2}' "$dir/out")" "$(awk '/99%/{print $2}' "$dir/out")" "$(grep Non-2xx "$dir/out" || true)"
	done
}
paced() { "$dir/paced" -url "http://$addr/predict_next_price" -connections 8 -rate "$rate" -for "${seconds}s"; }
resident() { echo "  resident: $(awk '/VmRSS/{print $2 / 1024 " MB"}' "/proc/$1/status")"; }

# One thread a worker: four workers with as many threads as processors would only hinder each other.
OMP_NUM_THREADS=1 NETWORK=$(realpath "$network") PYTHONWARNINGS=ignore /usr/bin/python3 -m uvicorn --app-dir bench/predict --workers 4 --log-level error --host 127.0.0.1 --port 18098 service:app &
pids+=($!)
measure "original service, 4 workers" $!
echo "  resident: $(ps -o rss= --ppid "$!" | awk '{s += $1} END {print s / 1024 " MB"}')"
stop

"$bin" models import --data "$dir/data" --name original --pth "$network/lstm_model.pth" --hyper "$network/lstm_model_hyper_param.json" --x-scaler "$network/X_scaler.pkl" --y-scaler "$network/y_scaler.pkl" >/dev/null
for model in original ewma; do
	"$bin" serve --addr $addr --data "$dir/data" --predict-model $model >/dev/null 2>&1 &
	pids+=($!)
	measure "foretick, model $model" $!
	paced
	resident "${pids[0]}"
	stop
done

"$dir/bare" $addr &
pids+=($!)
measure "net/http that predicts nothing" $!
paced
