//go:build unix

package chat

import (
	"path/filepath"
	"syscall"
	"testing"
)

func TestAFIFOIsNotSentAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	alice := join(t, serve(t), "alice")
	alice.types("/call bob")
	alice.shows("bob is not there")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	alice.types("/send " + fifo)
	alice.shows("fifo is no file")
}
