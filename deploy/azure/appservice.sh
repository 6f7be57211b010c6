#!/bin/sh
# appservice.sh IMAGE [VERSION]: puts an image into the staging slot of a web app, asks it whether it
# is well, and swaps it with the running one. If what then runs is not well, swaps back and fails.
#
# Both slots use one database, of which one process is the writer. Until the old version is stopped
# (it is in the staging slot after the swap) the new one serves what is stored and follows it; then it
# takes over. The old version stays in the stopped slot: `appservice.sh back` returns to it.
#
#   FORETICK_GROUP      resource group
#   FORETICK_APP        name of the web app
#   FORETICK_SMOKE_KEY  secret of a read key
set -eu
here=$(cd "$(dirname "$0")" && pwd)
smoke=${FORETICK_SMOKE:-$here/../../tools/smoke}
: "${FORETICK_GROUP:?set it to the resource group}" "${FORETICK_APP:?set it to the name of the web app}"

say() { printf 'appservice: %s\n' "$1" >&2; }
slot() { verb=$1; shift; az webapp "$verb" -g "$FORETICK_GROUP" -n "$FORETICK_APP" --slot staging "$@"; }
swap() { az webapp deployment slot swap -g "$FORETICK_GROUP" -n "$FORETICK_APP" --slot staging --target-slot production; }
url() { printf 'https://%s' "$(az webapp show -g "$FORETICK_GROUP" -n "$FORETICK_APP" "$@" --query defaultHostName -o tsv)"; }

# back returns to the version in the staging slot.
back() {
	slot start
	"$smoke" "$(url --slot staging)" || say 'the version in the staging slot does not answer; swapping to it all the same'
	swap
	slot stop
	"$smoke" "$(url)"
}

[ $# -ge 1 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
if [ "$1" = back ]; then
	back
	exit
fi

image=$1
version=${2:-}
say "staging gets $image"
az webapp config container set -g "$FORETICK_GROUP" -n "$FORETICK_APP" --slot staging --container-image-name "$image" >/dev/null
slot start
if ! "$smoke" "$(url --slot staging)" $version; then
	slot stop
	say 'the new version is not well in the staging slot; nothing was swapped'
	exit 1
fi
swap
if "$smoke" "$(url)" $version && slot stop && FORETICK_SMOKE_FORECAST=1 "$smoke" "$(url)" $version; then
	say "$(url) runs $image"
	exit
fi
say 'the new version is not well after the swap; swapping back'
back
say 'the version from before runs again'
exit 1
