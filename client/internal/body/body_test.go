package body

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"
)

func TestVerify_ComparesByEachKindOfDigest(t *testing.T) {
	for _, c := range []struct {
		name string
		kind v2.DigestType
		sum  string
		body string
		bad  bool
	}{
		{"crc32 without its leading zero", v2.DigestType_CRC32, "A6216D9", "33", false},
		{"crc32 with its leading zero", v2.DigestType_CRC32, "0A6216D9", "33", false},
		{"crc32 of another body", v2.DigestType_CRC32, "A6216D9", "34", true},
		{"crc32 that is no number", v2.DigestType_CRC32, "xyz", "33", true},
		{"md5", v2.DigestType_MD5, "900150983CD24FB0D6963F7D28E17F72", "abc", false},
		{"md5 in lower case", v2.DigestType_MD5, "900150983cd24fb0d6963f7d28e17f72", "abc", false},
		{"md5 of another body", v2.DigestType_MD5, "900150983CD24FB0D6963F7D28E17F72", "abd", true},
		{"sha1", v2.DigestType_SHA1, "A9993E364706816ABA3E25717850C26C9CD0D89D", "abc", false},
		{"sha1 cut short", v2.DigestType_SHA1, "A9993E36", "abc", true},
		{"unknown kind", v2.DigestType(99), "?", "abc", false},
		{"none", v2.DigestType_DIGEST_TYPE_UNSPECIFIED, "", "abc", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Verify(&v2.Digest{Type: c.kind, Checksum: c.sum}, []byte(c.body))
			if c.bad {
				require.ErrorIs(t, err, ErrDigest)
				return
			}
			require.NoError(t, err)
		})
	}
	require.NoError(t, Verify(nil, []byte("abc")))
}

func compressed(t *testing.T, wrap func(io.Writer) io.WriteCloser, plain string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := wrap(&out)
	_, err := io.WriteString(w, plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestDecode_UnpacksByTheFirstBytes(t *testing.T) {
	plain := "to be or not to be"
	byGzip := compressed(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, plain)
	byZlib := compressed(t, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, plain)
	byLZ4 := compressed(t, func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) }, plain)
	byZstd := compressed(t, func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		require.NoError(t, err)
		return z
	}, plain)
	for name, stored := range map[string][]byte{"gzip": byGzip, "zlib": byZlib, "lz4": byLZ4, "zstd": byZstd} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(v2.Encoding_GZIP, stored)
			require.NoError(t, err)
			require.Equal(t, plain, string(got))
		})
	}
	got, err := Decode(v2.Encoding_IDENTITY, byGzip)
	require.NoError(t, err)
	require.Equal(t, byGzip, got)
}

func TestDecode_NamesWhatItCannotUnpack(t *testing.T) {
	whole := compressed(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, "hello")
	for name, c := range map[string]struct {
		encoding v2.Encoding
		stored   []byte
	}{
		"empty":            {v2.Encoding_GZIP, nil},
		"one byte":         {v2.Encoding_GZIP, []byte{0x1f}},
		"cut short":        {v2.Encoding_GZIP, whole[:len(whole)-3]},
		"zstd cut short":   {v2.Encoding_GZIP, []byte{0x28, 0xb5, 0x2f, 0xfd, 1}},
		"lz4 cut short":    {v2.Encoding_GZIP, []byte{0x04, 0x22, 0x4d, 0x18, 0x64}},
		"of nobody":        {v2.Encoding_GZIP, []byte("plain")},
		"unknown encoding": {v2.Encoding(42), []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(c.encoding, c.stored)
			require.ErrorIs(t, err, ErrEncoding)
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(int32(2), []byte{0x1f, 0x8b, 8, 0})
	f.Add(int32(2), []byte{0x78, 0x9c})
	f.Add(int32(2), []byte{0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7})
	f.Add(int32(2), []byte{0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x55})
	f.Add(int32(1), []byte("plain"))
	f.Fuzz(func(t *testing.T, encoding int32, stored []byte) {
		if _, err := Decode(v2.Encoding(encoding), stored); err != nil {
			require.ErrorIs(t, err, ErrEncoding)
		}
	})
}
