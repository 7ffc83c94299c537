// Package chaos kills parts of a real RocketMQ while clients send and consume, and checks that nothing
// is lost and nothing of a message group comes out of order.
//
// Its tests start a server in mode cluster with two proxies, by package rocketmq, and take some minutes;
// they run with the flag -real alone (make test-chaos).
package chaos
