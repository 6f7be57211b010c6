#!/usr/bin/env bash
# Foretick's networks beside PyTorch's on this machine, in one run: go, PyTorch, go again.
#
#   apt-get install python3-torch        # 1.13.1 of Debian 12
#   bench/pytorch/run.sh                 # FORETICK_SHARED is the folder with golden/, default ../shared
set -euo pipefail
cd "$(dirname "$0")/../.."
shared=${FORETICK_SHARED:-../shared}
ours() { go test ./forecast/neural -run '^$' -bench 'Original|Forward|TrainingStep' -benchtime 1s | grep ^Benchmark; }
ours
/usr/bin/python3 bench/pytorch/bench.py "$shared"
ours
