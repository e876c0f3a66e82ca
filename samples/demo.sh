#!/bin/sh
# demo.sh PYTHON: judges every sample with its recorded DNS.  NAME.args holds the options that a sample needs besides.
set -eu
python=$1
cd "$(dirname "$0")/.."
for name in $(ls samples | sed -n 's/\.eml$//p'); do
  options="--dns samples/$name.dns.jsonl"
  [ ! -f "samples/$name.args" ] || options="$options $(cat "samples/$name.args")"
  printf '\n$ mailverdict samples/%s.eml %s\n\n' "$name" "$options"
  status=0
  # the options are quoted as a shell reads them
  eval "set -- $options"
  MAILVERDICT_CONFIG=/dev/null "$python" -m verify "samples/$name.eml" "$@" || status=$?
  case $status in
    0 | 1 | 3 | 4) printf '\n(exit status %s)\n' "$status" ;;
    *) exit "$status" ;;
  esac
done
program="$(dirname "$python")/mailverdict"
[ ! -x "$program" ] || printf '\nYour own mail: %s suspect.eml\n' "$program"
