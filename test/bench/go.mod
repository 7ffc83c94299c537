module github.com/rocketflow-io/rocketflow/test/bench

go 1.27

replace github.com/rocketflow-io/rocketflow => ../../

require (
	github.com/reugn/go-streams v0.13.0
	github.com/rocketflow-io/rocketflow v0.0.0-00010101000000-000000000000
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/klauspost/compress v1.18.0 // indirect
	github.com/pierrec/lz4/v4 v4.1.22 // indirect
)
