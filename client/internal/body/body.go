// Package body checks and decodes message bodies as the server hands them out.
package body

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/md5"  // the protocol's checksum, not a defence
	"crypto/sha1" // the protocol's checksum, not a defence
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// ErrDigest says that a body is not the one whose checksum came with it.
var ErrDigest = errors.New("the body does not match its digest")

// ErrEncoding says that a body is in an encoding which is unknown, not supported, or damaged.
var ErrEncoding = errors.New("the body cannot be decoded")

// MaxDecoded bounds what a compressed body may grow to, in bytes, so that a hostile one cannot take
// all memory.
const MaxDecoded = 256 << 20

// Verify compares stored, the body as the server stores it, with its digest. No digest, or one of an
// unknown kind, proves nothing and passes.
func Verify(digest *v2.Digest, stored []byte) error {
	var sum string
	switch digest.GetType() {
	case v2.DigestType_CRC32:
		// The checksum is a number in hexadecimal, without leading zeros.
		want, err := strconv.ParseUint(digest.GetChecksum(), 16, 32)
		if err == nil && uint32(want) == crc32.ChecksumIEEE(stored) {
			return nil
		}
		return fmt.Errorf("%w: CRC32 %q", ErrDigest, digest.GetChecksum())
	case v2.DigestType_MD5:
		of := md5.Sum(stored)
		sum = hex.EncodeToString(of[:])
	case v2.DigestType_SHA1:
		of := sha1.Sum(stored)
		sum = hex.EncodeToString(of[:])
	default:
		return nil
	}
	if !strings.EqualFold(sum, digest.GetChecksum()) {
		return fmt.Errorf("%w: %v %q", ErrDigest, digest.GetType(), digest.GetChecksum())
	}
	return nil
}

// Decode returns the body that stored encodes. The protocol's GZIP stands for whatever compression a
// producer of any kind has used, so the first bytes decide.
func Decode(encoding v2.Encoding, stored []byte) ([]byte, error) {
	switch encoding {
	case v2.Encoding_ENCODING_UNSPECIFIED, v2.Encoding_IDENTITY:
		return stored, nil
	case v2.Encoding_GZIP:
		return decompress(stored)
	default:
		return nil, fmt.Errorf("%w: unknown encoding %d", ErrEncoding, encoding)
	}
}

func decompress(stored []byte) ([]byte, error) {
	r, err := decompressor(stored)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	defer func() { _ = r.Close() }() // which only frees what the reader holds
	plain, err := io.ReadAll(io.LimitReader(r, MaxDecoded+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if len(plain) > MaxDecoded {
		return nil, fmt.Errorf("%w: it grows beyond %d bytes", ErrEncoding, MaxDecoded)
	}
	return plain, nil
}

// decompressor reads what is compressed in one of the four ways that producers of RocketMQ know.
func decompressor(stored []byte) (io.ReadCloser, error) {
	r := bytes.NewReader(stored)
	switch {
	case bytes.HasPrefix(stored, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(stored, []byte{0x78}):
		return zlib.NewReader(r)
	case bytes.HasPrefix(stored, []byte{0x04, 0x22, 0x4d, 0x18}):
		return io.NopCloser(lz4.NewReader(r)), nil
	case bytes.HasPrefix(stored, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxDecoded))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	default:
		return nil, fmt.Errorf("it begins with % x, which is none of gzip, zlib, lz4 and zstd", stored[:min(4, len(stored))])
	}
}
