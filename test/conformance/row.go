// Package conformance states what a RocketMQ server does, seen from gRPC, as executable rows.
//
// A [Row] is one observation: it makes topics and groups of its own, talks to the server by the
// generated stubs alone, and fails when the answer is another than it says. The same rows run
// against the real server and against the embedded broker, so that what users test with is held to
// what users have. [Run] runs them, many at a time, since most of a row's time is waiting.
//
// A row's [Mark] says how exact it is. Where the real server does what nobody would want, such as
// losing an acknowledgement, the row is marked [Either]: it accepts that as well as the sane
// behaviour and reports which of them it saw, by [Env.Saw]. What was seen may differ from server
// to server; [Diff] compares two runs and accepts the differences that a list gives a reason for.
//
// The ids are grouped by what they exercise: TR transport, RT route, AS assignment, TE telemetry,
// HB heartbeat, TM termination, SE send, RE receive, AC acknowledge, CI change of the invisible
// duration, DL dead letters, FI ordered groups, DE delayed delivery, TX transactions, PR
// priorities, FL filters, CO commands to clients, BL backlogs, LI lite topics, RS restarts; and on a
// server that serves users alone, AU authentication and authorization.
package conformance

import (
	"slices"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// Mark says how a row is to be read.
type Mark byte

const (
	// Equal rows hold exactly.
	Equal Mark = '='
	// Near rows hold within a tolerance of time.
	Near Mark = '~'
	// Either rows accept more than one behaviour and report which they saw.
	Either Mark = '!'
)

// Row is one observation of a server.
type Row struct {
	ID   string
	Doc  string // what is done, and what is expected
	Mark Mark
	Run  func(e *Env)
}

// RowsFor returns the rows that are for such a server: [GuardedRows] if it serves users alone, else
// [Rows].
func RowsFor(server target.Server) []Row {
	if server.Guarded() {
		return GuardedRows()
	}
	return Rows()
}

// GuardedRows returns the rows for a server that serves users alone, in the order of their subjects.
func GuardedRows() []Row { return slices.Concat(signatureRows(), policyRows()) }

// Rows returns the rows for a server that serves everybody, in the order of their subjects.
func Rows() []Row {
	return slices.Concat(
		transportRows(), routeRows(), assignmentRows(), telemetryRows(), heartbeatRows(),
		sendRows(), sendTypeRows(), sendBatchRows(), receiveRows(), receivePollRows(), receiveLimitRows(),
		ackRows(), invisibleRows(), deadLetterRows(), orderedRows(), orderedExpiryRows(), delayRows(),
		transactionRows(), transactionCheckRows(), priorityRows(), filterRows(), sqlRows(), sqlFaultRows(), commandRows(),
		forgedRows(), backlogRows(), liteRows(), liteSyncRows(), liteOrderRows(), liteClientRows(), aloneRows(),
	)
}
