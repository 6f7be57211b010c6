#!/bin/sh
# Seconds from starting foretick serve on an empty folder until the page is answered,
# its resident memory after ten idle seconds, and the weight of the first page.
# usage: bench/start.sh [runs]
set -eu
bin=${FORETICK:-bin/foretick}
runs=${1:-5}
addr=127.0.0.1:18099
for i in $(seq "$runs"); do
	dir=$(mktemp -d)
	began=$(date +%s%N)
	"$bin" serve --addr $addr --data "$dir" >/dev/null 2>&1 &
	pid=$!
	until curl -sf -o /dev/null http://$addr/; do :; done
	printf 'start to first page: %d ms\n' $((($(date +%s%N) - began) / 1000000))
	if [ "$i" = "$runs" ]; then
		sleep 10
		grep -E 'VmRSS|VmHWM' /proc/$pid/status
		total=0
		for path in / $(curl -s http://$addr/ | grep -oE '(src|href)="/[^"]+"' | sed -E 's/.*="([^"]+)"/\1/'); do
			n=$(curl -s -H 'Accept-Encoding: gzip' -o /dev/null -w '%{size_download}' http://$addr$path)
			printf 'page: %7d bytes compressed  %s\n' "$n" "$path"
			total=$((total + n))
		done
		printf 'page: %7d bytes compressed in all\n' $total
	fi
	kill $pid
	wait $pid 2>/dev/null || true
	rm -rf "$dir"
done
ls -l "$bin" | awk '{printf "binary: %.1f MB\n", $5/1e6}'
