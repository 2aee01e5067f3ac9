#!/bin/sh
# Extracts features with several processes of fx on this machine, by GNU parallel:
#
#     extract.sh PROCESSES PLAN FLAGS...
#
# PLAN is the file for the parts, FLAGS are those of fx extract. A part that fails is tried again; what is missing then
# is planned again.
set -eu
fx=${FX:-fx} processes=$1 plan=$2
shift 2
for round in 1 2 3 4 5; do
	"$fx" extract "$@" --plan "$plan" ${FX_PART_PHOTOS:+--part-photos "$FX_PART_PHOTOS"}
	parts=$(wc -l <"$plan")
	[ "$parts" -gt 0 ] || break
	seq 0 $((parts - 1)) |
		parallel --will-cite -q --jobs "$processes" --retries 3 "$fx" extract "$@" --parts "$plan" --part {} || true
done
"$fx" extract "$@" # takes the parts into the store's files
