#!/bin/sh
# machine.sh FOLDER PYTHON: what a test needs that sets up a mail server from an empty Debian, without the network.
# FOLDER/debian.tar: a Debian of the release of this machine, with the packages that the README has its reader install,
# and two mail servers, waiting in the cache of apt; FOLDER/wheels: what pip needs to install us.
set -eu
folder=$1
python=$2
cd "$(dirname "$0")/.."
. /etc/os-release
[ ! -e "$folder/debian.tar" ] || exit 0
mkdir -p "$folder/wheels"

"$python" -m pip wheel -qq --disable-pip-version-check --wheel-dir "$folder/wheels" \
  --require-hashes -r requirements.lock
"$python" -m pip wheel -qq --disable-pip-version-check --wheel-dir "$folder/wheels" hatchling

# Where packages come from, and how they are fetched, is for this machine to say.
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' 'Origin: Debian' \
  >"$folder/sources.list"
apt-config dump Acquire --format '%F "%v";%n' >"$folder/acquire.conf"
packages=$(sed -n 's/^apt-get install -y --no-install-recommends //p' README.md)
# The last of these are on every Debian that an installer made.
mmdebstrap --mode=root --variant=minbase --quiet --skip=cleanup/apt --aptopt="$folder/acquire.conf" \
  --dpkgopt=force-unsafe-io --aptopt='APT::Install-Recommends "false"' --include=systemd-sysv,dbus,procps,iproute2 \
  --customize-hook="chroot \"\$1\" apt-get install -qq --download-only postfix $packages >/dev/null" \
  --customize-hook="chroot \"\$1\" apt-get install -qq --download-only sendmail $packages >/dev/null" \
  "$VERSION_CODENAME" "$folder/unfinished.tar" "$folder/sources.list"
mv "$folder/unfinished.tar" "$folder/debian.tar"
