#!/bin/sh
# Runs govulncheck; if its database can't be reached, it reports that and succeeds.
out=$( (go tool -modfile=tools/go.mod govulncheck ./... && cd bench && go tool -modfile=../tools/go.mod govulncheck ./...) 2>&1) && code=0 || code=$?
echo "$out"
[ "$code" = 0 ] && exit 0
case $out in
*"vulndb"*"Forbidden"* | *"fetching vulnerabilities"* | *"dial tcp"* | *"no such host"* | *"connection refused"* | *"unsupported protocol"* | *"Client.Timeout"*)
	echo "govulncheck: its database can't be reached from here; nothing was checked"
	exit 0
	;;
esac
exit "$code"
