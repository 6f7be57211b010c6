#!/usr/bin/env bash
# Foretick's networks beside PyTorch's on this machine, in one run: go, PyTorch, go again.
#
#   apt-get install python3-torch        # 1.13.1 of Debian 12
#   bench/pytorch/run.sh                 # with the repository's network; with FORETICK_SHARED, the original's in golden/ there
set -euo pipefail
cd "$(dirname "$0")/../.."
network=${FORETICK_SHARED:+$FORETICK_SHARED/golden}
ours() { go test ./forecast/neural -run '^$' -bench 'Original|Forward|TrainingStep' -benchtime 1s | grep ^Benchmark; }
ours
/usr/bin/python3 bench/pytorch/bench.py "${network:-testdata/network}"
ours
