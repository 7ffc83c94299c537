// Package flowtest tests pipelines: it runs one on given input, in virtual time, lets its stages fail
// where the test says so, and tells what became of each input.
//
//	func TestBill(t *testing.T) {
//		orders := flowtest.NewInput("a 10", "b ?", "c 30").Redeliver(flowtest.Redelivery{})
//		invoices, dead := flowtest.NewOutput[Invoice](), flowtest.NewOutput[flow.Failure]()
//
//		res := flowtest.Run(t, Bill(orders, invoices, dead),
//			flowtest.Fail("tax", errDown).Times(2))
//
//		require.NoError(t, res.Err)
//		require.Equal(t, []Invoice{{"a", 12}, {"c", 36}}, invoices.Values())
//		require.Equal(t, "parse", dead.Values()[0].Stage)
//		orders.RequireAcked(t)
//	}
//
// # The parts
//
// The pipeline under test is the one that production runs, given other ends: an [Input] for its
// source, an [Output] for each sink and each sink of dead letters. Any other source and sink will do
// as well, such as those of RocketMQ on the broker in memory.
//
// An Input is a script: values, records with all that a source may know of them, pauses between
// them. It can redeliver as RocketMQ does, with attempts, backoff and dead letters; order by key as a
// FIFO group does; and take back what is held for longer than a lease. Afterwards its [Input.Outcomes]
// tell what became of each record, delivery by delivery.
//
// # Time
//
// [Run] runs the pipeline in a bubble of testing/synctest: hours of backoff, the age of a batch, a
// lease pass at once, and the same each time. In a test that is in a bubble already, Run uses that
// one; so it must where the pipeline is made of things that belong to one, such as a channel, or a
// client of an embedded broker. If the clock of its own bubble stops, for a channel from outside, Run
// panics, and tells who waits.
//
// [Watermark] moves event time by hand, and so completes windows.
//
// # Failures
//
// [Fail], [Panic] and [Delay] act on a stage by its name, right before the stage works on a value: on
// its goroutine, and under its error policy. The pipeline is not changed for it. A stage has the name
// that Named or flow.As gave it, or that of its operator, source or sink; of several with one name the
// second is "map 2". A report of a name that there is not lists those that there are.
//
// # What is reported
//
// Some things are mistakes in any test, and fail it: a stage that lost the settlement of a record, with
// its name; a stage that settled one twice; a record that was read and has no outcome; a run that does
// not end; a goroutine that is left; a failure that was to be injected and never was. The report shows
// what became of each input.
package flowtest
