module github.com/rocketflow-io/rocketflow/test/bench

go 1.27

replace github.com/rocketflow-io/rocketflow => ../../
