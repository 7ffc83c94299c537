package client

import (
	"bytes"
	"compress/gzip"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/client/internal/body"
)

// DefaultCompression is a sensible threshold for [WithCompression], in bytes: what is shorter seldom
// gains by it.
const DefaultCompression = 4 << 10

// WithCompression compresses each body of at least threshold bytes with gzip, unless it would grow by
// that; [DefaultCompression] is a sensible threshold. The default is not to compress; below 1 byte the
// constructor fails. What counts against the server's limit of a body is then its compressed size.
//
// It trades processor time for network and disk. Compressed messages never share a request with
// others, since servers note the encoding of the first only. Consumers of this client, Java, Go and
// Python decompress by themselves; a consumer in Rust gets the body as it is stored.
func WithCompression(threshold int) ProducerOption {
	return func(c *producerConfig) { c.compression = &threshold }
}

// A compressor makes bodies smaller. Its writers, which are large, are used again.
type compressor struct {
	threshold int       // in bytes; 0 compresses nothing
	writers   sync.Pool // of *gzip.Writer
}

// compress replaces the body of a message by its compressed form, if that is worth it.
func (c *compressor) compress(o *outgoing) {
	plain := o.message.Body
	// What no consumer would decompress must not slip under the server's limit.
	if c.threshold == 0 || len(plain) < c.threshold || len(plain) > body.MaxDecoded {
		return
	}
	// The message keeps the buffer for as long as an attempt may read it, so it is not pooled.
	out := bytes.NewBuffer(make([]byte, 0, len(plain)/2))
	w, ok := c.writers.Get().(*gzip.Writer)
	if ok {
		w.Reset(out)
	} else {
		w, _ = gzip.NewWriterLevel(out, gzip.BestSpeed) // which is a level, so there is no error
	}
	_, err := w.Write(plain)
	if closeErr := w.Close(); err != nil || closeErr != nil {
		return // a bytes.Buffer takes everything; were it not so, the body goes as it is
	}
	c.writers.Put(w)
	if out.Len() < len(plain) {
		o.message.Body, o.system.BodyEncoding = out.Bytes(), v2.Encoding_GZIP
	}
}
