// Package inproc carries gRPC calls to handlers in the same process, without a network and without
// gRPC's transport: a [Server] takes services as a grpc.Server does, and a [Conn] calls them as a
// grpc.ClientConn does.
//
// What gRPC promises holds here too: metadata, deadlines and cancellation reach the handler, errors
// are statuses, and no message is shared by the two sides, since each is encoded and decoded on its
// way. What is left out is what a network needs: dialing, compression, retries by service config,
// stats handlers.
//
// A call is one goroutine, that of its handler, and nothing runs between calls: where a test decides
// the times, as in a bubble of testing/synctest, it decides the order too.
package inproc
