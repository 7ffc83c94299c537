module github.com/rocketflow-io/rocketflow/test/bench/broker

go 1.27

replace (
	github.com/rocketflow-io/rocketflow => ../../../
	github.com/rocketflow-io/rocketflow/state/postgres => ../../../state/postgres
	github.com/rocketflow-io/rocketflow/test => ../../
	github.com/rocketflow-io/rocketflow/test/bench => ../
)

require (
	github.com/apache/rocketmq-clients/golang/v5 v5.1.4
	github.com/rocketflow-io/rocketflow v0.0.0-00010101000000-000000000000
	github.com/rocketflow-io/rocketflow/test v0.0.0-00010101000000-000000000000
	github.com/rocketflow-io/rocketflow/test/bench v0.0.0-00010101000000-000000000000
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261019180522-ce908d29299b // indirect
)
