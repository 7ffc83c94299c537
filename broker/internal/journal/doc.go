// Package journal keeps an append-only log of records in a directory, and gives the records back,
// in order, after the process or the machine has ended at any moment.
//
// # Model
//
// [Journal.Append] puts a record behind all others and does not wait. [Journal.Wait] waits until a
// record, and with it each one before it, is on the disk. One goroutine writes what has been
// appended and calls fsync once for all who wait by then (group commit), so that a hundred callers
// at a time cost about as many fsyncs as one.
//
// What is found after a crash is a prefix of what was appended: all that somebody has waited for,
// perhaps more, and nothing without what came before it. So state that is changed and logged under
// one lock is found as it was at one moment.
//
// # Files
//
// A directory has segments, <number>.log, of which the highest is written to, and at most one
// snapshot that counts, <number>.snap: the records that make the same state as all segments of a
// lower number, which are removed. A snapshot is written beside the log, into a file that is synced
// before it takes its name ([Journal.Cut]). A file is:
//
//	header   8 bytes of magic, of which the last is the version; 8 bytes number, big-endian
//	record   4 bytes length, 4 bytes checksum, the payload; again and again
//
// The checksum (CRC-32C) covers the kind and the number of the file and the record's offset too: a
// block that the disk has left from another file, or from elsewhere in this one, is not taken for a
// record. A snapshot ends with an empty record.
//
// # Damage
//
// Only the end of the last segment can be incomplete by a crash: a segment is synced before the
// next one is made. What does not check out there is cut off and reported ([Recovery].Torn), never
// read. Anywhere else it is damage done to the disk, and [Open] fails with a [*CorruptError]
// rather than skip what was acknowledged.
//
// After the first error of the disk nothing is written any more: it is not known what the disk
// holds. [Journal.Wait] gives that error from then on.
package journal
