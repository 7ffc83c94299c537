module github.com/rocketflow-io/rocketflow/test/bench

go 1.27

replace github.com/rocketflow-io/rocketflow => ../../

require (
	github.com/destel/rill v0.8.1
	github.com/reugn/go-streams v0.13.0
	github.com/rocketflow-io/rocketflow v0.0.0-00010101000000-000000000000
	github.com/samber/ro v0.3.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/samber/lo v1.52.0 // indirect
	github.com/sony/gobreaker/v2 v2.4.0 // indirect
	golang.org/x/exp v0.0.0-20220303212507-bbda1eaf7a17 // indirect
	golang.org/x/text v0.42.0 // indirect
)
