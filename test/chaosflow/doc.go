// Package chaosflow proves that a job of several processes loses nothing and counts nothing twice,
// whatever dies.
//
// The job reads the flights of January 2013 from a topic, writes a row for each to PostgreSQL, and counts
// them in the store that its processes share: by carrier, in a commit of its own making, and by carrier
// and hour, in windows. Three workers, processes of their own in one consumer group, do it on a real
// RocketMQ in mode cluster. While the flights are being sent, workers are killed with SIGKILL and started
// again, or stopped for longer than their leases, so that one to three are at work; the proxy is killed
// three times, and the broker once. When that has ended, and all is acknowledged, rows, totals and hours
// are to be those of a run that nobody disturbed, and of a plain computation over the file. What is
// killed, and when, a seed decides, which is logged.
//
// Each worker stays for a moment before and after each write to the database ([Job.Dwell]), so that many
// a kill comes between a write and the acknowledgement of what was written.
//
// The test takes the flag -real, a PostgreSQL of which the environment has the URL in POSTGRES, and some
// minutes: make chaos.
package chaosflow
