// Package integration tests the client, and the RocketMQ source and sink, against a server: the
// embedded broker by default, a real RocketMQ where the environment names one. The tests are the
// same.
package integration
