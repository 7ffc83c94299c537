package book

import (
	"context"
	"errors"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Load gives the rows of a file with their numbers. The file's source begins behind the rows that
// are loaded: see [Book.Loaded]. A row is loaded when it is done, and the book notes the last row
// up to which there is no gap; a later run may load a few rows behind it once more.
func (b *Book) Load(file stage.Source[flights.Flight]) stage.Source[flights.Flight] {
	return observed[flights.Flight]{Source: file, read: b.number, done: b.confirm}
}

// Follow gives the messages of the topic. When one is done, the book notes that its row is settled
// before the message is acknowledged.
func (b *Book) Follow(topic stage.Source[*client.Message]) stage.Source[*client.Message] {
	return observed[*client.Message]{
		Source: topic, read: func([]*client.Message) {}, done: b.settle, lost: b.missAck,
	}
}

// Bury gives the sink of dead letters, of which the book notes the rows.
func (b *Book) Bury(deadLetters stage.Sink[flow.Failure]) stage.Sink[flow.Failure] {
	return graves{Sink: deadLetters, book: b}
}

func (b *Book) number(rows []flights.Flight) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range rows {
		b.read++
		rows[i].Row = b.read
	}
}

// confirm notes how far the rows are loaded without a gap. It is written when all before it is on
// the disk, that is, rows which went to the dead letters instead.
func (b *Book) confirm(rows []flights.Flight) error {
	b.mu.Lock()
	before := b.loaded.upTo
	for _, f := range rows {
		b.loaded.add(f.Row)
	}
	upTo := b.loaded.upTo
	b.mu.Unlock()
	if upTo == before {
		return nil
	}
	return b.noteOnDisk(entry{Loaded: upTo})
}

func (b *Book) settle(messages []*client.Message) error {
	entries := make([]entry, 0, len(messages))
	for _, m := range messages {
		// A message without a row is not ours: somebody else sent it. It went to the dead letters.
		if row, err := flights.RowOf(m); err == nil {
			entries = append(entries, entry{Row: row, Fact: factSettled})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return b.noteOnDisk(entries...)
}

func (b *Book) noteOnDisk(entries ...entry) error {
	if err := b.note(entries...); err != nil {
		return err
	}
	return b.journal.Sync()
}

// missAck marks rows whose messages may come again: their acknowledgement may be lost.
func (b *Book) missAck(messages []*client.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range messages {
		if row, err := flights.RowOf(m); err == nil {
			b.setLocked(row, b.rows[row]|unacked)
		}
	}
}

// graves is a sink of dead letters which the book hears of.
type graves struct {
	stage.Sink[flow.Failure]
	book *Book
}

// SinkTraits gives those of the sink.
func (g graves) SinkTraits() stage.SinkTraits {
	if d, ok := g.Sink.(stage.SinkDescriber); ok {
		return d.SinkTraits()
	}
	return stage.SinkTraits{}
}

// Open opens the sink.
func (g graves) Open(ctx context.Context) (stage.Writer[flow.Failure], error) {
	w, err := g.Sink.Open(ctx)
	if err != nil {
		return nil, err
	}
	return gravedigger{Writer: w, book: g.book}, nil
}

type gravedigger struct {
	stage.Writer[flow.Failure]
	book *Book
}

// SinkTraits gives those of the writer.
func (g gravedigger) SinkTraits() stage.SinkTraits {
	if d, ok := g.Writer.(stage.SinkDescriber); ok {
		return d.SinkTraits()
	}
	return stage.SinkTraits{}
}

// Write writes, and notes the rows of what is written.
func (g gravedigger) Write(ctx context.Context, batch stage.Batch[flow.Failure]) error {
	err := g.Writer.Write(ctx, batch)
	var partly *stage.BatchError
	if err != nil && !errors.As(err, &partly) {
		return err
	}
	var entries []entry
	for i, f := range batch.Values {
		if partly != nil && partly.Failed[i] != nil {
			continue
		}
		if e, ok := burial(f); ok {
			entries = append(entries, e)
		}
	}
	if noteErr := g.book.note(entries...); noteErr != nil {
		return noteErr
	}
	return err
}

// burial is what the book notes of a dead letter, if it is of a row.
func burial(f flow.Failure) (entry, bool) {
	switch v := f.Source.(type) {
	case flights.Flight:
		return entry{Row: v.Row, Fact: factRejected}, true
	case *client.Message:
		row, err := flights.RowOf(v)
		return entry{Row: row, Fact: factDead}, err == nil
	}
	return entry{}, false
}
