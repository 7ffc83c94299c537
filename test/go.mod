module github.com/rocketflow-io/rocketflow/test

go 1.27

replace github.com/rocketflow-io/rocketflow => ../
