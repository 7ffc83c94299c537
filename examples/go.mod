module github.com/rocketflow-io/rocketflow/examples

go 1.27

replace github.com/rocketflow-io/rocketflow => ../
