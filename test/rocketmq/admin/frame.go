package admin

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// maxFrame bounds what a peer may announce, in bytes: the server's own limit on a frame.
const maxFrame = 16 << 20

// command is one frame of the remoting protocol, a request or the response to one.
type command struct {
	Code      int               `json:"code"`
	Language  string            `json:"language"`
	Version   int               `json:"version"`
	Opaque    int32             `json:"opaque"` // a response carries that of its request
	Flag      int               `json:"flag"`
	Remark    string            `json:"remark,omitempty"`
	ExtFields map[string]string `json:"extFields,omitempty"`
	Serialize string            `json:"serializeTypeCurrentRPC"`

	body []byte
}

// writeFrame writes c as total length, header length, header and body. The top byte of the header
// length names the encoding of the header; 0, JSON, is the only one used here.
func writeFrame(w io.Writer, c command) error {
	header, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode the header: %w", err)
	}
	frame := make([]byte, 0, 8+len(header)+len(c.body))
	frame = binary.BigEndian.AppendUint32(frame, uint32(4+len(header)+len(c.body)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(header)))
	frame = append(frame, header...)
	frame = append(frame, c.body...)
	_, err = w.Write(frame)
	return err
}

// readFrame reads one frame. It fails on a header that is not JSON, and on lengths that do not fit.
func readFrame(r io.Reader) (command, error) {
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return command{}, err
	}
	total := binary.BigEndian.Uint32(lengths[:4])
	headerLen := binary.BigEndian.Uint32(lengths[4:])
	if encoding := headerLen >> 24; encoding != 0 {
		return command{}, fmt.Errorf("header in encoding %d, want 0 (JSON)", encoding)
	}
	if total < 4 || total > maxFrame || headerLen > total-4 {
		return command{}, fmt.Errorf("frame of %d bytes with a header of %d", total, headerLen)
	}
	rest := make([]byte, total-4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return command{}, err
	}
	var c command
	if err := json.Unmarshal(rest[:headerLen], &c); err != nil {
		return command{}, fmt.Errorf("decode the header: %w", err)
	}
	c.body = rest[headerLen:]
	return c, nil
}
