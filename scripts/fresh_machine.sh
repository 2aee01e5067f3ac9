#!/bin/sh
# Runs the two commands of README.md's "Start from source" as on a newly installed machine: in a root folder of its own
# with Debian's gcc, Python and git, this machine's Go, an empty home and empty caches. What they leave in out/ is
# copied to out/fresh/. Needs root and debootstrap; ends with 75 where such a root can't be made.
set -eu
cd "$(dirname "$0")/.."

cannot() { echo "fresh_machine: $1"; exit 75; }

if [ "${1:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || cannot "needs root"
	command -v debootstrap >/dev/null || cannot "needs debootstrap"
	root=$(mktemp -d /var/tmp/fx-fresh-XXXXXX)
	chmod 755 "$root" # as the root of a machine is
	trap 'rm -rf --one-file-system "$root"' EXIT
	trap 'exit 130' INT TERM
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	echo "+ debootstrap ${suite:=bookworm}"
	debootstrap --variant=minbase --include=gcc,libc6-dev,python3,python3-venv,python3-pip,ca-certificates,git \
		"$suite" "$root" >"$root.log" 2>&1 || { tail -5 "$root.log"; rm -f "$root.log"; cannot "debootstrap failed"; }
	rm -f "$root.log"
	git clone -q --no-hardlinks . "$root/root/fx"
	unshare --mount --pid --fork --kill-child -- sh "$0" inside "$root" && code=0 || code=$?
	rm -rf out/fresh
	mkdir -p out
	[ ! -d "$root/root/fx/out" ] || cp -r "$root/root/fx/out" out/fresh
	exit "$code"
fi

# In its own mount namespace, which ends with this script.
root=$2
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mkdir -p "$root/usr/local/go"
mount --bind -o ro "$(go env GOROOT)" "$root/usr/local/go"
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do # how this machine reaches its package registries
	[ ! -e $file ] || cp -L $file "$root$file"
done
cp -RL /etc/ssl/certs/. "$root/etc/ssl/certs/" 2>/dev/null || true
cp -RL /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true

set -- HOME=/root PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
for name in $(env | grep -oiE '^([a-z]+_proxy|PIP_INDEX_URL|PIP_CERT|SSL_CERT_(FILE|DIR))='); do
	set -- "$@" "$name$(printenv "${name%=}")"
done
for name in GOPROXY GOSUMDB GONOSUMDB GOFLAGS GOTOOLCHAIN; do
	set -- "$@" "$name=$(go env $name)"
done
[ -z "${FX_TEST_REQUIRE:-}" ] || set -- "$@" "FX_TEST_REQUIRE=$FX_TEST_REQUIRE"
in_root() { chroot "$root" /usr/bin/env -i "$@" /bin/sh -euc "cd /root/fx; $commands"; }

commands='command -v gcc python3 go git; python3 -c "import sys; print(sys.version)"; go version
if ldconfig -p | grep libturbojpeg; then echo "this machine is not fresh"; exit 1; fi'
in_root "$@"
grep -oE '^    go tool -modfile=tools/go.mod task [a-z]+' README.md | while read -r command; do
	echo "+ $command"
	started=$(date +%s)
	commands=$command
	in_root "$@" </dev/null || exit
	echo "+ $command: $((($(date +%s) - started + 30) / 60)) minutes"
done
