package main

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// The client shares the processors with the server that is measured. So it makes no object of a
// message: it writes and reads the bytes of the wire, with the numbers that the protocol gives fields.

// A wire is a message as it is on the wire.
type wire []byte

// wireCodec gives gRPC messages that are encoded already.
type wireCodec struct{}

// Name implements encoding.CodecV2.
func (wireCodec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (wireCodec) Marshal(v any) (mem.BufferSlice, error) {
	w, ok := v.(*wire)
	if !ok {
		return nil, fmt.Errorf("bench: %T is not encoded", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*w)}, nil
}

// Unmarshal implements encoding.CodecV2. It writes over what v had.
func (wireCodec) Unmarshal(data mem.BufferSlice, v any) error {
	w, ok := v.(*wire)
	if !ok {
		return fmt.Errorf("bench: %T cannot be read into", v)
	}
	*w = (*w)[:0]
	for _, b := range data {
		*w = append(*w, b.ReadOnlyData()...)
	}
	return nil
}

// encoded encodes what is encoded once for many messages.
func encoded(m proto.Message) (wire, error) { return proto.Marshal(m) }

// bytes appends a field of bytes or of text, or of a message.
func (w wire) bytes(field protowire.Number, b []byte) wire {
	return protowire.AppendBytes(protowire.AppendTag(w, field, protowire.BytesType), b)
}

var errWire = errors.New("bench: the server sends what cannot be read")

// each calls a function with each field of bytes, and with the value of each number.
func (w wire) each(do func(field protowire.Number, b wire, n uint64)) error {
	for len(w) > 0 {
		field, kind, size := protowire.ConsumeTag(w)
		if size < 0 {
			return errWire
		}
		w = w[size:]
		var b []byte
		var n uint64
		switch kind {
		case protowire.BytesType:
			b, size = protowire.ConsumeBytes(w)
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(w)
		default:
			size = protowire.ConsumeFieldValue(field, kind, w)
		}
		if size < 0 {
			return errWire
		}
		w = w[size:]
		do(field, b, n)
	}
	return nil
}

// code gives the code of a status.
func (w wire) code() (code v2.Code, err error) {
	err = w.each(func(field protowire.Number, _ wire, n uint64) {
		if field == 1 {
			code = v2.Code(n)
		}
	})
	return code, err
}

// answered tells what is wrong with an answer whose first field is its status.
func (w wire) answered() error {
	var code v2.Code
	var bad error
	err := w.each(func(field protowire.Number, b wire, _ uint64) {
		if field == 1 {
			code, bad = b.code()
		}
	})
	if err = errors.Join(err, bad); err == nil && code != v2.Code_OK {
		err = fmt.Errorf("bench: the server answers %v", code)
	}
	return err
}

// received gives what of a frame of a receive is needed to acknowledge its message: an entry of the
// acknowledgement, or nil if the frame has no message.
func (w wire) received() (entry wire, err error) {
	var bad error
	err = w.each(func(field protowire.Number, b wire, _ uint64) {
		switch field {
		case 1:
			var code v2.Code
			if code, bad = b.code(); bad == nil && code != v2.Code_OK && code != v2.Code_MESSAGE_NOT_FOUND {
				bad = fmt.Errorf("bench: receive: the server answers %v", code)
			}
		case 2:
			entry, bad = b.entry()
		}
	})
	return entry, errors.Join(err, bad)
}

// entry gives the entry that acknowledges a message: its id and its receipt handle.
func (w wire) entry() (entry wire, err error) {
	var bad error
	err = w.each(func(field protowire.Number, b wire, _ uint64) {
		if field != 3 { // system properties
			return
		}
		bad = b.each(func(field protowire.Number, b wire, _ uint64) {
			switch field {
			case 3:
				entry = entry.bytes(1, b)
			case 12:
				entry = entry.bytes(2, b)
			}
		})
	})
	return entry, errors.Join(err, bad)
}
