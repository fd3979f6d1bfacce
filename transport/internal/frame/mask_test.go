package frame_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"p2p-messaging/transport/internal/frame"
)

// FuzzUnmask compares Mask with the algorithm of RFC 6455, section 5.3, which takes one byte at a time.
func FuzzUnmask(f *testing.F) {
	for _, size := range []int{0, 1, 7, 8, 9, 31, 32, 33, 64, 100, 1000} {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(i * 7)
		}
		f.Add(b, uint32(0x5AC311F7))
	}
	f.Add([]byte{}, uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, key uint32) {
		mask := binary.LittleEndian.AppendUint32(nil, key)
		want := bytes.Clone(b)
		for i := range want {
			want[i] ^= mask[i%4]
		}
		// The payload may begin at any address. The bytes behind it must not change.
		for shift := range 8 {
			room := append(append(make([]byte, shift), b...), "beyond"...)
			frame.Mask(room[shift:shift+len(b)], key)
			if got := room[shift : shift+len(b)]; !bytes.Equal(got, want) || string(room[shift+len(b):]) != "beyond" {
				t.Fatalf("%x, masked with %x, is unmasked to %x, want %x", b, mask, got, want)
			}
		}
	})
}

// BenchmarkMask masks a payload of 300 bytes.
func BenchmarkMask(b *testing.B) {
	payload := make([]byte, 300)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		frame.Mask(payload, 0x5AC311F7)
	}
}
