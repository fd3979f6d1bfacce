package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// openPseudoterminal returns the two ends of a terminal of the machine.
func openPseudoterminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

func TestCtrlCEndsAChatThatDoesNotReachItsService(t *testing.T) {
	_, program := openPseudoterminal(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	f := flags(t, "ws://"+silent.Addr().String(), "alice")
	f.In, f.ReceiveFiles = program, t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- f.Execute(ctx, program, io.Discard) }()
	connection, err := silent.Accept() // the chat waits for an answer from here on
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	state, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if state.Lflag&unix.ISIG == 0 {
		t.Error("Ctrl-C is no signal while the chat connects, and nobody reads it")
	}
	interrupt()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("the chat ends with %v", err)
	}
}
