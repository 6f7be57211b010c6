#!/bin/sh
# aks.sh REPOSITORY TAG VALUES: installs or upgrades the chart on the cluster that kubectl's context
# names, with a file of values, and waits until it is well. Helm goes back by itself when it is not.
#
#   FORETICK_NAMESPACE  namespace, foretick by default
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 3 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
namespace=${FORETICK_NAMESPACE:-foretick}

helm upgrade --install foretick "$here/../helm/foretick" \
	--namespace "$namespace" --create-namespace \
	--values "$3" --set-string image.repository="$1" --set-string image.tag="$2" \
	--atomic --wait --timeout 10m

# The pods are ready; is the service? Asked through the cluster's own door, so that no ingress is needed.
port=18080
kubectl --namespace "$namespace" port-forward service/foretick $port:80 >/dev/null &
forward=$!
trap 'kill $forward 2>/dev/null || true' EXIT
if ! "${FORETICK_SMOKE:-$here/../../tools/smoke}" http://127.0.0.1:$port; then
	helm rollback foretick --namespace "$namespace" --wait --timeout 10m
	echo 'aks: the new version is not well; the one from before runs again' >&2
	exit 1
fi
