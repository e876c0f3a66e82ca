#!/bin/sh
# debian.sh [--tell] PACKAGE...: the Debian packages that tests use.
# Installs those that are missing, without letting a daemon start; with --tell only says which they are.
set -eu
tell=
if [ "${1:-}" = --tell ]; then tell=1; shift; fi

missing=
for package in "$@"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ -n "$tell" ]; then
  echo "tests that need$missing will be skipped; to run them: apt-get install$missing"
  exit 0
fi

# No daemon is to start by itself while its package is set up.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
fi
# shellcheck disable=SC2086
apt-cache show $missing >/dev/null 2>&1 || apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
