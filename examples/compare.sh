#!/bin/sh
# compare.sh JOB...: runs the jobs on embedded brokers, all at one time since each waits more than it works,
# and compares what they print with their expected.txt. A job of more than one command has a run.sh.
set -eu
cd "$(dirname "$0")"
printed=$(mktemp -d)
trap 'rm -rf "$printed"' EXIT

run() {
  if [ -e "pipelines/$1/run.sh" ]; then
    "pipelines/$1/run.sh"
  else
    go run "./pipelines/$1"
  fi
}

for job; do
  { run "$job" >"$printed/$job.out" 2>"$printed/$job.err" && touch "$printed/$job.ok"; } &
done
wait
failed=0
for job; do
  echo "== $job"
  diff "pipelines/$job/expected.txt" "$printed/$job.out" && [ -e "$printed/$job.ok" ] || { cat "$printed/$job.err"; failed=1; }
done
exit $failed
