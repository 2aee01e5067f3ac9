# Sourced by the tests of engines: photos, a plain extraction to compare with, and a killer of workers.
#
#   FX                  the fx to test; default: fx in PATH
#   FX_ENGINE_PHOTOS    number of photos, default 10000
#   FX_ENGINE_PART      photos of a part, default an eighth of them
#   FX_ENGINE_NETWORK   a network of `fx backbones list`, default mobilenet_v3_large; its weights are random
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
real_fx=$(realpath "$(command -v "${FX:-fx}")")
scratch=$(mktemp -d "${TMPDIR:-/tmp}/fx-engine.XXXXXX")
export FX_ENGINE_PHOTOS=${FX_ENGINE_PHOTOS:-10000}
export FX_PART_PHOTOS=${FX_ENGINE_PART:-$((FX_ENGINE_PHOTOS / 8))}
backbone=${FX_ENGINE_NETWORK:-mobilenet_v3_large}
network=(--backbone "$backbone" --weights "$scratch/weights.safetensors" --device cpu)

# $scratch/fx is fx, and records what each process computed.
cat >"$scratch/fx" <<SH
#!/bin/sh
"$real_fx" "\$@" --quiet --json >"$scratch/out.\$\$" || { status=\$?; cat "$scratch/out.\$\$" >&2; exit \$status; }
mv "$scratch/out.\$\$" "$scratch/done.\$\$"
SH
chmod +x "$scratch/fx"
export FX="$scratch/fx"

# computed prints how many rows the processes computed that ended well, and forgets them.
computed() {
	python3 - "$scratch" <<-'PY'
		import json, pathlib, sys
		total = 0
		for file in pathlib.Path(sys.argv[1]).glob("done.*"):
		    total += json.loads(file.read_text()).get("computed", 0)
		    file.unlink()
		print(total)
	PY
}

seconds() { date +%s.%N; }

# victim prints the ID of a random process of fx that computes a part of the store $1.
victim() { pgrep -f -- "^$real_fx extract .*--out $1 .*--part " | shuf -n 1; }

# killer kills such processes at random moments until $scratch/calm is there: 20 in the time of a plain extraction, on
# average. The parts of a run with kills should be small, so that some end.
killer() {
	rm -f "$scratch/calm"
	local kills=0 id
	while [ ! -e "$scratch/calm" ]; do
		sleep "$(awk -v r=$RANDOM -v s="$plain_seconds" 'BEGIN { print s / 10 * r / 32768 }')"
		id=$(victim "$1") && [ -n "$id" ] && kill -9 "$id" 2>/dev/null && kills=$((kills + 1))
	done
	echo "$kills workers killed"
}

photos_and_plain() {
	python3 "$here/photos.py" make "$scratch/photos"
	"$real_fx" backbones save "$backbone" --weights seed:0 --out "$scratch/weights.safetensors" --quiet >/dev/null
	local start
	start=$(seconds)
	"$FX" extract "${network[@]}" --data "$scratch/photos" --out "$scratch/plain" --workers 2
	plain_seconds=$(awk -v a="$start" -v b="$(seconds)" 'BEGIN { print b - a }')
	plain_rows=$(computed)
}

# report compares the store $2 of the engine $1 with the plain one. $3 is the time of an undisturbed run, or "".
report() {
	local rows
	rows=$(computed)
	python3 "$here/photos.py" compare --fx "$real_fx" --photos "$scratch/photos" "$scratch/plain" "$2"
	awk -v name="$1" -v rows="$rows" -v plain="$plain_rows" -v engine="$3" -v seconds="$plain_seconds" 'BEGIN {
		printf "%s: each row was computed %.3f times, without what was in flight when it was killed\n", name, rows / plain
		if (engine) printf "%s: %.1f s, plain fx %.1f s: ratio of photos/s %.3f\n", name, engine, seconds, seconds / engine
		if (rows / plain > 1.05) exit 1
	}'
}
