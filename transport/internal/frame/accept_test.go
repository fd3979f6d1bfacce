package frame_test

import (
	"testing"

	"p2p-messaging/transport/internal/frame"
)

func TestTheAcceptValueIsTheOneOfTheStandard(t *testing.T) {
	// This is the example of RFC 6455, section 1.3.
	const key, want = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	if got := frame.AppendAccept([]byte("Accept: "), key); string(got) != "Accept: "+want {
		t.Errorf("%q is answered with %q, want %q", key, got, want)
	}
	if got := frame.AppendAccept(nil, []byte(key)); string(got) != want {
		t.Errorf("%q as bytes is answered with %q, want %q", key, got, want)
	}
}
