package frame_test

import (
	"bytes"
	"testing"

	"p2p-messaging/transport/internal/frame"
	"p2p-messaging/transport/internal/rawws"
)

// sizes are payload sizes around those at which the header grows.
var sizes = []int{0, 1, 2, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 100_000}

func TestFramesAreReadAsTheyWereWritten(t *testing.T) {
	const key = 0x8912_34F0
	for _, size := range sizes {
		payload := bytes.Repeat([]byte("payload "), size/8+1)[:size]
		for _, masked := range []bool{false, true} {
			written := frame.Append([]byte("before"), frame.Text, payload)
			if masked {
				written = frame.AppendMasked([]byte("before"), frame.Text, payload, key)
			}
			written = append(written, "behind"...)[len("before"):]
			header := len(written) - len("behind") - size
			h, more := frame.ParseHeader(written)
			if h.Opcode() != frame.Text || !h.Fin() || h.Masked() != masked || h.Length != uint64(size) || h.Size() != header || h.Key != 0 && h.Key != key || more != 0 {
				t.Errorf("%d bytes, masked: %t: the header is read as %+v, of %d bytes, %d more", size, masked, h, h.Size(), more)
				continue
			}
			got := written[h.Size():][:size]
			frame.Mask(got, h.Key)
			if !bytes.Equal(got, payload) {
				t.Errorf("%d bytes, masked: %t: the payload is another", size, masked)
			}
			for n := range h.Size() {
				if _, more := frame.ParseHeader(written[:n]); more <= 0 || n+more > h.Size() {
					t.Errorf("%d bytes, masked: %t: with %d of %d bytes of the header, %d more are asked for", size, masked, n, h.Size(), more)
				}
			}
		}
	}
}

func TestFramesAreWrittenAsTheOracleWritesThem(t *testing.T) {
	for _, size := range sizes {
		payload := bytes.Repeat([]byte("x"), size)
		for _, opcode := range []frame.Opcode{frame.Text, frame.Binary, frame.Close, frame.Ping, frame.Pong} {
			want := rawws.Frame{Opcode: byte(opcode), Payload: payload}
			want.Unmasked = true
			if got := frame.Append(nil, opcode, payload); !bytes.Equal(got, want.Append(nil)) {
				t.Errorf("opcode %#x, %d bytes: it begins with %x", opcode, size, got[:min(len(got), 20)])
			}
			want.Unmasked = false
			oracle := want.Append(nil)
			h, _ := frame.ParseHeader(oracle)
			if got := frame.AppendMasked(nil, opcode, payload, h.Key); !bytes.Equal(got, oracle) {
				t.Errorf("opcode %#x, masked, %d bytes: it begins with %x", opcode, size, got[:min(len(got), 20)])
			}
		}
	}
}
