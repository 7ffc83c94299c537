#!/bin/sh
# run.sh raises alerts and pages desks, replays the dead letters, and pages the desks of those.
set -eu
cd "$(dirname "$0")/../.."
store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT
go run ./pipelines/alerts -store "$store"
go run ./pipelines/alerts/replay -store "$store"
go run ./pipelines/alerts -store "$store" -page -away ""
